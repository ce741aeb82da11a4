// mach/message.h - the parts of Mach messages that notification callouts see. Values: xnu osfmk/mach/message.h.
#pragma once

#include <mach/kern_return.h>
#include <mach/port.h>
#include <stdint.h>

typedef natural_t mach_msg_type_number_t;
typedef natural_t mach_msg_size_t;
typedef natural_t mach_msg_timeout_t;
typedef unsigned int mach_msg_bits_t;
typedef integer_t mach_msg_id_t;
typedef integer_t mach_msg_option_t;
typedef kern_return_t mach_msg_return_t;

typedef struct {
  mach_msg_bits_t msgh_bits;
  mach_msg_size_t msgh_size;
  mach_port_t msgh_remote_port;
  mach_port_t msgh_local_port;
  mach_port_name_t msgh_voucher_port;
  mach_msg_id_t msgh_id;
} mach_msg_header_t;

#define MACH_MSG_SUCCESS 0
#define MACH_MSG_TIMEOUT_NONE ((mach_msg_timeout_t)0)
#define MACH_SEND_MSG 0x00000001
#define MACH_RCV_MSG 0x00000002
#define MACH_RCV_TIMEOUT 0x00000100
#define MACH_RCV_LARGE 0x00000004

#ifndef MACH_SEND_INVALID_DEST
#define MACH_SEND_INVALID_DEST 0x10000003
#endif
#define MACH_SEND_INVALID_RIGHT 0x10000007
#define MACH_RCV_INVALID_NAME 0x10004002
#define MACH_RCV_TIMED_OUT 0x10004003
#define MACH_RCV_TOO_LARGE 0x10004004

// mach/vm_region.h - what mach_vm_region() tells of a mapping. Layout: xnu osfmk/mach/vm_region.h.
#pragma once

#include <mach/boolean.h>
#include <mach/message.h>
#include <mach/vm_prot.h>
#include <mach/vm_types.h>
#include <stdint.h>

typedef int vm_region_flavor_t;
typedef int* vm_region_info_t;
typedef unsigned int vm_inherit_t;
typedef int vm_behavior_t;

#pragma pack(push, 4)
struct vm_region_basic_info_64 {
  vm_prot_t protection;
  vm_prot_t max_protection;
  vm_inherit_t inheritance;
  boolean_t shared;
  boolean_t reserved;
  uint64_t offset;
  vm_behavior_t behavior;
  unsigned short user_wired_count;
};
#pragma pack(pop)
typedef struct vm_region_basic_info_64 vm_region_basic_info_data_64_t;
typedef struct vm_region_basic_info_64* vm_region_basic_info_64_t;

#define VM_REGION_BASIC_INFO_64 9
#define VM_REGION_BASIC_INFO_COUNT_64 \
  ((mach_msg_type_number_t)(sizeof(vm_region_basic_info_data_64_t) / sizeof(int)))

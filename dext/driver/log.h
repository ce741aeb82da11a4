// dext/driver/log.h - breadcrumbs: failures only, so that nothing on the way of an access logs.
#pragma once

#include <os/log.h>

#define VFIO_LOG(format, ...) os_log_error(OS_LOG_DEFAULT, "vfio-user-pci: " format, ##__VA_ARGS__)

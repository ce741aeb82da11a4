// mach/mach_vm.h - the task's own address space, as far as mappings made through IOKit go.
#pragma once

#include <mach/kern_return.h>
#include <mach/port.h>
#include <mach/vm_region.h>
#include <mach/vm_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The mapping that holds *address, or the next one above it. Knows the mappings IOKit made; nothing else. */
kern_return_t mach_vm_region(vm_map_read_t target_task, mach_vm_address_t* address, mach_vm_size_t* size,
                             vm_region_flavor_t flavor, vm_region_info_t info, mach_msg_type_number_t* infoCnt,
                             mach_port_t* object_name);
/* Gives back memory that a call returned (variable-size structure output). */
kern_return_t mach_vm_deallocate(vm_map_t target, mach_vm_address_t address, mach_vm_size_t size);
kern_return_t vm_deallocate(vm_map_t target_task, vm_address_t address, vm_size_t size);

#ifdef __cplusplus
}
#endif

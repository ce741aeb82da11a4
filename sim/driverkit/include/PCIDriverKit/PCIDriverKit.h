// PCIDriverKit/PCIDriverKit.h - everything for PCI.
#pragma once

#include <PCIDriverKit/IOPCIDevice.h>
#include <PCIDriverKit/IOPCIFamilyDefinitions.h>

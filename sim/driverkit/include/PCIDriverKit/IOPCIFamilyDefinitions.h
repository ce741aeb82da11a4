// PCIDriverKit/IOPCIFamilyDefinitions.h - names of PCI configuration space and of IOPCIFamily.
// Values: PCIe 6.0 chapter 7; IOPCIFamily IOPCIFamilyDefinitions.h.
#pragma once

#include <DriverKit/IOTypes.h>

/* Registry and personality keys. */
#define kIOPCITunnelCompatibleKey "IOPCITunnelCompatible"
#define kIOPCITunnelledKey "IOPCITunnelled"
#define kIOPCIMatchKey "IOPCIMatch"
#define kIOPCIPrimaryMatchKey "IOPCIPrimaryMatch"
#define kIOPCISecondaryMatchKey "IOPCISecondaryMatch"
#define kIOPCIClassMatchKey "IOPCIClassMatch"
#define kIOPCIDeviceMemoryArrayKey "IODeviceMemory"
#define kIOPCIExpressLinkStatusKey "IOPCIExpressLinkStatus"
#define kIOPCIExpressLinkCapabilitiesKey "IOPCIExpressLinkCapabilities"

/* Type 0 header. */
enum {
	kIOPCIConfigurationOffsetVendorID = 0x00,
	kIOPCIConfigurationOffsetDeviceID = 0x02,
	kIOPCIConfigurationOffsetCommand = 0x04,
	kIOPCIConfigurationOffsetStatus = 0x06,
	kIOPCIConfigurationOffsetRevisionID = 0x08,
	kIOPCIConfigurationOffsetClassCode = 0x09,
	kIOPCIConfigurationOffsetCacheLineSize = 0x0c,
	kIOPCIConfigurationOffsetLatencyTimer = 0x0d,
	kIOPCIConfigurationOffsetHeaderType = 0x0e,
	kIOPCIConfigurationOffsetBIST = 0x0f,
	kIOPCIConfigurationOffsetBaseAddress0 = 0x10,
	kIOPCIConfigurationOffsetBaseAddress1 = 0x14,
	kIOPCIConfigurationOffsetBaseAddress2 = 0x18,
	kIOPCIConfigurationOffsetBaseAddress3 = 0x1c,
	kIOPCIConfigurationOffsetBaseAddress4 = 0x20,
	kIOPCIConfigurationOffsetBaseAddress5 = 0x24,
	kIOPCIConfigurationOffsetCardBusCISPtr = 0x28,
	kIOPCIConfigurationOffsetSubSystemVendorID = 0x2c,
	kIOPCIConfigurationOffsetSubSystemID = 0x2e,
	kIOPCIConfigurationOffsetExpansionROMBase = 0x30,
	kIOPCIConfigurationOffsetCapabilitiesPtr = 0x34,
	kIOPCIConfigurationOffsetInterruptLine = 0x3c,
	kIOPCIConfigurationOffsetInterruptPin = 0x3d,
	kIOPCIConfigurationOffsetMinimumGrant = 0x3e,
	kIOPCIConfigurationOffsetMaximumLatency = 0x3f,
};

/* Command and Status. */
enum {
	kIOPCICommandIOSpace = 0x0001,
	kIOPCICommandMemorySpace = 0x0002,
	kIOPCICommandBusMaster = 0x0004,
	kIOPCICommandSpecialCycles = 0x0008,
	kIOPCICommandMemWrInvalidate = 0x0010,
	kIOPCICommandPaletteSnoop = 0x0020,
	kIOPCICommandParityError = 0x0040,
	kIOPCICommandAddressStepping = 0x0080,
	kIOPCICommandSERR = 0x0100,
	kIOPCICommandFastBack2Back = 0x0200,
	kIOPCICommandInterruptDisable = 0x0400,
};
enum {
	kIOPCIStatusParityErrActive = 0x8000,
	kIOPCIStatusSERRActive = 0x4000,
	kIOPCIStatusMasterAbortActive = 0x2000,
	kIOPCIStatusTargetAbortActive = 0x1000,
	kIOPCIStatusTargetAbortCapable = 0x0800,
	kIOPCIStatusCapabilities = 0x0010,
	kIOPCIStatusInterrupt = 0x0008,
};

/* Capability ids; extended capabilities are negative. */
enum {
	kIOPCICapabilityIDPowerManagement = 0x01,
	kIOPCICapabilityIDAGP = 0x02,
	kIOPCICapabilityIDVPD = 0x03,
	kIOPCICapabilityIDSlotID = 0x04,
	kIOPCICapabilityIDMSI = 0x05,
	kIOPCICapabilityIDPCIX = 0x07,
	kIOPCICapabilityIDVendorSpecific = 0x09,
	kIOPCICapabilityIDSubsystemID = 0x0d,
	kIOPCICapabilityIDPCIExpress = 0x10,
	kIOPCICapabilityIDMSIX = 0x11,
	kIOPCIExpressCapabilityIDErrorReporting = -0x01,
	kIOPCIExpressCapabilityIDVirtualChannel = -0x02,
	kIOPCIExpressCapabilityIDDeviceSerialNumber = -0x03,
	kIOPCIExpressCapabilityIDPowerBudget = -0x04,
	kIOPCIExpressCapabilityIDVendorSpecific = -0x0b,
	kIOPCIExpressCapabilityIDAccessControlServices = -0x0d,
	kIOPCIExpressCapabilityIDLatencyTolerenceReporting = -0x18,
	kIOPCIExpressCapabilityIDResizableBAR = -0x15,
	kIOPCIExpressCapabilityIDL1PMSubstates = -0x1e,
};

/* BAR types equal the low bits of a BAR. */
enum {
	kPCIBARTypeM32 = 0x0,
	kPCIBARTypeIO = 0x1,
	kPCIBARTypeM64 = 0x4,
	kPCIBARTypeM32PF = 0x8,
	kPCIBARTypeM64PF = 0xc,
};
enum {
	kPCIBARIndex0 = 0,
	kPCIBARIndex1 = 1,
	kPCIBARIndex2 = 2,
	kPCIBARIndex3 = 3,
	kPCIBARIndex4 = 4,
	kPCIBARIndex5 = 5,
	kPCIBARIndexROM = 6,
};

typedef uint8_t IOPCILinkSpeed;
enum {
	kPCILinkSpeed_2_5_GTs = 1,
	kPCILinkSpeed_5_GTs = 2,
	kPCILinkSpeed_8_GTs = 3,
	kPCILinkSpeed_16_GTs = 4,
	kPCILinkSpeed_32_GTs = 5,
};

enum {
	kIOPCIAccessLatencyTolerantHint = 0x00000001,
};

enum {
	kIOPCIDeviceResetTypeHotReset = 0x00000001,
	kIOPCIDeviceResetTypeWarmReset = 0x00000002,
	kIOPCIDeviceResetTypeWarmResetDisable = 0x00000004,
	kIOPCIDeviceResetTypeWarmResetEnable = 0x00000008,
	kIOPCIDeviceResetTypeFunctionReset = 0x00000010,
};
enum {
	kIOPCIDeviceResetOptionNone = 0x00000000,
	kIOPCIDeviceResetOptionTerminate = 0x00000001,
};

enum {
	kIOInterruptTypePCIMessaged = 0x00010000,
	kIOInterruptTypePCIMessagedX = 0x00020000,
};

/* _MemoryAccess: operation, width and, in the low byte, the memory index. */
enum {
	kPCIDriverKitMemoryAccessOperationDeviceMemoryIndexMask = 0x000000ff,
	kPCIDriverKitMemoryAccessOperationDeviceRead = 0x00000100,
	kPCIDriverKitMemoryAccessOperationDeviceWrite = 0x00000200,
	kPCIDriverKitMemoryAccessOperationConfigurationRead = 0x00000400,
	kPCIDriverKitMemoryAccessOperationConfigurationWrite = 0x00000800,
	kPCIDriverKitMemoryAccessOperationIORead = 0x00001000,
	kPCIDriverKitMemoryAccessOperationIOWrite = 0x00002000,
	kPCIDriverKitMemoryAccessOperation8Bit = 0x00010000,
	kPCIDriverKitMemoryAccessOperation16Bit = 0x00020000,
	kPCIDriverKitMemoryAccessOperation32Bit = 0x00040000,
	kPCIDriverKitMemoryAccessOperation64Bit = 0x00080000,
};

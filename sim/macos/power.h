// sim/macos/power.h - the host changes its power state: what that does to the devices behind the ports.
#pragma once

namespace dartboard::macos {

class Kernel;

/// The host sleeps and wakes at once: every slot loses power; configuration is saved before and restored after, what
/// else a device knew is gone. Connections and mappings stay.
void sleep_and_wake(Kernel& kernel);

/// A driver does not acknowledge a change of power state in time: the host panics.
void power_change_times_out(Kernel& kernel);

}  // namespace dartboard::macos

// cli/main.cpp - the program `dartboard`: arguments to commands.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <new>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/endpoints.h"
#include "cli/trace_commands.h"
#include "cli/whole_number.h"
#include "traces/tools/access.h"

// SystemC's library has a main of its own that calls this; ours is used, and this is never called.
extern "C" int sc_main(int, char**) {
  return 0;
}

namespace dartboard::cli {
namespace {

constexpr const char* kVersion = "dartboard 0.1.0";

constexpr const char* kAbout =
    "A Mac's PCIe side in software: develop, replay and inspect a PCI passthrough stack for Apple silicon on any "
    "host.\n"
    "A world is chosen with --dext: sim[:PROFILE] is a simulated Mac (see 'dartboard profiles'), iokit:[ROOT/]BB:DD.F "
    "a "
    "real device on this Mac.";

constexpr const char* kExamples =
    "Examples:\n"
    "  dartboard replay traces/sessions/amd-am-boot-copy.jsonl.zst\n"
    "      boots a recorded AMD GPU driver against the simulated Mac and compares every reply\n"
    "  dartboard replay changed.jsonl.zst --device-session original.jsonl.zst --json\n"
    "      the guest's side from one recording, the device's from another: shows what a change of the driver changed\n"
    "  dartboard replay traces/sessions/amd-am-boot-copy.jsonl.zst --device gpu\n"
    "      the same driver, answered by a device that is a script\n"
    "  dartboard profiles\n"
    "      the platforms that can be simulated, with their limits\n"
    "  dartboard devices --dext sim:m1-tb4\n"
    "      the devices that have the dext on them\n"
    "  dartboard inspect --profile m1-tb4 --path dart --depth 5\n"
    "      the registers of the DARTs, by name and field\n"
    "  dartboard compare --workload game --html game.html\n"
    "      the DMA strategies on the same work: what each maps, costs and refuses\n"
    "  dartboard inspect --device nvme --path slot\n"
    "      a device that is a script, with its registers\n"
    "  dartboard conformance --device rtl --wave /tmp/rtl.vcd\n"
    "      the rules of PCI Express on a device in SystemVerilog, with its waves\n"
    "  dartboard sweep traces/sessions/amd-am-boot-copy.jsonl.zst --sites 3\n"
    "      the recorded driver with every kind of fault at three places each\n";

constexpr const char* kFdtExamples =
    "The mapper of a Mac chooses the addresses a device may use, so a guest must bounce its DMA through memory whose\n"
    "addresses are known before it boots. An unchanged Linux with CONFIG_DMA_RESTRICTED_POOL does, if its tree says so.\n"
    "Example: 64 MiB of guest memory at 0x50000000, which the mapper put at 0x800000000, for the device in slot 4:\n"
    "  qemu-system-aarch64 -machine virt,gic-version=3,its=on,dumpdtb=virt.dtb -cpu cortex-a57 -smp 1 -m 512\n"
    "  dartboard fdt --base virt.dtb --out guest.dtb --pool 0x50000000,0x800000000,64M --device 00:04.0\n"
    "  qemu-system-aarch64 ... -dtb guest.dtb -device '{\"driver\":\"vfio-user-pci\",\"addr\":\"04.0\",...}'\n"
    "See docs/device-tree.md.\n";

constexpr const char* kDeviceHelp =
    "The device in the simulated Mac's slot: test, rtl, a script that ships (see 'dartboard devices'), or script:FILE.lua";
constexpr const char* kWaveHelp = "With the device rtl: write its signals to FILE.vcd";
constexpr const char* kStorageHelp =
    "What a scripted device keeps its data on: a size (64M), FILE (which is not changed), or FILE:rw";

constexpr const char* kDextHelp =
    "The world: sim[:PROFILE] (PROFILE is a built-in name or a .dts or .dtb file) or iokit:[ROOT/]BB:DD.F (on a Mac)";

/// Arguments that are not what they should be: says what is wrong, and where there is more to read.
ExitCode refuse_arguments(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  std::string path = "dartboard";
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    path += " " + command->get_name();
  }
  std::string known;
  for (const CLI::App* each : command->get_subcommands({})) known += (known.empty() ? "" : ", ") + each->get_name();
  std::string what = error.what();
  if (!known.empty()) {  // a command of this one was needed, and none was recognised
    const std::vector<std::string> left = command->remaining();
    const auto word =
        std::find_if(left.begin(), left.end(), [](const std::string& text) { return !text.starts_with('-'); });
    const std::string group = command == &app ? "" : command->get_name() + " ";
    if (word != left.end()) {
      what = fmt::format("unknown command '{}{}'", group, traces::printable(*word, 40));
    } else if (!left.empty()) {
      what = fmt::format("unknown option '{}'", traces::printable(left.front(), 40));
    } else {
      what = fmt::format("'{}' needs a command", path);
    }
    what += fmt::format("; there are {}", known);
  }
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError)) {
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_positional() || option->count() == 0 || option->get_expected_max() <= 1) continue;
      what += fmt::format(" (if it was given: {} takes all values behind it, so put it first, or -- before it)",
                          option->get_name());
      break;
    }
  }
  return report({ErrorName::kBadArgument, io_return::kBadArgument,
                 fmt::format("{}; '{} --help' shows what there is", what, path)});
}

int parse_and_run(int argc, char** argv) {
  CLI::App app(kAbout, "dartboard");
  app.require_subcommand(1);
  app.set_version_flag("--version", kVersion, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.footer(std::string(kExamples) + "\n" + kExitCodeHelp);

  ReplayOptions replay;
  CLI::App* const replay_command = app.add_subcommand("replay", "Replay a recorded session through the whole path");
  replay_command
      ->add_option("FILE", replay.file,
                   "The trace, of any format that dartboard reads (a .jsonl with its .device.json beside it)")
      ->required();
  replay_command->add_option("--dext", replay.dext, kDextHelp)->default_str(std::string("sim:") + kReplayProfile);
  replay_command->add_option("--device-session", replay.device_session,
                             "Take the device's side from this session: its register values, DMA and memory changes");
  replay_command->add_option("--device", replay.device,
                             "Who answers instead of the recording: test, rtl, a script that ships, or script:FILE.lua");
  replay_command
      ->add_option("--mode", replay.mode,
                   "How the recording answers: strict (in its order, a difference is a divergence) or registers (each "
                   "register by what the whole recording teaches about it)")
      ->check(CLI::IsMember({"strict", "registers"}))
      ->capture_default_str();
  replay_command
      ->add_option("--gap", replay.gap,
                   "Time between requests: none, recorded, or min[:TIME] before each that shows the driver waited (250us)")
      ->capture_default_str();
  replay_command
      ->add_option("--iova", replay.iova,
                   "Bus addresses: recorded (memory goes where it was), rebase (the mapper chooses, and addresses in "
                   "recorded writes are rewritten), or auto (rebase if the platform has none of the recorded places)")
      ->check(CLI::IsMember({"auto", "recorded", "rebase"}))
      ->capture_default_str();
  replay_command->add_option("--from", replay.from,
                             "Compare from this request on: a number, or a time since the first (20ms). What comes before "
                             "is performed, not compared");
  replay_command->add_option("--until", replay.until, "End before this request: a number, or a time since the first");
  replay_command->add_flag("--stop-on-divergence", replay.stop_on_divergence, "End at the first divergence");
  CLI::Option* const device_index = replay_command->add_option(
      "--device-index", replay.device_index, "The device of a trace with several, by number (the one with most events)");
  replay_command->add_option("--device-address", replay.device_address, "The same by address, as the trace has it")
      ->excludes(device_index);
  std::string wave;
  replay_command->add_option("--wave", wave, kWaveHelp);
  replay_command->add_option("--storage", replay.storage, kStorageHelp)->default_str("64M");
  add_record_options(*replay_command, replay.record);
  replay_command->add_option("--report", replay.report,
                             "Write a page to FILE.html: divergences first, timeline, registers, waits (docs/report.md)");
  replay_command->add_flag("--json", replay.json, "Print one JSON object instead of text");
  replay_command->add_flag("-q,--quiet", replay.quiet, "No progress bar");
  replay_command->footer(
      "Every request enters the backend as a guest's would and goes through client, dext, macOS and PCIe to an "
      "endpoint\n"
      "that answers from the recording. Memory is placed at the recorded bus addresses. The summary counts what "
      "happened\n"
      "on the way and shows the first ten divergences: request, layer (reply, endpoint, memory, device), expected, "
      "got.\n"
      "A recording of a replay replays to the same trace hash.\n"
      "Fields of configuration space that the backend shows in its own way are counted as differences by policy.\n"
      "See docs/replay.md.\n\n" +
      std::string(kExitCodeHelp));

  ProfilesOptions profiles;
  CLI::App* const profiles_command = app.add_subcommand("profiles", "List the platforms that can be simulated");
  profiles_command->add_flag("--json", profiles.json, "Print a JSON array instead of text");
  profiles_command->footer("A profile of your own is a device tree source: --profile FILE.dts. See docs/profiles.md.\n\n" +
                           std::string(kExitCodeHelp));

  DevicesOptions devices;
  CLI::App* const devices_command = app.add_subcommand("devices", "List the devices that have the dext on them");
  devices_command->add_option("--dext", devices.dext, kDextHelp)->default_str(std::string("sim:") + kDefaultProfile);
  devices_command->add_option("--device", devices.device, kDeviceHelp)->default_str("test");
  devices_command->add_option("--wave", wave, kWaveHelp);
  devices_command->add_option("--storage", devices.storage, kStorageHelp)->default_str("64M");
  devices_command->add_flag("--json", devices.json, "Print a JSON array instead of text");
  devices_command->footer("What a client sees of each, by the addresses that --dext iokit: takes; then what --device takes. No device is opened,\n"
                          "so there is nothing to record.\n\n" +
                          std::string(kExitCodeHelp));

  InspectOptions inspect;
  CLI::App* const inspect_command =
      app.add_subcommand("inspect", "Print the machine as a tree, with registers by name and field");
  inspect_command->add_option("--profile", inspect.profile, "The platform: a built-in name or a .dts or .dtb file")
      ->capture_default_str();
  inspect_command->add_option("--device", inspect.device, kDeviceHelp)->default_str("test");
  inspect_command->add_option("--wave", wave, kWaveHelp);
  inspect_command->add_option("--storage", inspect.storage, kStorageHelp)->default_str("64M");
  inspect_command->add_option("--path", inspect.path,
                              "Only what matches, such as 'dart' or 'pcic0/endpoint': parts of names, outermost first");
  inspect_command->add_option("--depth", inspect.depth, "Levels to print (0: all)")
      ->transform(whole_number(0, UINT32_MAX))
      ->capture_default_str();
  inspect_command->add_flag("--open", inspect.open, "Claim the device as a backend does, and show the backend too");
  add_record_options(*inspect_command, inspect.record);
  inspect_command->add_flag("--json", inspect.json, "Print one JSON object instead of text");
  inspect_command->footer(
      "--record takes --open: what opening the device takes is seen at the client seam.\n\n"
      "Examples:\n"
      "  dartboard inspect --profile m1-tb4 --path dart --depth 5\n"
      "      the registers of the DARTs, by name and field\n"
      "  dartboard inspect --device nvme --storage disk.img --path slot\n"
      "      a device that is a script, with its registers\n"
      "  dartboard inspect --device rtl --wave rtl.vcd --path slot --open\n"
      "      a device in SystemVerilog, claimed by the backend, with its waves\n\n" +
      std::string(kExitCodeHelp));

  FaultsOptions faults;
  CLI::App* const faults_command =
      app.add_subcommand("faults", "List the faults that can be injected, and what a correct backend does about each");
  faults_command->add_flag("--json", faults.json, "Print a JSON array instead of text");
  faults_command->footer("'dartboard sweep' injects them. See docs/faults.md.\n\n" + std::string(kExitCodeHelp));

  SweepCommandOptions sweep;
  CLI::App* const sweep_command = app.add_subcommand("sweep", "Run a passing session or script once with every fault at every site");
  sweep_command->add_option("FILE", sweep.file, "A session (.jsonl.zst, .jsonl) or a script of operations (.ops)")->required();
  sweep_command->add_option("--profile", sweep.profile, "The platform: a built-in name or a .dts or .dtb file")
      ->capture_default_str();
  sweep_command->add_option("--kind", sweep.kinds, "Only these faults (see 'dartboard faults')");
  sweep_command
      ->add_option("--sites", sweep.sites_per_kind, "At most this many sites of each kind, spread evenly (0: all)")
      ->transform(whole_number())
      ->capture_default_str();
  sweep_command->add_option("--fault", sweep.fault,
                            "Run once, with this fault alone: KIND[@KEY][+SKIP][xTIMES][=AMOUNT][>NS][%ONE_IN]");
  add_record_options(*sweep_command, sweep.record);
  sweep_command->add_flag("--json", sweep.json, "Print one JSON object instead of text");
  sweep_command->add_flag("-q,--quiet", sweep.quiet, "No progress bar");
  sweep_command->footer(
      "The run without a fault lists the sites: the places that it passes, by kind of fault and key (an address, a\n"
      "selector, a vector). Then it runs once for each site, from power-on, with that fault there. A row tells how it\n"
      "looked from above, and which invariant broke: found by the ledgers, by an outcome that is worse than the fault\n"
      "allows, or by a fresh client that cannot use the device afterwards. Exit code 1 if one did. --json prints every\n"
      "row; its 'fault' given to --fault runs it again, with the same trace_hash. --record takes --fault: one run.\n\n" +
      std::string(kExitCodeHelp));

  ConformanceOptions conformance;
  CLI::App* const conformance_command =
      app.add_subcommand("conformance", "Try the rules of PCI Express on a device: which hold, by section");
  CLI::Option* const conformance_endpoint = conformance_command->add_option(
      "--endpoint,--device", conformance.endpoint, kDeviceHelp);
  conformance_endpoint->default_str("test");
  conformance_command->add_option("--wave", wave, kWaveHelp);
  conformance_command->add_option("--storage", conformance.storage, kStorageHelp)->default_str("64M");
  conformance_command->add_option("--dext", conformance.dext,
                                  std::string("Only the rules that read, through the dext. ") + kDextHelp);
  conformance_command->add_option("--rule", conformance.rules, "Only these rules or groups");
  conformance_command->add_option("--junit", conformance.junit, "Write the results to FILE as JUnit XML");
  add_record_options(*conformance_command, conformance.record);
  conformance_command->add_flag("--list", conformance.list, "List the rules and try none");
  conformance_command->add_flag("--json", conformance.json, "Print one JSON object instead of text");
  conformance_command->footer(
      "Every rule starts from power-on. A rule passes, fails with what was seen, or is skipped with the reason. Exit\n"
      "code 1 if one failed. --record takes --dext, and records at the client. See docs/conformance.md.\n\n" +
      std::string(kExitCodeHelp));

  FdtOptions fdt;
  CLI::App* const fdt_command =
      app.add_subcommand("fdt", "Add a bounce pool with known bus addresses to a guest's device tree");
  fdt_command->add_option("--base", fdt.base, "The guest's device tree blob, as QEMU's dumpdtb or dtc writes it")->required();
  fdt_command->add_option("--out", fdt.out, "Where the new blob goes; replaced as a whole or not at all")->required();
  fdt_command
      ->add_option("--pool", fdt.pool,
                   "GPA,IOVA,BYTES: guest memory and the bus address that the mapper gave it. Once for each piece; the "
                   "pieces lie side by side in guest memory. Decimal or 0x, with K, M or G")
      ->required()
      ->allow_extra_args(false);
  CLI::Option* const fdt_device = fdt_command->add_option(
      "--device", fdt.device, "BB:DD.F: the function that uses the pool, by its address in the guest");
  fdt_command->add_flag("--whole-bridge", fdt.whole_bridge, "Everything behind the host bridge uses the pool")
      ->excludes(fdt_device);
  fdt_command->add_option("--bridge", fdt.bridge, "Full path of the PCI host bridge, if there are several");
  fdt_command->add_flag("--json", fdt.json, "Print one JSON object instead of text");
  fdt_command->footer(kFdtExamples + std::string("\n") + kExitCodeHelp);
  CompareOptions compare;
  CLI::App* const compare_command =
      app.add_subcommand("compare", "Measure the DMA strategies on the same work, side by side");
  compare_command->add_option("--workload", compare.workloads,
                              "Only these: llm, game, nvme, nic, fragment, or the file of a recorded session");
  compare_command->add_option("--strategy", compare.strategies, "Only these strategies");
  compare_command->add_option("--profile", compare.profiles,
                              "On these platforms: built-in names or .dts or .dtb files (m4pro-tb5 and linux-iommu)");
  compare_command->add_option("--guest-memory", compare.guest_bytes, "RAM of the guest (1G)")
      ->transform(CLI::AsSizeValue(false))
      ->transform(no_minus());
  compare_command->add_option("--pool", compare.pool_bytes, "Size of the bounce pool (64M)")
      ->transform(CLI::AsSizeValue(false))
      ->transform(no_minus());
  compare_command->add_option("--window", compare.window_bytes, "Size of a shared window (256K)")
      ->transform(CLI::AsSizeValue(false))
      ->transform(no_minus());
  compare_command
      ->add_option("--run", compare.run_pages,
                   "Pages in a row in scattered memory: 1 is the worst case, 512 huge pages")
      ->transform(whole_number(1, uint64_t{1} << 16))
      ->capture_default_str();
  compare_command->add_option("--seed", compare.seed, "Of the generators")
      ->transform(whole_number())
      ->capture_default_str();
  compare_command->add_option("--html", compare.html, "Write one page with plots to FILE");
  add_record_options(*compare_command, compare.record);
  compare_command->add_flag("--json", compare.json, "Print one JSON object instead of text");
  compare_command->add_flag("--markdown", compare.markdown, "Print tables for documentation instead of text");
  compare_command->add_flag("-q,--quiet", compare.quiet, "No progress bar");
  compare_command->footer(
      "A simulated guest does the same DMA work under every strategy, through the whole stack: a driver's maps, the\n"
      "strategy, the dext, the mapper, the DART; the test endpoint moves the bytes, and every byte is checked. Times are\n"
      "computed from counts and the platform's figures; what nobody published is marked assumed. Advice follows from the\n"
      "figures. Exit code 1 if a byte was lost. --record takes one workload, one strategy and one profile. See docs/dma.md.\n\n" +
      std::string(kExitCodeHelp));

  std::function<ExitCode()> trace_command;
  add_trace_commands(app, &trace_command);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // help or version: printed
    return static_cast<int>(refuse_arguments(app, e));
  }
  ExitCode code = ExitCode::kOk;
  if (!wave.empty()) {   // only the command that was given has taken one
    std::string& device = replay_command->parsed()    ? replay.device
                          : devices_command->parsed() ? devices.device
                          : inspect_command->parsed() ? inspect.device
                                                      : conformance.endpoint;
    if (replay_command->parsed() && device.empty()) {
      return static_cast<int>(report({ErrorName::kBadArgument, io_return::kBadArgument,
                                      "--wave writes the signals of the RTL endpoint, and the recording answers: "
                                      "give --device rtl"}));
    }
    auto notation = with_waves(device, wave);
    if (!notation) return static_cast<int>(report(notation.error()));
    device = std::move(*notation);
  }
  if (trace_command) code = trace_command();
  if (replay_command->parsed()) code = run_replay(replay);
  if (profiles_command->parsed()) code = run_profiles(profiles);
  if (devices_command->parsed()) code = run_devices(devices);
  if (inspect_command->parsed()) code = run_inspect(inspect);
  if (faults_command->parsed()) code = run_faults(faults);
  if (sweep_command->parsed()) code = run_sweep(sweep);
  if (fdt_command->parsed()) code = run_fdt(fdt);
  if (compare_command->parsed()) code = run_compare(compare);
  if (conformance_command->parsed()) code = run_conformance(conformance);
  return static_cast<int>(code);
}

}  // namespace
}  // namespace dartboard::cli

int main(int argc, char** argv) {
  using dartboard::cli::ExitCode;
  // The last line of defence: exceptions are not used, but libraries may throw (out of memory, or fmt when standard
  // output takes no more, which finish_output tells).
  ExitCode code = ExitCode::kInternal;
  try {
    code = static_cast<ExitCode>(dartboard::cli::parse_and_run(argc, argv));
  } catch (const std::exception& e) {
    if (std::ferror(stdout) == 0) std::fprintf(stderr, "dartboard: internal error: %s.\n", e.what());
  }
  return static_cast<int>(dartboard::cli::finish_output(code));
}

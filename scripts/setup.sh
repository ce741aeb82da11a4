# scripts/setup.sh - sourced by ./run and ./test: what Dartboard needs, installed if it is missing, and the build.

dartboard_debian_packages=(
  clang lld cmake ninja-build pkg-config python3           # tools (python3 runs the iig generator)
  libclang-rt-dev                                          # sanitizer and coverage runtimes; 'clang' only recommends it
  libsystemc-dev                                           # SystemC and TLM-2.0
  libgtest-dev libgmock-dev librapidcheck-dev              # tests
  protobuf-compiler                                        # tests of the Perfetto exporter
  libbenchmark-dev                                         # bench/
  libfmt-dev libexpected-dev libcli11-dev nlohmann-json3-dev
  libfdt-dev device-tree-compiler                          # profiles
  libblocksruntime-dev                                     # DriverKit sources use blocks
  libzstd-dev libxxhash-dev zstd                           # traces, trace hash; the program checks them in tests
  zlib1g-dev liblzma-dev                                   # traces that others compressed (gzip, xz)
  liblua5.4-dev                                            # scripted endpoints
  verilator                                                # the RTL endpoint
  libjs-dygraphs                                           # charts of the trace report
  chromium python3-websocket                               # its test in a browser
)
dartboard_homebrew_packages=(llvm cmake ninja pkg-config python3 systemc googletest rapidcheck google-benchmark fmt
  tl-expected cli11 nlohmann-json dtc zstd zlib xz xxhash lua verilator protobuf)

dartboard_jobs() { getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2; }

# Debian 12 has libclang-rt-14-dev without a versionless package; later releases have both.
dartboard_resolve_package() {
  if [ "$1" = libclang-rt-dev ] && ! apt-cache show libclang-rt-dev >/dev/null 2>&1; then
    local version
    version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
    echo "libclang-rt-${version:-14}-dev"
  else
    echo "$1"
  fi
}

dartboard_setup_debian() {
  local missing=() package sudo=()
  for package in "${dartboard_debian_packages[@]}"; do
    if [ "$package" = libclang-rt-dev ]; then
      # Any version of the runtimes will do; which one belongs to 'clang' is only known after an update.
      dpkg-query -W -f '${Status}\n' 'libclang-rt*-dev' 2>/dev/null | grep -q 'ok installed' && continue
    elif dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
      continue
    fi
    missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0

  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "dartboard: missing packages, and neither root nor sudo to install them:" >&2
      echo "  ${missing[*]}" >&2
      return 1
    }
    sudo=(sudo)
  fi
  echo "dartboard: installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  local resolved=()
  for package in "${missing[@]}"; do resolved+=("$(dartboard_resolve_package "$package")"); done
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${resolved[@]}" >/dev/null
}

dartboard_setup_macos() {
  command -v brew >/dev/null || { echo "dartboard: Homebrew is needed on macOS (https://brew.sh)." >&2; return 1; }
  local missing=() package
  for package in "${dartboard_homebrew_packages[@]}"; do
    brew list --versions "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  if [ ${#missing[@]} -ne 0 ]; then
    echo "dartboard: missing Homebrew packages. Install them with" >&2
    echo "  brew install ${missing[*]}" >&2
    return 1
  fi
  # Homebrew has no dygraphs.
  [ -e "$(brew --prefix)/lib/node_modules/dygraphs" ] || {
    echo "dartboard: dygraphs (charts of the trace report) is missing. Install it with" >&2
    echo "  brew install node && npm install -g dygraphs@2" >&2
    return 1
  }
}

dartboard_setup() {
  case "$(uname -s)" in
    Darwin) dartboard_setup_macos ;;
    Linux)
      command -v apt-get >/dev/null || {
        echo "dartboard: this script knows Debian (apt-get) and macOS. Elsewhere install the equivalents of:" >&2
        echo "  ${dartboard_debian_packages[*]}" >&2
        return 1
      }
      dartboard_setup_debian ;;
    *) echo "dartboard: $(uname -s) is not supported; Linux and macOS are." >&2; return 1 ;;
  esac
}

# dartboard_build PRESET [TARGET]
dartboard_build() {
  local preset=$1
  shift
  local log=build/$preset.configure.log
  mkdir -p build
  if ! cmake --preset "$preset" >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
  cmake --build --preset "$preset" -j "$(dartboard_jobs)" ${1:+--target "$1"}
}

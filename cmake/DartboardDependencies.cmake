# What the rooms stand on: Debian packages, or Homebrew's on a Mac. Nothing is vendored or downloaded.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
pkg_check_modules(SYSTEMC REQUIRED IMPORTED_TARGET systemc)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(LZMA REQUIRED IMPORTED_TARGET liblzma)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
# Lua 5.4 (scripted endpoints): lua5.4 or lua-5.4 in Debian, lua in Homebrew.
pkg_search_module(LUA REQUIRED IMPORTED_TARGET lua5.4 lua-5.4 lua54 lua>=5.4)
find_program(DARTBOARD_DTC dtc REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

# libfdt has no pkg-config file in Debian 12.
find_path(FDT_INCLUDE_DIR libfdt.h REQUIRED)
find_library(FDT_LIBRARY fdt REQUIRED)
add_library(dartboard_fdt INTERFACE)
target_include_directories(dartboard_fdt SYSTEM INTERFACE ${FDT_INCLUDE_DIR})
target_link_libraries(dartboard_fdt INTERFACE ${FDT_LIBRARY})
add_library(dartboard::fdt ALIAS dartboard_fdt)

# Debian's SystemC 2.3.4 was built as C++17; the library checks at link time that its users agree.
add_library(dartboard_systemc INTERFACE)
target_link_libraries(dartboard_systemc INTERFACE PkgConfig::SYSTEMC)
target_compile_definitions(dartboard_systemc INTERFACE SC_CPLUSPLUS=201703L)
get_target_property(_systemc_includes PkgConfig::SYSTEMC INTERFACE_INCLUDE_DIRECTORIES)
if(_systemc_includes)
  target_include_directories(dartboard_systemc SYSTEM INTERFACE ${_systemc_includes})
endif()
add_library(dartboard::systemc ALIAS dartboard_systemc)

# Header-only; Debian's package has no config file for every release.
find_path(TL_EXPECTED_INCLUDE_DIR tl/expected.hpp REQUIRED)
# Blocks: part of libc on a Mac, a small library elsewhere.
if(NOT APPLE)
  find_library(BLOCKS_LIBRARY BlocksRuntime REQUIRED)
  find_path(BLOCKS_INCLUDE_DIR Block.h REQUIRED)
endif()

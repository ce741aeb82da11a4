# One place for language, warnings and instrumentation. Targets get them by linking dartboard::flags.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR "Dartboard needs clang 14 or newer (DriverKit sources use blocks): "
                      "configure with a preset, e.g. 'cmake --preset release', or set CC=clang CXX=clang++.")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(DARTBOARD_INSTRUMENT "none" CACHE STRING "none, asan (address+undefined), tsan or coverage")
set_property(CACHE DARTBOARD_INSTRUMENT PROPERTY STRINGS none asan tsan coverage)

add_library(dartboard_flags INTERFACE)
add_library(dartboard::flags ALIAS dartboard_flags)
target_include_directories(dartboard_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(dartboard_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wimplicit-fallthrough)
# Designated initialisers name what is not the default: clang 19 would have the others named too.
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-Wmissing-designated-field-initializers DARTBOARD_WARNS_OF_DEFAULTS)
if(DARTBOARD_WARNS_OF_DEFAULTS)
  target_compile_options(dartboard_flags INTERFACE -Wno-missing-designated-field-initializers)
endif()
option(DARTBOARD_FUZZ "Build the libFuzzer target (needs DARTBOARD_INSTRUMENT=asan)" OFF)
if(DARTBOARD_FUZZ AND NOT DARTBOARD_INSTRUMENT STREQUAL "asan")
  message(FATAL_ERROR "DARTBOARD_FUZZ needs -DDARTBOARD_INSTRUMENT=asan: a fuzzer without sanitizers finds little.")
endif()
if(DARTBOARD_INSTRUMENT STREQUAL "asan")
  set(_instrument -fsanitize=address,undefined -fno-sanitize-recover=all)
  if(DARTBOARD_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
elseif(DARTBOARD_INSTRUMENT STREQUAL "tsan")
  set(_instrument -fsanitize=thread)
elseif(DARTBOARD_INSTRUMENT STREQUAL "coverage")
  set(_instrument -fprofile-instr-generate -fcoverage-mapping)
elseif(NOT DARTBOARD_INSTRUMENT STREQUAL "none")
  message(FATAL_ERROR "DARTBOARD_INSTRUMENT is '${DARTBOARD_INSTRUMENT}'; it must be none, asan, tsan or coverage.")
endif()
if(_instrument)
  add_compile_options(${_instrument} -fno-omit-frame-pointer)
  add_link_options(${_instrument})
endif()

# dartboard_room(NAME SOURCES...): a static library 'dartboard_NAME' with the project's flags.
function(dartboard_room name)
  add_library(dartboard_${name} STATIC ${ARGN})
  add_library(dartboard::${name} ALIAS dartboard_${name})
  target_link_libraries(dartboard_${name} PUBLIC dartboard::flags)
endfunction()

# dartboard_test(NAME SOURCES... [LIBS libs...]): one GoogleTest binary per room, registered with ctest.
function(dartboard_test name)
  cmake_parse_arguments(T "" "" "LIBS" ${ARGN})
  add_executable(test_${name} ${T_UNPARSED_ARGUMENTS})
  target_link_libraries(test_${name} PRIVATE ${T_LIBS} dartboard::flags GTest::gmock GTest::gtest)
  add_test(NAME ${name} COMMAND test_${name})
  # A hang, not a bar: sanitizers take ten times as long.
  set_tests_properties(${name} PROPERTIES TIMEOUT $<IF:$<STREQUAL:${DARTBOARD_INSTRUMENT},none>,300,1800>)
endfunction()

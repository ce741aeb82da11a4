# Building dexts for the simulated Mac.
#
# dartboard_iig(TARGET FILES...)
#   Generates X.h and X.iig.cpp from each X.iig, adds the sources to TARGET and the headers' directory to its includes.
# dartboard_dext(NAME SOURCES... IIG files... PLIST Info.plist BUNDLE_ID id [WARNINGS options...])
#   A dext as library dartboard_dext_NAME, alias dartboard::dext_NAME. What links it has the dext installed: its classes
#   and personalities register themselves.

set(DARTBOARD_DRIVERKIT_DIR ${CMAKE_CURRENT_LIST_DIR}/.. CACHE INTERNAL "")
set(DARTBOARD_DRIVERKIT_GENERATED ${CMAKE_BINARY_DIR}/driverkit/include CACHE INTERNAL "")

# One .iig: INPUT to OUTPUT_DIR/PREFIX/X.h and beside it X.iig.cpp.
function(dartboard_iig_file input output_dir prefix header_var source_var)
  get_filename_component(stem ${input} NAME_WE)
  get_filename_component(input ${input} ABSOLUTE)
  if(prefix)
    set(name ${prefix}/${stem}.h)
  else()
    set(name ${stem}.h)
  endif()
  set(header ${output_dir}/${name})
  string(REGEX REPLACE "\\.h$" ".iig.cpp" source ${header})
  file(GLOB generator ${DARTBOARD_DRIVERKIT_DIR}/iig/*.py)
  get_filename_component(input_dir ${input} DIRECTORY)
  add_custom_command(
    OUTPUT ${header} ${source}
    COMMAND ${Python3_EXECUTABLE} ${DARTBOARD_DRIVERKIT_DIR}/iig/iig.py ${input} --header ${header} --source ${source}
            --include-name ${name} -I ${input_dir} -I ${DARTBOARD_DRIVERKIT_DIR}/include --depfile ${header}.d
    DEPENDS ${input} ${generator}
    DEPFILE ${header}.d
    COMMENT "iig ${name}"
    VERBATIM)
  set(${header_var} ${header} PARENT_SCOPE)
  set(${source_var} ${source} PARENT_SCOPE)
endfunction()

function(dartboard_iig target)
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/${target}.iig)
  foreach(file ${ARGN})
    dartboard_iig_file(${file} ${directory} "" header source)
    target_sources(${target} PRIVATE ${header} ${source})
  endforeach()
  target_include_directories(${target} SYSTEM PRIVATE ${directory})
endfunction()

function(dartboard_dext name)
  cmake_parse_arguments(D "" "PLIST;BUNDLE_ID" "IIG;WARNINGS" ${ARGN})
  set(target dartboard_dext_${name}_code)
  set(table ${CMAKE_CURRENT_BINARY_DIR}/${name}_personalities.cpp)
  get_filename_component(plist ${D_PLIST} ABSOLUTE)
  add_custom_command(
    OUTPUT ${table}
    COMMAND ${Python3_EXECUTABLE} ${DARTBOARD_DRIVERKIT_DIR}/bundle/plist2cpp.py ${plist} --output ${table}
            -D PRODUCT_BUNDLE_IDENTIFIER=${D_BUNDLE_ID}
    DEPENDS ${plist} ${DARTBOARD_DRIVERKIT_DIR}/bundle/plist2cpp.py
    COMMENT "plist ${name}"
    VERBATIM)
  add_library(${target} STATIC ${D_UNPARSED_ARGUMENTS} ${table})
  dartboard_iig(${target} ${D_IIG})
  set_target_properties(${target} PROPERTIES CXX_STANDARD 20 CXX_EXTENSIONS ON)
  # As Xcode builds a dext. The system macros say "Apple", whatever the host: dexts and their headers test them.
  target_compile_options(${target} PRIVATE -fblocks -fno-exceptions -fno-rtti -fno-sanitize=vptr ${D_WARNINGS})
  target_compile_definitions(${target} PRIVATE TARGET_OS_DRIVERKIT=1 XNU_PLATFORM_DriverKit=1)
  if(NOT APPLE)
    target_compile_definitions(${target} PRIVATE __APPLE__=1)
  endif()
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE dartboard::driverkit_headers)
  add_library(dartboard_dext_${name} INTERFACE)
  add_library(dartboard::dext_${name} ALIAS dartboard_dext_${name})
  # Whole: nothing refers to a dext by name. Its classes register in static constructors.
  target_link_libraries(dartboard_dext_${name} INTERFACE "$<LINK_LIBRARY:WHOLE_ARCHIVE,${target}>" dartboard::driverkit)
endfunction()

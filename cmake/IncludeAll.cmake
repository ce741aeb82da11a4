# Run as: cmake -DOUT=file.cpp -DFROM=directory -P IncludeAll.cmake
# Writes one C++ file that includes every .cpp of a directory, in order of name.
file(GLOB _files ${FROM}/*.cpp)
list(SORT _files)
set(_text "// Generated. Do not edit.\n")
foreach(_file IN LISTS _files)
  string(APPEND _text "#include \"${_file}\"\n")
endforeach()
file(WRITE "${OUT}" "${_text}")

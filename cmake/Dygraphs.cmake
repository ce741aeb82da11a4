# dygraphs (MIT), the charts of the trace report, embedded in it: Debian's libjs-dygraphs, or npm's dygraphs on a Mac.
set(_places /usr/share/javascript/dygraphs /opt/homebrew/lib/node_modules/dygraphs/dist /usr/local/lib/node_modules/dygraphs/dist)
find_file(DARTBOARD_DYGRAPHS_JS dygraph.min.js PATHS ${_places} NO_DEFAULT_PATH)
find_file(DARTBOARD_DYGRAPHS_CSS NAMES dygraph.min.css dygraph.css PATHS ${_places} NO_DEFAULT_PATH)
find_file(DARTBOARD_DYGRAPHS_LICENCE NAMES copyright LICENSE.txt NO_DEFAULT_PATH
          PATHS /usr/share/doc/libjs-dygraphs /opt/homebrew/lib/node_modules/dygraphs /usr/local/lib/node_modules/dygraphs)
if(NOT DARTBOARD_DYGRAPHS_JS OR NOT DARTBOARD_DYGRAPHS_CSS OR NOT DARTBOARD_DYGRAPHS_LICENCE)
  message(FATAL_ERROR "dygraphs 2 was not found: install libjs-dygraphs (Debian) or 'npm install -g dygraphs' (elsewhere), "
                      "or set DARTBOARD_DYGRAPHS_JS, _CSS and _LICENCE to its files.")
endif()

// traces/report/page_template.h - the parts of the page that are the same in every report, made when Dartboard is built
// from traces/report/page and the charting library (traces/report/page/embed_page.py).
#pragma once

#include <string_view>

namespace dartboard::traces {

struct PageTemplate {
  std::string_view before_title, before_body, before_figures, before_columns, end;
  std::string_view timeline;  ///< what the script fills in
};
PageTemplate page_template();

}  // namespace dartboard::traces

// tests/report/make_page.cpp - writes pages for the test in a browser and for the bench, with the figures beside them:
//   make_page rich PAGE.html FIGURES.json       everything that a report shows, with hostile strings
//   make_page EVENTS[/DETAILED] PAGE.html FIGURES.json     that many events of a made-up driver, DETAILED one by one
//   make_page untimed PAGE.html FIGURES.json    a recording without times
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support.h"

int main(int argc, char** argv) {
  using namespace dartboard::traces;
  if (argc != 4) {
    std::fputs("make_page rich|untimed|EVENTS[/DETAILED] PAGE.html FIGURES.json\n", stderr);
    return 2;
  }
  ReportData data;
  if (std::strcmp(argv[1], "rich") == 0) {
    data = rich_report();
  } else if (std::strcmp(argv[1], "untimed") == 0) {
    data = untimed_report();
  } else {
    char* rest = nullptr;
    SyntheticReader reader(std::strtoull(argv[1], &rest, 10));
    ReportOptions options;
    options.file = "made-up driver";
    if (*rest == '/') options.detailed_events_max = std::strtoull(rest + 1, nullptr, 10);
    data = *build_report(reader, options);
  }
  if (const auto written = write_report(argv[2], data); !written) {
    std::fprintf(stderr, "%s\n", written.error().sentence.c_str());
    return 1;
  }
  std::FILE* const file = std::fopen(argv[3], "wb");
  if (file == nullptr) return 1;
  const std::string json = to_json(data.figures);
  const bool whole = std::fwrite(json.data(), 1, json.size(), file) == json.size();
  return std::fclose(file) == 0 && whole ? 0 : 1;
}

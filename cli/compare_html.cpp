// cli/compare_html.cpp - the comparison as one page: tables, advice, and plots of what was mapped when, drawn here as
// inline SVG. No script, no network, no fonts: it opens from a disk and from an attachment.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "cli/compare_report.h"
#include "cli/output.h"

namespace dartboard::cli {
namespace {

constexpr double kWidth = 560, kHeight = 220, kLeft = 78, kRight = 8, kTop = 10, kBottom = 26;

// Told apart by colour and by dash, for those who do not see the colour.
constexpr std::array<const char*, 6> kDashes = {"", "7 3", "2 3", "10 3 2 3", "4 2", "1 2"};

constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--bg:#fcfcfb;--fg:#1d1f21;--faint:#62676c;--line:#dcdee0;--card:#fff;--good:#1a7f37;--bad:#b3261e;
--s0:#0a5cc2;--s1:#b35900;--s2:#1a7f37;--s3:#a3268f;--s4:#6b6f00;--s5:#5b5bd6}
@media (prefers-color-scheme:dark){:root{--bg:#15171a;--fg:#e6e7e8;--faint:#9aa0a6;--line:#33373c;--card:#1c1f23;--good:#57c27a;--bad:#ff8a80;
--s0:#6fb1ff;--s1:#ffb161;--s2:#6bd38b;--s3:#f08be0;--s4:#d6d85a;--s5:#a9a9ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.2rem;max-width:1280px;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.2rem;margin:2rem 0 .2rem}h3{font-size:1.05rem;margin:0}
p{margin:.4rem 0;max-width:75ch}.faint{color:var(--faint)}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem;margin:1rem 0}
.scroll{overflow-x:auto;margin:.6rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.84rem;white-space:nowrap}
th,td{padding:.25rem .42rem;text-align:right;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--faint)}th:first-child,td:first-child,td:nth-child(2),th:nth-child(2){text-align:left}
td:first-child{font-weight:600;position:sticky;left:0;background:var(--card)}
.good{color:var(--good)}.bad{color:var(--bad)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:1rem}
figure{margin:0;min-width:0}figcaption{font-size:.87rem;color:var(--faint)}
svg{width:100%;height:auto;display:block}svg text{fill:var(--faint);font:11px system-ui,sans-serif}
.grid{stroke:var(--line);stroke-width:1}.curve{fill:none;stroke-width:1.8}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.87rem;margin:.5rem 0}.legend svg{display:inline-block;width:30px;height:10px;vertical-align:middle}
.bar{display:flex;height:.8rem;min-width:7.5rem;background:transparent}.bar i{display:block;height:100%}
details{margin:.5rem 0}summary{cursor:pointer}li{overflow-wrap:anywhere}
@media (max-width:480px){body{padding:.6rem}section{padding:.7rem}figure svg text{font-size:16px}}
)css";

size_t hue(std::string_view strategy) {
  const auto infos = strategy_infos();
  for (size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].name == strategy) return i % kDashes.size();
  }
  return 0;
}

std::string stroke(std::string_view strategy) {
  const size_t i = hue(strategy);
  return fmt::format("stroke=\"var(--s{})\"{}", i,
                     *kDashes[i] == '\0' ? "" : fmt::format(" stroke-dasharray=\"{}\"", kDashes[i]));
}

/// A logarithmic axis from `low` to at least `high`, in powers of `step`. What is less lies on its foot.
class Axis {
 public:
  Axis(double low, double high, double step) : low_(low), step_(step) {
    powers_ = 1;
    for (double top = low * step; top < high; top *= step) ++powers_;
  }
  double y(double value) const {
    const double at = value <= low_ ? 0 : std::log(value / low_) / std::log(step_) / powers_;
    return kHeight - kBottom - at * (kHeight - kBottom - kTop);
  }
  int ticks() const { return powers_ + 1; }
  double tick(int i) const { return low_ * std::pow(step_, i); }

 private:
  double low_, step_;
  int powers_;
};

struct Plot {
  const char* caption;
  double low, step;
  uint64_t (*value)(const MappedSample&);
  std::string (*label)(uint64_t);
};

constexpr Plot kPlots[] = {
    {"Mapped for the device, bytes (logarithmic), over the steps of the workload", 16.0 * 1024, 16,
     [](const MappedSample& s) { return s.bytes; }, bytes_text},
    {"Mappings at the host (logarithmic), over the steps of the workload", 1, 10,
     [](const MappedSample& s) { return s.mappings; }, with_commas},
};

std::string draw(const Comparison& c, const Plot& plot) {
  uint64_t high = 0, steps = 1;
  for (const Figures& row : c.rows) {
    for (const MappedSample& s : row.samples) high = std::max(high, plot.value(s));
    steps = std::max(steps, row.run.steps);
  }
  const Axis axis(plot.low, static_cast<double>(high), plot.step);
  const double span = kWidth - kLeft - kRight;
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">", kWidth, kHeight, escaped_markup(plot.caption));
  for (int i = 0; i < axis.ticks(); ++i) {
    const double y = axis.y(axis.tick(i));
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/><text x=\"{}\" y=\"{:.1f}\" "
        "text-anchor=\"end\">{}</text>",
        kLeft, kWidth - kRight, y, y, kLeft - 6, y + 4,
        (i == 0 ? "&#8804; " : "") + plot.label(static_cast<uint64_t>(std::llround(axis.tick(i)))));
  }
  svg += fmt::format("<text x=\"{}\" y=\"{}\">0</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} steps</text>",
                     kLeft, kHeight - 8, kWidth - kRight, kHeight - 8, with_commas(steps));
  for (const Figures& row : c.rows) {
    if (row.samples.empty()) continue;
    std::string path;
    double y = 0;
    for (const MappedSample& s : row.samples) {
      const double x = kLeft + span * static_cast<double>(s.step) / static_cast<double>(steps);
      y = axis.y(static_cast<double>(plot.value(s)));
      path += path.empty() ? fmt::format("M{:.1f} {:.1f}", x, y) : fmt::format("H{:.1f}V{:.1f}", x, y);
    }
    path += fmt::format("H{:.1f}", kLeft + span * static_cast<double>(row.run.steps) / static_cast<double>(steps));
    svg += fmt::format("<path class=\"curve\" {} d=\"{}\"><title>{}</title></path>", stroke(row.strategy), path,
                       escaped_markup(row.strategy));
  }
  return svg + "</svg>";
}

std::string ms(uint64_t ns) {
  return fmt::format("{:.2f}", static_cast<double>(ns) / 1e6);
}

/// The causes of time as one bar, to the scale of the slowest row.
std::string bar(const TimeSplit& time, uint64_t most_ns) {
  const std::pair<uint64_t, const char*> parts[] = {
      {time.link_ns, "--faint"}, {time.copy_ns, "--s1"}, {time.exits_ns, "--s0"}, {time.calls_ns, "--s3"}};
  std::string out = "<div class=\"bar\">";
  for (const auto& [ns, colour] : parts) {
    if (ns != 0)
      out += fmt::format("<i style=\"width:{:.1f}%;background:var({})\"></i>",
                         100.0 * static_cast<double>(ns) / static_cast<double>(std::max<uint64_t>(1, most_ns)), colour);
  }
  return out + "</div>";
}

std::string table(const Comparison& c) {
  uint64_t most = 0;
  for (const Figures& row : c.rows) most = std::max(most, row.time.total_ns());
  std::string out = "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>";
  for (const char* title :
       {"strategy", "outcome", "time by cause", "peak", "mappings", "calls", "exits", "copied", "refused", "degraded",
        "copy ms", "exits ms", "calls ms", "link ms", "total ms", "faults", "host CPU"}) {
    out += fmt::format("<th scope=\"col\">{}</th>", title);
  }
  out += "</tr></thead><tbody>";
  for (const Figures& f : c.rows) {
    out += fmt::format("<tr><td>{}</td><td class=\"{}\">{}</td>", escaped_markup(f.strategy), f.served() ? "good" : "bad",
                       outcome_text(f));
    if (f.not_started) {
      out += "<td colspan=\"15\"></td></tr>";
      continue;
    }
    for (const std::string& text :
         {bar(f.time, most), bytes_text(f.peak_bytes), with_commas(f.peak_mappings), with_commas(f.calls),
          with_commas(f.counters.guest_exits), bytes_text(f.counters.bytes_copied), with_commas(f.run.refused),
          with_commas(f.counters.degradations), ms(f.time.copy_ns), ms(f.time.exits_ns), ms(f.time.calls_ns),
          ms(f.time.link_ns), ms(f.time.total_ns()), with_commas(f.faults), duration_text(f.host_cpu_ns)}) {
      out += fmt::format("<td>{}</td>", text);
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>";
}

std::string notes(const Comparison& c) {
  std::string items;
  const auto item = [&](const std::string& who, const std::string& text) {
    items += fmt::format("<li><b>{}</b>: {}</li>", escaped_markup(who), escaped_markup(text));
  };
  for (const Figures& f : c.rows) {
    if (f.not_started) item(f.strategy, f.not_started->sentence);
    if (f.run.stopped) item(f.strategy, f.run.stopped->sentence);
    if (!f.why_faults.empty()) item(f.strategy, f.why_faults);
    for (const guest::Refusal& r : f.run.refusals)
      item(f.strategy, fmt::format("{} x {}: {}", with_commas(r.count), r.name, r.first));
    for (const guest::LostByte& lost : f.run.first_lost) item(f.strategy, sentence(lost));
  }
  std::string out;
  if (!items.empty())
    out += fmt::format("<details open><summary>What did not go</summary><ul>{}</ul></details>", items);
  std::string parameters;
  for (const guest::Parameter& p : c.workload->parameters) {
    parameters += fmt::format("<li>{}: {} <span class=\"faint\">({})</span></li>", escaped_markup(p.name), escaped_markup(p.value),
                              p.source.empty() ? "assumed" : escaped_markup(p.source));
  }
  return out + fmt::format("<details><summary>The workload's parameters</summary><ul>{}</ul></details>", parameters);
}

std::string legend(const Comparison& c) {
  std::string out = "<div class=\"legend\">";
  for (const Figures& f : c.rows) {
    if (f.samples.empty()) continue;
    out += fmt::format(
        "<span><svg viewBox=\"0 0 30 10\" aria-hidden=\"true\"><line x1=\"0\" x2=\"30\" y1=\"5\" y2=\"5\" "
        "stroke-width=\"2\" {}/></svg> {}</span>",
        stroke(f.strategy), escaped_markup(f.strategy));
  }
  return out + "</div>";
}

}  // namespace

std::string to_html(const std::vector<Comparison>& all, const ComparisonOptions& options) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">"
      "<title>DMA strategies compared</title><style>{}</style></head><body><h1>DMA strategies compared</h1>"
      "<p>The same work under each strategy, through the whole simulated stack; every byte checked. The guest has {} "
      "of RAM, the pool {}, "
      "a window {}; scattered memory has {} page{} in a row (assumed). Times are computed from counts and the "
      "platform's figures, and nothing overlaps. In the bars: "
      "<span style=\"color:var(--faint)\">link</span>, <span style=\"color:var(--s1)\">copy</span>, "
      "<span style=\"color:var(--s0)\">exits</span>, <span style=\"color:var(--s3)\">calls</span>. Host CPU is this "
      "program's own time.</p>",
      kStyle, bytes_text(options.guest_bytes), bytes_text(options.pool_bytes), bytes_text(options.window_bytes),
      options.run_pages, options.run_pages == 1 ? "" : "s");
  const sim::Profile* profile = nullptr;
  for (const Comparison& c : all) {
    if (c.profile != profile) {
      profile = c.profile;
      out += fmt::format("<h2>{}</h2><p>{}</p><p class=\"faint\">{}.</p>", escaped_markup(profile->name),
                         escaped_markup(profile->model), escaped_markup(fmt::format("{}", fmt::join(timing_notes(*profile), ", "))));
    }
    out += fmt::format("<section><h3>{}</h3><p class=\"faint\">{}</p><p>{}</p>{}{}<div class=\"plots\">",
                       escaped_markup(c.workload->name), escaped_markup(c.workload->about), escaped_markup(c.advice), table(c), legend(c));
    for (const Plot& plot : kPlots)
      out += fmt::format("<figure>{}<figcaption>{}</figcaption></figure>", draw(c, plot), escaped_markup(plot.caption));
    out += "</div>" + notes(c) + "</section>";
  }
  return out + "</body></html>\n";
}

}  // namespace dartboard::cli

#!/usr/bin/env python3
"""The report's page in a real browser: it loads clean, its figures are those of --json, and zooming works.

  page_test.py --make-page PROGRAM --dartboard PROGRAM --session FILE [--update-screenshots DIRECTORY] [TEST...]
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from browser import Browser

LOOKS = [(width, dark) for width in (1280, 400) for dark in (False, True)]
CTRL, SHIFT = 2, 8
SCREENSHOT_BYTES_MAX = 300_000
options = None
browser = None
pages = None  # directory of the pages
shared = {}


def setUpModule():
    global browser, pages
    pages = tempfile.TemporaryDirectory(prefix="dartboard-report-")
    for what, name in (("rich", "rich"), ("30000", "plain"), ("30000/5000", "long"), ("0", "empty"), ("untimed", "untimed")):
        subprocess.run([options.make_page, what, path(name + ".html"), path(name + ".json")], check=True)
    with open(path("session.json"), "w") as out:
        subprocess.run([options.dartboard, "trace", "report", options.session, "--out", path("session.html"), "--json"],
                       stdout=out, check=True)
    browser = Browser()


def tearDownModule():
    if browser:
        browser.close()
    pages.cleanup()


def path(name):
    return os.path.join(pages.name, name)


def figures(name):
    with open(path(name + ".json"), encoding="utf-8") as file:
        return json.load(file)


def at(value, where):
    for step in where.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


# Every text that can be seen, with less contrast to what is behind it than WCAG 2.1 s1.4.3 asks for (4.5).
LOW_CONTRAST = r"""(() => {
  const parse = (c) => (c.match(/[\d.]+/g) || []).map(Number);
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.textContent.trim() || ['SCRIPT', 'STYLE', 'OPTION'].includes(e.tagName) || e.disabled) continue;
    if (!e.checkVisibility()) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) low.push(node.textContent.trim().slice(0, 40) + ' ' + contrast.toFixed(2));
  }
  return low;
})()"""

# What sticks out of the window without a scroller of its own.
STICKING_OUT = r"""(() => {
  const out = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || e.closest('.scroll, .skip, .unseen, .chart')) continue;
    const b = e.getBoundingClientRect();
    if (b.right > innerWidth + 0.5 || b.left < -0.5) out.push(e.tagName + '.' + e.className + ' ' + b.right);
  }
  return out;
})()"""

INK = r"""[...document.querySelectorAll('.chart canvas')].map((c) => {
  if (!c.width || !c.checkVisibility()) return -1;
  const copy = new OffscreenCanvas(c.width, c.height).getContext('2d', {willReadFrequently: true});
  copy.drawImage(c, 0, 0);
  const d = copy.getImageData(0, 0, c.width, c.height).data;
  let n = 0;
  for (let i = 3; i < d.length; i += 4) n += d[i] > 0;
  return n;
})"""


class PageTest(unittest.TestCase):
    def open(self, name, width=1280, dark=False):
        page = browser.page(width, 900, dark)
        self.addCleanup(page.close)
        page.open(path(name + ".html"))
        page.settle()
        return page

    def shared(self, name):
        """A page that other tests see too: to look at, not to change."""
        if name not in shared:
            shared[name] = browser.page()
            shared[name].open(path(name + ".html"))
            shared[name].settle()
        return shared[name]

    def clean(self, page):
        self.assertEqual(page.problems, [])
        foreign = [url for url in page.requests if not url.startswith("data:")]
        self.assertEqual(len(foreign), 1, f"only the page itself may be loaded: {foreign}")

    def range(self, page):
        data = page.run("({...document.getElementById('range').dataset})")
        return float(data["from"]), float(data["to"]), int(data["events"])

    def tracks(self, page):
        """Of each track what the page says is in its range."""
        rows = page.run("[...document.querySelectorAll('#view-tracks tbody tr')].map(tr => [tr.dataset.track, "
                        "...[...tr.querySelectorAll('td')].map(td => [td.dataset.key, Number(td.dataset.value)])])")
        return {int(row[0]): dict(row[1:]) for row in rows}


class Looks(PageTest):
    def test_loads_clean_and_readable(self):
        for name in ("rich", "session", "long"):
            page = self.open(name)
            for width, dark in LOOKS:
                page.resize(width, 900)
                page.dark(dark)
                page.settle()
                with self.subTest(page=name, width=width, dark=dark):
                    self.readable(page, width)

    def test_loads_in_the_dark_on_a_narrow_window(self):
        self.readable(self.open("rich", 400, dark=True), 400)

    def readable(self, page, width):
        self.clean(page)
        self.assertEqual(page.run("document.documentElement.scrollWidth"), width, "scrolls sideways")
        self.assertEqual(page.run(STICKING_OUT), [])
        self.assertEqual(page.run(LOW_CONTRAST), [])
        self.assertGreater(max(page.run(INK)), 1000, "the charts are empty")

    def test_dark_and_light_differ_and_follow_the_system(self):
        page = self.open("rich")
        colour = "getComputedStyle(document.body).backgroundColor"
        light = page.run(colour)
        page.dark(True)
        page.settle()
        self.assertNotEqual(page.run(colour), light)
        self.clean(page)

    def test_headings_are_in_order(self):
        page = self.shared("rich")
        levels = page.run("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
        self.assertEqual(levels.count(1), 1)
        self.assertEqual(levels[0], 1)
        for before, after in zip(levels, levels[1:]):
            self.assertLessEqual(after, before + 1)

    def test_divergences_come_first(self):
        page = self.shared("rich")
        self.assertEqual(page.run("document.querySelector('section').id"), "replay")

    def test_an_empty_trace_has_a_page(self):
        page = self.open("empty")
        self.clean(page)
        self.assertTrue(page.run("document.getElementById('charts').hidden"))


class FiguresEqualJson(PageTest):
    def test_every_figure(self):
        for name, least in (("rich", 300), ("session", 400), ("plain", 200)):
            with self.subTest(page=name):
                json_figures = figures(name)
                page = self.shared(name)
                shown = page.run("[...document.querySelectorAll('[data-figure]')].map(e => [e.dataset.figure, "
                                 "e.dataset.value, e.textContent])")
                self.assertGreater(len(shown), least)
                for where, value, text in shown:
                    self.assertEqual(int(value), at(json_figures, where), where)
                    if re.fullmatch(r"[\d,]+", text):
                        self.assertEqual(int(text.replace(",", "")), int(value), where)
                    self.assertNotEqual(text.strip(), "", where)

    def test_what_matters_is_there(self):
        shown = set(self.shared("rich").run("[...document.querySelectorAll('[data-figure]')].map(e => e.dataset.figure)"))
        wanted = ["summary.events", "summary.requests", "summary.failed_requests", "summary.duration_ns", "replay.divergences",
                  "replay.requests", "trace.unknown", "trace.dropped_events", "mappings.peak_bytes", "mappings.peak_count",
                  "polls.total", "polls.reads", "waits.gaps", "waits.gap_ns", "registers.total", "interrupts.0.count",
                  "registers.hottest.0.reads", "polls.loops.0.reads", "waits.longest.0.ns"]
        wanted += [f"summary.kinds.{kind}.count" for kind in figures("rich")["summary"]["kinds"] if kind != "mark"]
        self.assertEqual([where for where in wanted if where not in shown], [])

    def test_figures_are_there_without_a_script(self):
        with open(path("rich.html"), encoding="utf-8") as file:
            text = file.read()
        self.assertIn(f'data-figure="summary.events" data-value="{figures("rich")["summary"]["events"]}"', text)

    def test_what_the_script_counts(self):
        """The timeline's data, counted by the page, is what the JSON says of each track."""
        for name in ("rich", "session", "plain", "long"):
            with self.subTest(page=name):
                page = self.shared(name)
                shown = self.tracks(page)
                for number, track in enumerate(figures(name)["tracks"]):
                    for key in ("events", "in", "out"):
                        self.assertEqual(shown[number][key], track[key], (track["name"], key))
                    if name != "long":  # beyond the detail there are no bytes
                        for key in ("bytes_in", "bytes_out"):
                            self.assertEqual(shown[number][key], track[key], (track["name"], key))


class Zoom(PageTest):
    def lanes(self, page):
        page.run("document.getElementById('timeline').scrollIntoView()")
        page.settle()
        box = page.box("#lanes")
        return box["x"] + box["width"] * 0.6, box["y"] + 40

    def test_buttons(self):
        page = self.open("plain")
        whole = self.range(page)
        page.click("#zoom-in")
        near = self.range(page)
        self.assertLess(near[1] - near[0], 0.5 * (whole[1] - whole[0]))
        self.assertLess(near[2], whole[2])
        page.click("#pan-right")
        right = self.range(page)
        self.assertGreater(right[0], near[0])
        self.assertAlmostEqual(right[1] - right[0], near[1] - near[0], delta=2)
        page.click("#pan-left")
        self.assertAlmostEqual(self.range(page)[0], near[0], delta=2)
        page.click("#zoom-out")
        self.assertGreater(self.range(page)[1] - self.range(page)[0], near[1] - near[0])
        page.click("#zoom-all")
        self.assertEqual(self.range(page), whole)
        self.clean(page)

    def test_wheel(self):
        page = self.open("plain")
        whole = self.range(page)
        x, y = self.lanes(page)
        page.wheel(x, y, -300, CTRL)
        near = self.range(page)
        self.assertLess(near[1] - near[0], 0.6 * (whole[1] - whole[0]))
        self.assertLess(near[2], whole[2])
        page.wheel(x, y, 900, CTRL)
        page.wheel(x, y, 900, CTRL)
        self.assertEqual(self.range(page)[2], whole[2])

    def test_wheel_alone_scrolls_the_page_until_the_chart_is_clicked(self):
        page = self.open("plain")
        whole = self.range(page)
        x, y = self.lanes(page)
        page.wheel(x, y, -200)
        page.wheel(x, y, 200)
        self.assertEqual(self.range(page), whole)
        x, y = self.lanes(page)
        page.drag(x, y, x, y)
        page.wheel(x, y, -300)
        self.assertLess(self.range(page)[2], whole[2])

    def test_drag_shift_drag_and_double_click(self):
        page = self.open("plain")
        whole = self.range(page)
        x, y = self.lanes(page)
        page.drag(x, y, x + 60, y + 10)
        near = self.range(page)
        self.assertLess(near[1] - near[0], 0.1 * (whole[1] - whole[0]))
        page.drag(x, y, x - 100, y, SHIFT)
        moved = self.range(page)
        self.assertGreater(moved[0], near[0])
        self.assertAlmostEqual(moved[1] - moved[0], near[1] - near[0], delta=2)
        for clicks in (1, 2):
            for kind in ("mousePressed", "mouseReleased"):
                page.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=clicks, x=x, y=y)
        page.settle()
        self.assertEqual(self.range(page), whole)
        self.clean(page)

    def test_keys(self):
        page = self.open("plain")
        whole = self.range(page)
        page.run("document.getElementById('lanes').focus()")
        page.key("+")
        near = self.range(page)
        self.assertLess(near[2], whole[2])
        page.key("ArrowRight")
        self.assertGreater(self.range(page)[0], near[0])
        page.key("0")
        self.assertEqual(self.range(page), whole)

    def test_parts_add_up(self):
        """Two halves of the event axis have all events between them, by track."""
        page = self.open("rich")
        whole = self.tracks(page)
        page.click("input[name=axis][value=event]")
        count = figures("rich")["summary"]["events"]
        self.assertEqual(self.range(page), (0, count - 1, count))
        page.click("#zoom-in")
        begin, end, events = self.range(page)
        inside = int(end) - (int(begin) if begin == int(begin) else int(begin) + 1) + 1
        self.assertEqual(events, inside)
        self.assertEqual(sum(t["events"] for t in self.tracks(page).values()), inside)
        self.assertEqual(sum(t["events"] for t in whole.values()), count)

    def test_every_event_can_be_seen(self):
        """Zoomed in all the way, the list has each event that was written, with its time, address and value."""
        lines, time = [], 5_000_000
        for i in range(300):
            time += 1000 if i % 50 else 2_000_000
            lines.append({"t": time, "cmd": "MMIO_READ", "dev": 0, "bar": 2, "a0": 4 * (i % 64), "a1": 4, "a2": 0, "st": 0,
                          "r0": 4, "r1": 0, "dt": 10, "ret": f"{i:08x}"})
        with open(path("hand.jsonl"), "w") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
        with open(path("hand.device.json"), "w") as file:
            json.dump({"schema": "dartboard-device-1", "name": "by hand", "identity": {"vendor_id": "0x1", "device_id": "0x2"},
                       "bars": [{"index": 2, "size": 4096, "kind": "registers"}]}, file)
        subprocess.run([options.dartboard, "trace", "report", path("hand.jsonl"), "--out", path("hand.html")], check=True,
                       stdout=subprocess.DEVNULL)
        page = self.open("hand")
        rows = "[...document.querySelectorAll('#view-events tbody tr')].map(tr => [...tr.cells].map(td => td.textContent))"
        seen = []
        while True:
            seen += page.run(rows)
            if page.run("document.getElementById('page-on').disabled"):
                break
            page.click("#page-on")
        self.assertEqual(len(seen), 300)
        for i, row in enumerate(seen):
            self.assertEqual(row[0], str(i))
            number, unit = row[1].split(" ")
            self.assertAlmostEqual(float(number) * {"ns": 1, "us": 1e3, "ms": 1e6}[unit], lines[i]["t"] - lines[0]["t"], delta=0.5)
            self.assertEqual(row[5].strip(), hex(4 * (i % 64)))
            self.assertEqual(row[7], hex(int.from_bytes(bytes.fromhex(lines[i]["ret"]), "little")))

        # The events of a range, against a count by hand.
        x, y = self.lanes(page)
        for _ in range(6):
            page.drag(x, y, x + 300, y)
            begin, end, events = self.range(page)
            inside = [line for line in lines if begin <= line["t"] - lines[0]["t"] <= end]
            self.assertEqual(events, len(inside))
        page.click("#zoom-all")
        page.run("document.getElementById('filter-address').value = '0x10';"
                 "document.getElementById('filter-address').dispatchEvent(new Event('input'))")
        page.settle()
        self.assertEqual([row[0] for row in page.run(rows)], [str(i) for i in range(300) if i % 64 == 4])

    def test_a_divergence_leads_to_its_request(self):
        page = self.open("rich")
        page.click("#replay button[data-request='700']")
        begin, end, events = self.range(page)
        self.assertLess(events, 200)
        self.assertGreater(events, 1)
        page.click("input[name=axis][value=event]")
        page.click("#replay button[data-request='5']")
        self.assertLess(self.range(page)[2], 30)
        self.clean(page)

    def test_without_times_the_axis_counts_events(self):
        page = self.open("untimed")
        self.assertEqual(self.range(page), (0, 4999, 5000))
        self.assertTrue(page.run("document.querySelector('input[value=time]').disabled"))
        page.click("#zoom-in")
        self.assertLess(self.range(page)[2], 2500)
        page.click("#polls button.goto")
        self.assertLess(self.range(page)[2], 60)
        self.clean(page)

    def test_beyond_the_detail(self):
        page = self.open("long")
        self.assertEqual(self.range(page)[2], 30000)
        self.assertIn("5,000", page.run("document.getElementById('cautions').textContent"))
        page.click("#zoom-in")
        page.click("#pan-right")
        self.assertGreater(self.range(page)[2], 0)
        self.clean(page)


class Hostile(PageTest):
    def test_strings_of_the_trace_stay_strings(self):
        page = self.shared("rich")
        self.assertEqual(page.run("document.title"), "Trace report: <trace> & co.log")
        self.assertEqual(page.run("[...document.querySelectorAll('main img, main i, main u, main script')].filter(e => !e.closest('.chart')).length"), 0)
        text = page.run("document.querySelector('main').textContent")
        for part in ("<i>x</i> BAR2", "</script><script>document.title = 'taken'</script>", "STATUS<img src=x>",
                     "no <reset> today", "caf\ufffd", "04 <05>", "the Mac <panicked>"):
            self.assertIn(part, text)
        self.assertNotIn("/some/where", page.run("document.documentElement.outerHTML"))

    def test_the_policy_stops_what_is_not_the_pages_own(self):
        page = self.open("rich")
        page.run("(() => { const s = document.createElement('script'); s.textContent = 'document.title = \"taken\"';"
                 "document.body.append(s); const i = new Image(); i.src = 'http://127.0.0.1:9/x.png';"
                 "document.body.append(i); })()")
        page.settle()
        self.assertNotEqual(page.run("document.title"), "taken")
        self.assertTrue(any("Content Security Policy" in problem for problem in page.problems), page.problems)

    def test_the_licence_of_the_library_is_kept(self):
        text = self.shared("rich").run("document.querySelector('footer').textContent")
        self.assertIn("Permission is hereby granted", text)
        self.assertIn("Dan Vanderkam", text)


class Screenshots(PageTest):
    """Of the pages that docs/report.md shows. They are written only when asked for, and always taken."""

    def shot(self, page, name, selector=None):
        where = options.update_screenshots or pages.name
        size = page.screenshot(os.path.join(where, name), selector)
        self.assertLess(size, SCREENSHOT_BYTES_MAX, name)
        self.assertGreater(size, 10_000, name)

    def test_whole_page_light(self):
        page = self.open("session")
        page.resize(1280, 1180)
        page.settle()
        self.shot(page, "report-light.png")

    def test_zoomed_dark(self):
        page = self.open("session", dark=True)
        page.click("#registers tbody tr:nth-child(7) button.goto")
        page.run("document.getElementById('timeline').scrollIntoView()")
        page.settle()
        self.shot(page, "report-zoomed-dark.png", "#timeline")

    def test_narrow(self):
        page = self.open("rich", width=400)
        page.resize(400, 1500)
        page.settle()
        self.shot(page, "report-narrow.png")


def main():
    global options
    parser = argparse.ArgumentParser()
    parser.add_argument("--make-page", required=True)
    parser.add_argument("--dartboard", required=True)
    parser.add_argument("--session", required=True)
    parser.add_argument("--update-screenshots", metavar="DIRECTORY")
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Bars of the trace report: a page of 1,000,000 events is under 20 MB and opens in 3 s in a headless Chromium.

  report_page.py --make-page build/release/tests/report/make_page [--events N] [--runs N]

Opening is from the navigation until the timeline is drawn and the page answers. Exit code 1 if a bar is missed.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "report"))
from browser import Browser  # noqa: E402

BYTES_MAX, SECONDS_MAX = 20_000_000, 3.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--make-page", required=True)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dartboard-report-") as directory:
        page_file = os.path.join(directory, "page.html")
        begin = time.monotonic()
        subprocess.run([options.make_page, str(options.events), page_file, os.path.join(directory, "page.json")], check=True)
        made = time.monotonic() - begin
        size = os.path.getsize(page_file)
        browser = Browser()
        try:
            opened, zoomed = [], []
            for _ in range(options.runs):
                page = browser.page()
                begin = time.monotonic()
                page.open(page_file)
                page.settle()
                opened.append(time.monotonic() - begin)
                begin = time.monotonic()
                page.run("document.getElementById('zoom-in').click()")
                page.settle()
                zoomed.append(time.monotonic() - begin)
                page.close()
        finally:
            browser.close()
    open_s, zoom_s = statistics.median(opened), statistics.median(zoomed)
    print(f"page of {options.events:,} events: made in {made:.2f} s, {size / 1e6:.2f} MB (bar {BYTES_MAX / 1e6:.0f} MB), "
          f"opens in {open_s:.2f} s (bar {SECONDS_MAX:.0f} s; {min(opened):.2f} to {max(opened):.2f}), "
          f"one zoom step {zoom_s * 1000:.0f} ms")
    return 0 if size < BYTES_MAX and open_s < SECONDS_MAX else 1


sys.exit(main())

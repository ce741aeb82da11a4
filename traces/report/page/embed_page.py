#!/usr/bin/env python3
"""Puts the page's parts and the charting library together into one C++ source (traces/report/page_template.h).

Usage: embed_page.py OUT.cpp LIBRARY.js LIBRARY.css LIBRARY-LICENCE

The Content-Security-Policy of the page names the scripts and the style by their SHA-256, so that nothing else can run,
whatever a trace smuggles in.
"""
import base64
import hashlib
import os
import re
import sys


kScripts = ("text.js", "columns.js", "lanes.js", "tables.js", "page.js")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def licence(path):
    """From the first copyright line to the end of the permission, without what a distribution wrote around it."""
    found = re.search(r"^ *Copyright \(c\).*?Permission is hereby granted.*?(?:IN THE|THE) SOFTWARE\.$", read(path), re.M | re.S)
    if not found:
        sys.exit(f"{path}: no MIT licence found")
    return re.sub(r"\s*<[^>\n]*@[^>\n]*>", "", found.group(0))


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def main():
    out, library_js, library_css, library_licence = sys.argv[1:]
    here = os.path.dirname(os.path.abspath(__file__))
    strip = lambda text: re.sub(r"(//# |/\*# )sourceMappingURL=\S+( \*/)?", "", text)
    parts = {
        "style": strip(read(library_css)) + read(os.path.join(here, "page.css")),
        "library": strip(read(library_js)),
        "script": "(() => {'use strict';\n" + "".join(read(os.path.join(here, name)) for name in kScripts) + "})();\n",
        "licence": escape(licence(library_licence)),
    }
    for name in ("library", "script"):
        if re.search(r"</script|<!--", parts[name], re.I):
            sys.exit(f"{name}: would end its own element")
    parts["policy"] = ("default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src "
                       + digest(parts["style"]) + "; script-src " + digest(parts["library"]) + " "
                       + digest(parts["script"]))
    page = read(os.path.join(here, "page.html"))
    page = re.sub(r"\{\{(style|library|script|licence|policy)\}\}", lambda m: parts[m.group(1)], page)

    # What is filled in for each report; everything between is one piece of text.
    pieces = re.split(r"\{\{(title|body|figures|columns)\}\}", page)
    if pieces[1::2] != ["title", "body", "figures", "columns"]:
        sys.exit("page.html: wants {{title}}, {{body}}, {{figures}} and {{columns}}, in this order")
    pieces = pieces[0::2] + [read(os.path.join(here, "timeline.html"))]
    text = ["// Generated from traces/report/page. Do not edit.\n#include \"traces/report/page_template.h\"\n\n"
            "namespace dartboard::traces {\nnamespace {\n"]
    for number, piece in enumerate(pieces):
        codes = ",".join(str(b - 256 if b > 127 else b) for b in piece.encode())
        text.append(f"constexpr char kPiece{number}[] = {{{codes}}};\n")
    names = ", ".join(f"{{kPiece{n}, sizeof kPiece{n}}}" for n in range(len(pieces)))
    text.append(f"}}  // namespace\n\nPageTemplate page_template() {{ return {{{names}}}; }}\n\n"
                "}  // namespace dartboard::traces\n")
    with open(out, "w", encoding="utf-8") as file:
        file.write("".join(text))


main()

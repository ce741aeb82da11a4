#!/usr/bin/env python3
"""iig.py - turns a DriverKit interface file (X.iig) into X.h and X.iig.cpp for Dartboard's DriverKit runtime.

The dialect is C++ class declarations with attribute words (LOCALONLY, TYPE(...), TARGET, ...). What the words mean and
what the two outputs contain is described in docs beside the code: iig_model.py (meaning), iig_emit.py (outputs).
Standard library only. Problems are reported as FILE:LINE: error: SENTENCE; the exit code is then 1.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import iig_emit  # noqa: E402
from iig_model import IigError  # noqa: E402
from iig_parse import Parser  # noqa: E402


def write_if_changed(path, text):
    """Leaves the file alone when its content is already right, so that nothing rebuilds without need."""
    try:
        with open(path, encoding="utf-8") as existing:
            if existing.read() == text:
                os.utime(path)
                return
    except OSError:
        pass
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def main(argv):
    arguments = argparse.ArgumentParser(
        prog="iig.py", description="Generate X.h and X.iig.cpp from a DriverKit interface file X.iig.")
    arguments.add_argument("input", help="the .iig file")
    arguments.add_argument("--header", required=True, help="header to write")
    arguments.add_argument("--source", required=True, help="C++ source to write")
    arguments.add_argument("--include-name", help="how the source includes the header (default: its file name)")
    arguments.add_argument("-I", dest="include_paths", action="append", default=[], metavar="DIR",
                           help="where included .iig files are looked for, in order")
    arguments.add_argument("--depfile", help="write a make-style list of the .iig files that were read")
    options = arguments.parse_args(argv)

    try:
        parser = Parser(options.include_paths)
        unit = parser.parse(options.input)
        include_name = options.include_name or os.path.basename(options.header)
        header = iig_emit.header(unit, parser.database)
        source = iig_emit.source(unit, parser.database, include_name)
    except IigError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, UnicodeDecodeError) as error:
        print(f"{options.input}:1: error: cannot be read: {error}", file=sys.stderr)
        return 1

    write_if_changed(options.header, header)
    write_if_changed(options.source, source)
    if options.depfile:
        inputs = " ".join(path.replace(" ", "\\ ") for path in parser.files_read)
        write_if_changed(options.depfile, f"{options.header} {options.source}: {inputs}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

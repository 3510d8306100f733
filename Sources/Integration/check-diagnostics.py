#!/usr/bin/env python3
"""Compares the catalogue of messages with the code and with what the tests made.

usage: check-diagnostics.py COVERAGE.json

COVERAGE.json is what `swift test --enable-code-coverage` leaves. Every factory of a Diagnostics.swift has
an entry in schemas/diagnostics.json and was called by a test; broken invariants share one entry.
"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BROKEN = "broken-invariant"
# What no test can bring about, and why.
UNREACHED = {
    "no-memory": "the process would run out of memory first",
    "undecodable": "no bytes are known that pass the scanner and not libprotobuf-c",
}


def identifier(name):
    result = ""
    for index, letter in enumerate(name):
        followed = name[index + 1 : index + 2].islower()
        if index and letter.isupper() and (followed or not name[index - 1].isupper()):
            result += "-"
        result += letter.lower()
    return result


def factories():
    """(identifier, file, line of its brace) of every factory that makes a message itself."""
    for path in sorted(ROOT.glob("Sources/*/Diagnostics.swift")):
        lines = path.read_text().splitlines()
        for start, line in enumerate(lines):
            found = re.match(r"  (?:package )?static func (\w+)\(", line)
            if not found:
                continue
            end = start
            while not (lines[end].rstrip().endswith("{") or lines[end].rstrip().endswith("}")):
                end += 1
            body = lines[start:]
            if not line.rstrip().endswith("}"):
                body = body[: body.index("  }")]
            text = "\n".join(body[: 40])
            name = found.group(1)
            internal = ".internalError" in text or "broken(" in text
            yield BROKEN if internal else identifier(name), path, range(start + 1, end + 2)


def called(coverage):
    """The (file, line) at which a function begins that was called."""
    result = set()
    for function in json.load(open(coverage))["data"][0]["functions"]:
        name = function["filenames"][0]
        if name.endswith("/Diagnostics.swift") and function["count"] > 0:
            result.add((pathlib.Path(name), function["regions"][0][0]))
    return result


def main():
    catalogue = [e["id"] for e in json.load(open(ROOT / "schemas/diagnostics.json"))["diagnostics"]]
    faults = []
    if catalogue != sorted(set(catalogue)):
        faults.append("the catalogue is not in order, or has an identifier twice")
    reached, made = set(), {}
    done = called(sys.argv[1])
    for name, path, lines in factories():
        made.setdefault(name, path)
        if any((path, line) in done for line in lines):
            reached.add(name)
    faults += [f"{made[n].parent.name}: '{n}' has no entry" for n in sorted(set(made) - set(catalogue))]
    faults += [f"'{n}' has an entry and no factory" for n in sorted(set(catalogue) - set(made))]
    faults += [f"no test makes '{n}'" for n in sorted(set(made) - reached - set(UNREACHED))]
    faults += [f"a test makes '{n}' after all" for n in sorted(reached & set(UNREACHED))]
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    print(f"{len(reached)} of {len(made)} identifiers are made by a test")
    sys.exit(1 if faults else 0)


main()

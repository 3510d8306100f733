#!/usr/bin/env python3
"""Runs the commands of the documentation and compares what they print with what the pages say.

usage: documentation.py [--update] FP8C [PAGE.md]...

Pages are the README and those of the DocC catalogue. In a block of code a line behind `$ ` is a command,
lines behind `> ` belong to it, and what follows is what it prints, standard error with it. There `…` stands
for any text of a line, alone for any lines, and decimal fractions may be off by a fiftieth. Commands end with
status 0. Those of a page run one after another in a folder of their own, where `golden`, `Sources` and `Tests`
are links to this project's; a comment `<!-- run: … -->` is a command that readers are not shown. A block of
Swift stands in a file of the project, which the comment before it names: `<!-- from: Sources/… -->`.

With `--update`, what commands print now is written into the pages. Every option and every command that a page
names anywhere must exist, and every target of `make` is made by `make test`; the page on the textual form has
every word of it; the examples of `fp8c help` are right usage.
"""
import argparse
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("Sources/FP8Compiler/FP8Compiler.docc/*.md"))]
# Options of others that the pages name.
FOREIGN = {"--count", "--product", "--seed", "--variable"}
INDENT = "    "


class Step:
    """A command, the lines that the page says it prints, and the lines of the page those are."""

    def __init__(self, command, start):
        self.command = command
        self.expected = []
        self.start = start


def steps(lines):
    """The commands of a page in order."""
    found = []
    fenced = False
    step = None
    for number, line in enumerate(lines):
        if line.startswith("```"):
            fenced = not fenced
            step = None
            continue
        hidden = re.fullmatch(r"<!-- run: (.*) -->", line)
        if hidden:
            found.append(Step(hidden.group(1), None))
        indented = not fenced and line.startswith(INDENT)
        if not fenced and not indented:
            step = None
            continue
        text = line[len(INDENT) :] if indented else line
        if text.startswith("$ "):
            step = Step(text[2:], number + 1)
            found.append(step)
        elif step and (text == ">" or text.startswith("> ")) and not step.expected:
            step.command += "\n" + text[2:]
            step.start = number + 1
        elif step:
            step.expected.append(text)
    return found


def matches(expected, printed):
    """Whether the lines are those expected; lists, so that a lone `…` may stand for any number."""
    if not expected:
        return not printed
    if expected[0] == "…":
        return any(matches(expected[1:], printed[start:]) for start in range(len(printed) + 1))
    if not printed:
        return False
    return alike(expected[0], printed[0]) and matches(expected[1:], printed[1:])


def alike(expected, printed):
    """Whether two lines are one, but for the last digits of what a runtime computed on another processor."""
    if "…" in expected:
        pattern = ".*".join(re.escape(part) for part in expected.split("…"))
        return bool(re.fullmatch(pattern, printed))
    number = r"\d+\.\d+"
    left, right = (re.findall(number, text) for text in (expected, printed))
    return re.sub(number, "#", expected) == re.sub(number, "#", printed) and all(
        math.isclose(float(x), float(y), rel_tol=0.02, abs_tol=0.011) for x, y in zip(left, right))


def run(step, folder, environment):
    done = subprocess.run(
        ["bash", "-c", step.command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    return done.returncode, [line.rstrip() for line in done.stdout.splitlines()]


def check(page, fp8c, update):
    """Runs a page's commands; returns how many there were, and what is wrong."""
    lines = page.read_text().split("\n")
    faults = []
    environment = dict(os.environ, PATH=os.pathsep.join(
        [str(fp8c.parent), str(ROOT / ".venv/bin"), os.environ["PATH"]]))
    found = steps(lines)
    edits = []
    with tempfile.TemporaryDirectory() as folder:
        for name in "golden", "Sources", "Tests":
            os.symlink(ROOT / name, os.path.join(folder, name))
        for step in found:
            status, printed = run(step, folder, environment)
            if status:
                faults.append(f"status {status} of: {step.command}\n  " + "\n  ".join(printed))
                break
            if step.start is None or matches(step.expected, printed):
                continue
            edits.append((step, printed))
            if update:
                continue
            faults.append(
                f"{step.command}\n  prints\n    " + "\n    ".join(printed)
                + "\n  and the page says\n    " + "\n    ".join(step.expected))
    if update:
        for step, printed in reversed(edits):
            indent = INDENT if lines[step.start - 1].startswith(INDENT) else ""
            lines[step.start : step.start + len(step.expected)] = [indent + line for line in printed]
        page.write_text("\n".join(lines))
    return len(found), faults


def quotations(page):
    """Blocks of Swift that do not stand in the file that they name."""
    text = page.read_text()
    for source, code in re.findall(r"<!-- from: (\S+) -->\n+```swift\n(.*?)```", text, re.S):
        if code not in (ROOT / source).read_text():
            yield f"a block of Swift is not in {source}:\n{code}"


def names(command, path=()):
    """Every command as a tuple of words, with its options."""
    options = {
        ("--" if name["kind"] == "long" else "-") + name["name"]
        for argument in command.get("arguments", [])
        for name in argument.get("names", [])
    }
    yield path, options
    for inner in command.get("subcommands", []):
        yield from names(inner, (*path, inner["commandName"]))


def mentions(page, fp8c):
    """Options, commands and targets that a page names and that do not exist."""
    text = page.read_text()
    tree = dict(names(json.loads(subprocess.check_output([fp8c, "--experimental-dump-help"]))["command"]))
    known = set().union(*tree.values()) | FOREIGN | {"--help"}
    for option in sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text)) - known):
        yield f"no command has the option {option}"
    commands = {path[0] for path in tree if path}
    for command in sorted(set(re.findall(r"fp8c ([a-z][a-z-]+)", text)) - commands):
        if re.search(rf"`fp8c {command}\b|\$ fp8c {command}\b", text):
            yield f"there is no command {command}"
    made = made_by_test()
    for target in sorted(set(re.findall(r"(?:`|^    |^\$ )make ([a-z][a-z-]+)", text, re.M))):
        if target not in made:
            yield f"'make test' does not make {target}"


def made_by_test():
    """The targets of the Makefile that `make test` makes, beforehand or in its recipe."""
    rules = {}
    for rule in re.finditer(r"^([a-z-]+):(?!=)(.*\n(?:\t.*\n)*)", (ROOT / "Makefile").read_text(), re.M):
        before, _, recipe = rule.group(2).partition("\n")
        rules[rule.group(1)] = before.split() + re.findall(r"\$\(MAKE\) ([a-z-]+)", recipe)
    made, pending = set(), ["test"]
    while pending:
        target = pending.pop()
        if target in rules and target not in made:
            made.add(target)
            pending += rules[target]
    return made


def examples(fp8c):
    """Examples of `fp8c help` that are wrong usage; their files do not exist, which is another status."""
    tree = json.loads(subprocess.check_output([fp8c, "--experimental-dump-help"]))["command"]
    pending = [tree]
    environment = dict(os.environ, PATH=os.pathsep.join([str(fp8c.parent), os.environ["PATH"]]))
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        while pending:
            command = pending.pop()
            pending += command.get("subcommands", [])
            lines = [line.strip() for line in command.get("discussion", "").splitlines()]
            for line in lines:
                if line.startswith("fp8c "):
                    count += 1
                    status, printed = run(Step(line, None), folder, environment)
                    if status == 64:
                        yield f"an example is wrong usage: {line}\n  " + "\n  ".join(printed)
    print(f"fp8c help: {count} examples")


def spellings(path, pattern):
    return set(re.findall(pattern, (ROOT / path).read_text()))


def constructs():
    """Words of the textual form that its page does not have, read off the parser and what it reads."""
    page = (ROOT / "Sources/FP8Compiler/FP8Compiler.docc/TextualForm.md").read_text()
    words = set()
    for path in ROOT.glob("Sources/IR/Parser*.swift"):
        words |= spellings(path, r'(?:accept|at|expect)\("(\w+)"\)|case "(\w+)"')
    words = {word for pair in words for word in pair if word}
    words |= spellings("Sources/IR/ElementType.swift", r'"((?:bf|[fiuc])\d\w*|bool|str)"')
    words |= spellings("Sources/IR/Weight.swift", r'case \.\w+: "(\w+)"')
    for case, spelled in spellings("Sources/IR/QuantizedModule.swift", r'\n    case (\w+)(?: = "([\w-]+)")?'):
        words.add(spelled or case)
    for word in sorted(words):
        if f"`{word}`" not in page:
            yield f"TextualForm.md does not have '{word}'"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--update", action="store_true")
    parser.add_argument("fp8c", type=pathlib.Path)
    parser.add_argument("pages", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    fp8c = options.fp8c.resolve()
    failed = False
    for page in [page.resolve() for page in options.pages] or PAGES:
        count, faults = check(page, fp8c, options.update)
        faults += [*quotations(page), *mentions(page, fp8c)]
        print(f"{page.relative_to(ROOT)}: {count} commands, {len(faults)} faults")
        for fault in faults:
            print(f"FAILED: {fault}", file=sys.stderr)
        failed = failed or bool(faults)
    for fault in [*constructs(), *examples(fp8c)]:
        print(f"FAILED: {fault}", file=sys.stderr)
        failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())

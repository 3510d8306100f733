#!/usr/bin/env python3
"""Writes a manual page for fp8c and one for each of its commands.

usage: fp8c --experimental-dump-help | make-manual.py FOLDER VERSION
"""
import json
import pathlib
import sys

STATUS = [
    ("0", "Done, with or without warnings."),
    ("1", "Done, but a requested check failed: verify, diff, golden or --werror."),
    ("64", "Wrong usage."),
    ("65", "An input is malformed, or uses what the target or fp8c cannot do."),
    ("66", "An input cannot be opened."),
    ("69", "ONNX Runtime is missing, or cannot run the model."),
    ("70", "A broken invariant of fp8c; always a bug."),
    ("73", "An output cannot be created."),
    ("74", "Reading or writing failed, a full disk included."),
    ("75", "A stated limit was reached."),
    ("77", "A file lies outside what the model may read or write."),
    ("78", "A configuration or measurement file is wrong."),
    ("128+n", "Ended by signal n, after cleaning up."),
]
ENVIRONMENT = [
    ("FP8C_CONFIG", "The configuration where --config gives none."),
    ("QUANT_CONFIG", "The same, as Intel Neural Compressor has it; FP8C_CONFIG comes first."),
    ("FP8C_ONNXRUNTIME", "ONNX Runtime's shared library where --onnxruntime gives none."),
    ("NO_COLOR", "Messages without colour, where it is not empty."),
    ("CLICOLOR_FORCE, FORCE_COLOR", "Messages in colour though standard error is no terminal."),
    ("CI", "Progress as lines, where it is not empty."),
]


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in ".'" else line for line in text.split("\n"))


def spelled(name):
    return ("--" if name["kind"] == "long" else "-") + name["name"]


def arguments(command, kinds):
    return [
        a
        for a in command.get("arguments", [])
        if a["kind"] in kinds and a.get("shouldDisplay", True)
    ]


def synopsis(command, path):
    parts = [f".B {' '.join(path)}"]
    if arguments(command, ["option", "flag"]):
        parts.append("[options]")
    for argument in arguments(command, ["positional"]):
        name = f"\\fI{escaped(argument['valueName'])}\\fR" + (" ..." if argument["isRepeating"] else "")
        parts.append(f"[{name}]" if argument["isOptional"] else name)
    for option in arguments(command, ["option"]):
        if not option["isOptional"]:
            parts.append(f"{escaped(spelled(option['preferredName']))} \\fI{escaped(option['valueName'])}\\fR")
    if command.get("subcommands"):
        parts.append("\\fIcommand\\fR")
    return parts[0] + "\n" + "\n".join(parts[1:])


def option_text(option):
    names = ", ".join(f"\\fB{escaped(spelled(n))}\\fR" for n in option["names"])
    value = f" \\fI{escaped(option['valueName'])}\\fR" if option["kind"] == "option" else ""
    text = option.get("abstract", "")
    if option.get("allValues"):
        text += f" One of {', '.join(option['allValues'])}."
    return f".TP\n{names}{value}\n{escaped(text)}"


def page(command, path, version, siblings):
    lines = [f'.TH "{"-".join(path).upper()}" 1 "" "fp8c {version}" "fp8c manual"', ".SH NAME"]
    lines.append(f"{escaped('-'.join(path))} \\- {escaped(command.get('abstract', '').rstrip('.'))}")
    lines += [".SH SYNOPSIS", synopsis(command, path)]
    positional = arguments(command, ["positional"])
    if positional:
        lines.append(".SH ARGUMENTS")
        for argument in positional:
            lines.append(f".TP\n\\fI{escaped(argument['valueName'])}\\fR\n{escaped(argument.get('abstract', ''))}")
    if command.get("subcommands"):
        lines.append(".SH COMMANDS")
        for sub in command["subcommands"]:
            if sub["commandName"] != "help":
                lines.append(f".TP\n\\fB{escaped(sub['commandName'])}\\fR\n{escaped(sub.get('abstract', ''))}")
    options = arguments(command, ["option", "flag"])
    if options:
        lines.append(".SH OPTIONS")
        lines += [option_text(option) for option in options]
    if command.get("discussion"):
        lines += [".SH EXAMPLES", ".nf", escaped(command["discussion"].split("\n", 1)[1]), ".fi"]
    lines.append(".SH EXIT STATUS")
    lines += [f".TP\n\\fB{escaped(code)}\\fR\n{escaped(text)}" for code, text in STATUS]
    lines.append(".SH ENVIRONMENT")
    lines += [f".TP\n\\fB{escaped(name)}\\fR\n{escaped(text)}" for name, text in ENVIRONMENT]
    others = [s for s in siblings if s != path]
    lines += [".SH SEE ALSO", ",\n".join(f".BR {escaped('-'.join(s))} (1)" for s in others).replace(",\n.BR", " ,\n.BR")]
    return "\n".join(lines) + "\n"


def commands(command, path):
    yield command, path
    for sub in command.get("subcommands", []):
        if sub["commandName"] != "help":
            yield from commands(sub, path + [sub["commandName"]])


def main():
    root = json.load(sys.stdin)["command"]
    version = sys.argv[2]
    pages = list(commands(root, ["fp8c"]))
    folder = pathlib.Path(sys.argv[1])
    for command, path in pages:
        near = [p for _, p in pages if len(p) <= 1 or p[:-1] == path[:-1] or p[:-1] == path]
        (folder / f"{'-'.join(path)}.1").write_text(page(command, path, version, near))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the pages of the DocC reference that follow from the code: commands, messages, schemas and passes.

usage: make-reference.py FP8C FOLDER
"""
import importlib.util
import json
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("manual", ROOT / "Sources/Integration/make-manual.py")
manual = importlib.util.module_from_spec(spec)
spec.loader.exec_module(manual)


def literal(text):
    return text.replace("<", "\\<").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def option(argument):
    names = ", ".join(f"`{manual.spelled(name)}`" for name in argument["names"])
    return f"{names} *{argument['valueName']}*" if argument["kind"] == "option" else names


def about(argument):
    text = literal(argument.get("abstract", "")).replace("\n", " ")
    if "allValues" in argument:
        text += " One of " + ", ".join(f"`{value}`" for value in argument["allValues"]) + "."
    if "defaultValue" in argument and argument["kind"] == "option":
        text += f" `{argument['defaultValue']}` if not given."
    return text


def command(entry, path):
    words = " ".join(path)
    lines = [f"### {words}", "", literal(entry.get("abstract", "")), ""]
    if entry.get("discussion"):
        lines += ["```shell", entry["discussion"].strip().removeprefix("Examples:").strip(), "```", ""]
    positional = manual.arguments(entry, ["positional"])
    if positional:
        lines += [table(["argument", "what it is"], [[f"*{a['valueName']}*", about(a)] for a in positional])]
    options = [
        a for a in manual.arguments(entry, ["option", "flag"]) if a["valueName"] not in ("version", "help")
    ]
    if options:
        lines += [table(["option", "what it does"], [[option(a), about(a)] for a in options])]
    for inner in entry.get("subcommands", []):
        if inner["commandName"] != "help":
            lines += [command(inner, [*path, inner["commandName"]])]
    return "\n".join(lines)


def commands(fp8c):
    tree = json.loads(subprocess.check_output([fp8c, "--experimental-dump-help"]))["command"]
    text = "# Commands\n\nEvery command of `fp8c` with its arguments and options.\n\n## Overview\n\n"
    text += "`fp8c help COMMAND` prints the same. Every command also has `--version` and `--help`.\n\n"
    for entry in tree["subcommands"]:
        if entry["commandName"] != "help":
            text += command(entry, ["fp8c", entry["commandName"]]) + "\n"
    text += "### Exit status\n\n" + table(
        ["status", "meaning"], [[f"`{status}`", meaning] for status, meaning in manual.STATUS])
    text += "\n### Environment\n\n" + table(
        ["variable", "meaning"], [[f"`{name}`", meaning] for name, meaning in manual.ENVIRONMENT])
    return text


def diagnostics():
    entries = json.loads((ROOT / "schemas/diagnostics.json").read_text())["diagnostics"]
    text = "# Diagnostics\n\nEvery message by the identifier that stands behind it in brackets.\n\n## Overview\n\n"
    text += "`fp8c explain ID` prints the same. The identifier stays however a message is worded; `--werror` and\n"
    text += "`--no-warn` take it.\n\n"
    for entry in entries:
        text += f"### {entry['id']}\n\n{literal(entry['meaning'])}\n\n{literal(entry['remedy'])}\n\n"
    return text


def resolved(schema, root):
    while "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def sort_of(schema, root):
    schema = resolved(schema, root)
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    for choice in "anyOf", "oneOf":
        if choice in schema:
            return " or ".join(sort_of(inner, root) for inner in schema[choice])
    kind = schema.get("type", "any")
    if kind == "array" and "items" in schema:
        return "array of " + sort_of(schema["items"], root)
    return " or ".join(kind) if isinstance(kind, list) else kind


def keys(schema, root, path=""):
    """Every key below a schema: its path, what it holds and what it means."""
    schema = resolved(schema, root)
    for name, inner in schema.get("properties", {}).items():
        whole = resolved(inner, root)
        place = f"{path}.{name}" if path else name
        yield [f"`{place}`", sort_of(inner, root), literal(whole.get("description", ""))]
        yield from keys(inner, root, place)
    if "items" in schema:
        yield from keys(schema["items"], root, path + "[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from keys(schema["additionalProperties"], root, path + ".*")
    for choice in "anyOf", "oneOf", "allOf":
        for inner in schema.get(choice, []):
            yield from keys(inner, root, path)


def schemas(fp8c):
    text = "# Schemas\n\nThe keys of every JSON file that fp8c reads or writes.\n\n## Overview\n\n"
    text += "`fp8c schema NAME` prints a schema for editors and validators. `[]` stands for the elements of a list and\n"
    text += "`*` for any name.\n\n"
    for name in subprocess.check_output([fp8c, "schema"], text=True).split():
        schema = json.loads(subprocess.check_output([fp8c, "schema", name]))
        rows = list(keys(schema, schema))
        assert rows, f"schema '{name}' has no keys"
        text += f"### {name}\n\n{literal(schema['description'])}\n\n" + table(["key", "value", "meaning"], rows) + "\n"
    return text


def passes():
    """Passes in the order of the registry, each with the comment of its type."""
    registry = (ROOT / "Sources/Passes/PassRegistry.swift").read_text()
    files = {path.stem: path.read_text() for path in ROOT.glob("Sources/Passes/**/*.swift")}
    text = "# Passes\n\nEvery pass that `fp8c opt` runs, in the order of the default pipeline.\n\n## Overview\n\n"
    text += "Each has a folder in `golden/` whose files show it at work. Options stand in braces behind the name:\n"
    text += "`fp8c opt graph.ir --passes 'raise-opset{opset=21}'`.\n\n"
    for name in re.findall(r"(\w+)\.self", registry):
        before, body = files[name].split(f"package struct {name}: Pass {{", 1)
        lines = before.rstrip("\n").split("\n")
        start = len(lines)
        while start and lines[start - 1].startswith("///"):
            start -= 1
        assert start < len(lines), f"pass '{name}' has no comment"
        comment = "\n".join(line[4:] for line in lines[start:]) + "\n"
        spelled = re.search(r'static let name = "(.*?)"', body).group(1)
        options = re.search(r"static let options = \[(.*?)\]", body)
        text += f"### {spelled}\n\n{references(comment)}\n"
        if options:
            text += "Options: " + ", ".join(f"`{o}`" for o in re.findall(r'"(.*?)"', options.group(1))) + ".\n\n"
    return text


def references(comment):
    """A comment for a page: links between types lead nowhere here."""
    return re.sub(r"``(\w+)``", r"`\1`", comment)


def main():
    fp8c, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    pages = {
        "Commands": commands(fp8c), "Diagnostics": diagnostics(), "Schemas": schemas(fp8c), "Passes": passes()
    }
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text)


if __name__ == "__main__":
    main()

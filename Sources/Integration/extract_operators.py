#!/usr/bin/env python3
"""Writes schemas/operators.json: the signature of every operator version.

Standard operators and those of ai.onnx.ml come from the Python package onnx, the operators that
ONNX Runtime fuses from onnxruntime. Standard versions that no opset from 7 on selects are left out.
With an argument the table goes to that file instead.
"""

import json
import pathlib
import re
import sys

import onnx.defs
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

# The least opset that the compiler accepts.
OLDEST = 7

# What ONNX Runtime's optimizers and its transformer tools put into float models.
FUSED = """
Attention BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu DecoderMaskedMultiHeadAttention
DecoderMaskedSelfAttention DequantizeLinear EmbedLayerNormalization FastGelu FusedConv FusedGemm
FusedMatMul FusedMatMulActivation GatedRelativePositionBias Gelu GemmFastGelu GemmFloat8 GroupNorm
GroupQueryAttention MRotaryEmbedding MatMulIntegerToFloat MatMulNBits MoE MultiHeadAttention
NhwcConv PackedAttention PackedMultiHeadAttention PagedAttention QMoE QuantizeLinear QuickGelu
RelativePositionBias RemovePadding RestorePadding RotaryEmbedding SkipGroupNorm
SkipLayerNormalization SkipSimplifiedLayerNormalization SparseAttention TransposeMatMul Trilu
""".split()

# Operators of the empty domain that only ONNX Runtime knows.
UNLISTED = ["SimplifiedLayerNormalization"]

# Operators of multi-device builds, which the package lacks: name, inputs, outputs, types.
COLLECTIVES = [
    (name, [("T", "")], [("T", "")], {"T": ["double", "float", "float16"]})
    for name in ("AllGather", "AllReduce", "AllToAll")
]


def type_set(spellings):
    """Element types by what is around them; maps, which the compiler carries along, left out."""
    found = {}
    for spelling in spellings:
        match = re.fullmatch(r"((?:optional\()?(?:seq\()?)tensor\((\w+)\)\)*", spelling)
        if match:
            around = match[1].rstrip("(") or "tensor"
            around += ")" * around.count("(")
            found.setdefault(around, set()).add(match[2])
    return json.dumps({around: " ".join(sorted(found[around])) for around in sorted(found)})


def mark(option, homogeneous):
    """`?` for an optional formal, `*` for many of one type, `~` for many of any."""
    kind = str(option).rsplit(".", 1)[-1]
    if kind == "Optional":
        return "?"
    if kind == "Variadic":
        return "*" if homogeneous else "~"
    return ""


def standard(schema):
    sets = {t.type_param_str: t.allowed_type_strs for t in schema.type_constraints}
    formals = [[(f.type_str, mark(f.option, f.is_homogeneous)) for f in side]
               for side in (schema.inputs, schema.outputs)]
    return (schema.domain, schema.name, schema.since_version, schema.deprecated, *formals, sets,
            attributes(schema), least(schema, formals))


def attributes(schema):
    """`axis:int perm:ints body:graph!`: `!` for one that a node has to give."""
    return " ".join(
        f"{name}:{str(a.type).rsplit('.', 1)[-1].lower()}{'!' if a.required else ''}"
        for name, a in sorted(schema.attributes.items()))


def least(schema, formals):
    """How many operands and results a node has at least, where that is not up to the last single one.

    A variadic formal counts for one.
    """
    found = [schema.min_input, schema.min_output]
    usual = [max([place + 1 for place, (_, suffix) in enumerate(side) if suffix != "?"], default=0)
             for side in formals]
    return tuple(found) if found != usual else None


def fused(schema):
    sets = {t.type_param_str: t.allowed_type_strs for t in schema.type_constraints}
    formals = [[(f.typeStr, mark(f.option, f.isHomogeneous)) for f in side]
               for side in (schema.inputs, schema.outputs)]
    return (schema.domain, schema.name, schema.since_version, schema.deprecated, *formals, sets,
            None, None)


def rows():
    schemas = onnx.defs.get_all_schemas_with_history()
    for schema in schemas:
        is_superseded = schema.domain == "" and any(
            (other.domain, other.name) == ("", schema.name)
            and schema.since_version < other.since_version <= OLDEST for other in schemas)
        if schema.domain in ("", "ai.onnx.ml") and not is_superseded:
            yield standard(schema)
    for schema in runtime.get_all_operator_schema():
        if (schema.domain == "com.microsoft" and schema.name in FUSED
                or schema.domain == "" and schema.name in UNLISTED):
            yield fused(schema)
    for name, inputs, outputs, sets in COLLECTIVES:
        yield "com.microsoft", name, 1, False, inputs, outputs, sets, None, None


def side(formals):
    """`T int64?`: a type variable or a tensor's element type each."""
    return " ".join(re.sub(r"^tensor\((\w+)\)$", r"\1", formal) + suffix
                    for formal, suffix in formals)


def table():
    sets = set()
    entries = {}
    for domain, name, since, deprecated, inputs, outputs, variables, given, fewest in rows():
        used = {formal for formal, _ in inputs + outputs}
        spelled = {v: type_set(names) for v, names in variables.items() if v in used}
        sets.update(spelled.values())
        key = (domain, name, deprecated, side(inputs), side(outputs),
               tuple(sorted(spelled.items())), given, fewest)
        entries.setdefault(key, []).append(since)
    numbers = {names: index for index, names in enumerate(sorted(sets))}
    lines = ["{", '"onnx": %s,' % json.dumps(onnx.__version__), '"types": [']
    lines += separated(numbers)
    lines += ["],", '"domains": {']
    domains = sorted({key[0] for key in entries})
    for domain in domains:
        lines.append(json.dumps(domain) + ": [")
        own = sorted((key for key in entries if key[0] == domain),
                     key=lambda key: (key[1], entries[key]))
        lines += separated(row(key, sorted(entries[key]), numbers) for key in own)
        lines.append("]" if domain == domains[-1] else "],")
    return "\n".join(lines + ["}", "}"]) + "\n"


def row(key, since, numbers):
    _, name, deprecated, inputs, outputs, variables, given, fewest = key
    entry = {"op": name, "since": since}
    if deprecated:
        entry["deprecated"] = True
    entry |= {"in": inputs, "out": outputs}
    if variables:
        entry["of"] = {variable: numbers[names] for variable, names in variables}
    if given is not None:
        entry["attributes"] = given
    if fewest:
        entry["least"] = fewest
    return json.dumps(entry)


def separated(lines):
    lines = list(lines)
    return [line + "," for line in lines[:-1]] + lines[-1:]


if __name__ == "__main__":
    default = pathlib.Path(__file__).parents[2] / "schemas" / "operators.json"
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    target.write_text(table())

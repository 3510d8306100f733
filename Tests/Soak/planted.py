"""Faults planted into random graphs: `verify` must not say that a model with another meaning is the same.

What another meaning is says ONNX Runtime, which runs the graph before and after.
"""

import concurrent.futures
import copy
import os
import random
import shutil
import signal
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

import graphs
from runner import SECONDS, run

TRIES = 6
# What a graph's outputs have to move by, of their largest number, to be others.
MOVED = 0.01
FLAGS = ([], ["--qdq"], ["--hp-dtype", "fp32"], ["--hp-dtype", "fp32", "--qdq"])
KINDS = (["Relu", "Sigmoid", "Tanh", "Softplus", "Abs", "Neg", "Exp", "Erf"], ["Add", "Sub", "Mul", "Div"], ["Max", "Min"],
         ["ReduceMax", "ReduceMin"], ["MaxPool", "AveragePool"], ["GlobalMaxPool", "GlobalAveragePool"])


def scopes(model):
    """Nodes and constants of the graph, of every body and of every function."""
    def inside(nodes, constants):
        yield nodes, constants
        for node in nodes:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    yield from inside(attribute.g.node, attribute.g.initializer)

    yield from inside(model.graph.node, model.graph.initializer)
    for function in model.functions:
        yield from inside(function.node, [])


def swapped(rnd, node, *_):
    if len(node.input) > 1:
        left, right = rnd.sample(range(len(node.input)), 2)
        node.input[left], node.input[right] = node.input[right], node.input[left]
        return f"operands {left} and {right} of {node.op_type} swapped"


def rewired(rnd, node, nodes, constants):
    if node.input:
        known = [name for other in nodes for name in [*other.input, *other.output] if name]
        place = rnd.randrange(len(node.input))
        old = node.input[place]
        node.input[place] = rnd.choice(known + [tensor.name for tensor in constants])
        return f"{node.op_type} reads {node.input[place]} for {old}"


def renamed(rnd, node, *_):
    for kind in KINDS:
        if node.op_type in kind and not node.domain:
            old = node.op_type
            node.op_type = rnd.choice([op for op in kind if op != old])
            return f"{old} became {node.op_type}"


def altered(rnd, tensor):
    array = numpy_helper.to_array(tensor).copy()
    if array.size and array.dtype.kind in "fi":
        place = rnd.randrange(array.size)
        array.reshape(-1)[place] = array.reshape(-1)[place] * 1.5 if array.dtype.kind == "f" else array.reshape(-1)[place] + 1
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        return f"element {place} of constant {tensor.name}"


def attribute(rnd, node, *_):
    if node.attribute:
        chosen = rnd.choice(list(node.attribute))
        if chosen.type == onnx.AttributeProto.INT:
            chosen.i = rnd.choice((chosen.i + 1, chosen.i - 1, 0, 1, -1))
        elif chosen.type == onnx.AttributeProto.FLOAT:
            chosen.f = chosen.f * 1.5 + 0.1
        elif chosen.type == onnx.AttributeProto.INTS and chosen.ints:
            chosen.ints[rnd.randrange(len(chosen.ints))] += rnd.choice((1, -1))
        elif chosen.type == onnx.AttributeProto.TENSOR:
            return altered(rnd, chosen.t)
        return f"attribute {chosen.name} of {node.op_type}"


def dropped(rnd, node, *_):
    if node.attribute:
        chosen = rnd.randrange(len(node.attribute))
        name = node.attribute[chosen].name
        del node.attribute[chosen]
        return f"no attribute {name} of {node.op_type}"


def constant(rnd, _, __, constants):
    return altered(rnd, rnd.choice(list(constants))) if constants else None


def bypassed(rnd, node, nodes, _):
    if len(node.input) == 1 and len(node.output) == 1:
        for reader in nodes:
            for place, name in enumerate(reader.input):
                if name == node.output[0]:
                    reader.input[place] = node.input[0]
                    return f"{reader.op_type} reads what {node.op_type} reads"


FAULTS = (swapped, rewired, rewired, renamed, attribute, dropped, constant, constant, bypassed)


def planted(rnd, model):
    """Another model, and what is wrong with it; no text where the fault does not fit what was chosen."""
    other = copy.deepcopy(model)
    nodes, constants = rnd.choice(list(scopes(other)))
    return other, rnd.choice(FAULTS)(rnd, rnd.choice(list(nodes)), nodes, constants) if nodes else None


def moved(expected, found):
    pairs = [pair for outputs in zip(expected, found) for pair in zip(*outputs)]
    return any(left.shape != right.shape
               or not np.abs(left - right).max(initial=0) <= MOVED * max(np.abs(left).max(initial=0), 1e-6)
               for left, right in pairs)


def is_another(path, names, batches, expected):
    """True where ONNX Runtime computes something else; what it refuses, or crashes on, is for the mutants of models."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        code = 2
        try:
            onnx.checker.check_model(path, full_check=True)
            session = graphs.session(path, False)
            code = 1 if moved(expected, [session.run(names, batch) for batch in batches]) else 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def one(job):
    """Gives how many faults with another meaning were planted into the graph of a seed, and which were not found."""
    fp8c, seed, found = job
    rnd = random.Random(f"planted/{seed}")
    model, batches = graphs.RandomGraph(rnd).model()
    batches = [{name: array[index] for name, array in batches.items()} for index in range(3)]
    count, missed = 0, []
    with tempfile.TemporaryDirectory(prefix="fp8c-soak-") as folder:
        path, other_path = os.path.join(folder, "m.onnx"), os.path.join(folder, "other.onnx")
        onnx.save(model, path)
        session = graphs.session(path, False)
        names = [output.name for output in session.get_outputs()]
        expected = [session.run(names, batch) for batch in batches]
        flags = rnd.choice(FLAGS)
        ended = run([fp8c, "quantize", "m.onnx", "-o", "o.onnx", "--scale-method", "unit_scale", *flags], folder)
        for _ in range(TRIES):
            other, what = planted(rnd, model)
            if not what:
                continue
            onnx.save(other, other_path)
            if not is_another(other_path, names, batches, expected):
                continue
            count += 1
            for written in ["m.onnx"] + (["o.onnx"] if ended.status == 0 else []):
                proof = run([fp8c, "verify", "other.onnx", written], folder)
                fault = proof.fault({1, 65})
                if fault:
                    os.makedirs(found, exist_ok=True)
                    shutil.copy(other_path, os.path.join(found, f"planted-{seed}.onnx"))
                    missed.append(f"planted {seed}: {what}, {' '.join(flags)}: verify of {written} {fault}")
    return count, missed


def faults(options, group, count):
    """Plants faults into `count` graphs; gives how many, and those that `verify` did not see."""
    found_folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "found")
    jobs = ((options.fp8c, f"{options.seed}.{index}", found_folder) for index in range(count))
    total, missed = 0, []
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for number, faults in pool.map(one, jobs, chunksize=4):
            total += number
            missed += faults
    return f"{total} faults with another meaning in {count} graphs", missed

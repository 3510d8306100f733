#!/usr/bin/env python3
"""Writes golden/models/probes: small graphs that tools for FP8 get wrong, and batches for them.

    make_probes.py [--out golden/models/probes]

Needs onnx and numpy. Each is a product, a Relu and a product, or what its name says instead; see README.md
there. With the versions named there the files come out byte for byte the same.
"""
import argparse
import os

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

PROBES = {}


def probe(function):
    PROBES[function.__name__] = function
    return function


def normal(seed, *shape, deviation=0.2):
    return (np.random.default_rng(seed).standard_normal(shape) * deviation).astype(np.float32)


def weight(name, array):
    return numpy_helper.from_array(array, name)


def value(name, shape, element=T.FLOAT):
    return h.make_tensor_value_info(name, element, shape)


W1, W2 = normal(1, 16, 32), normal(2, 32, 8)
X = {"x": normal(3, 3, 4, 16, deviation=1.0)}


def model(nodes, weights, inputs=None, outputs=None, opset=21, domains=(), functions=()):
    graph = h.make_graph(
        nodes, "probe", inputs or [value("x", [4, 16])], outputs or [value("y", [4, 8])], weights)
    opsets = [h.make_opsetid("", opset)] + [h.make_opsetid(domain, 1) for domain in domains]
    version = 8 if opset < 19 else 10 if opset < 23 else 11
    return h.make_model(
        graph, opset_imports=opsets, ir_version=version, producer_name="probes", functions=functions)


def layers(first="w1", second="w2", names=("fc1", "relu", "fc2")):
    return [
        h.make_node("MatMul", ["x", first], ["a"], names[0]), h.make_node("Relu", ["a"], ["b"], names[1]),
        h.make_node("MatMul", ["b", second], ["y"], names[2])]


def weights(first=W1, second=W2):
    return [weight("w1", first), weight("w2", second)]


@probe
def plain():
    return model(layers(), weights()), X


@probe
def function():
    body = h.make_function(
        "local", "MLP", ["x", "w1", "w2"], ["y"], layers(), [h.make_opsetid("", 21)])
    call = h.make_node("MLP", ["x", "w1", "w2"], ["y"], "mlp", domain="local")
    return model([call], weights(), domains=["local"], functions=[body]), X


@probe
def if_branches():
    def branch(name):
        return h.make_graph(
            [h.make_node("MatMul", ["b", name], [f"{name}_y"], f"fc_{name}")], name, [],
            [value(f"{name}_y", [4, 8])], [weight(name, normal(4 if name == "then" else 5, 32, 8))])

    nodes = layers()[:2] + [
        h.make_node("If", ["flag"], ["y"], "if", then_branch=branch("then"), else_branch=branch("else"))]
    return (
        model(nodes, weights()[:1], [value("x", [4, 16]), value("flag", [], T.BOOL)]),
        X | {"flag": np.array([True, False, True])})


@probe
def shared_weight():
    nodes = layers("w", "w")
    return model(nodes, [weight("w", normal(6, 16, 16))], outputs=[value("y", [4, 16])]), X


@probe
def tied_embedding():
    nodes = [
        h.make_node("Gather", ["embed", "ids"], ["e"], "embed"),
        h.make_node("MatMul", ["e", "w"], ["a"], "fc"), h.make_node("Relu", ["a"], ["b"], "relu"),
        h.make_node("Transpose", ["embed"], ["t"], "tie", perm=[1, 0]),
        h.make_node("MatMul", ["b", "t"], ["y"], "lm_head")]
    ids = np.random.default_rng(7).integers(0, 24, (3, 2, 5))
    return (
        model(
            nodes, [weight("embed", normal(8, 24, 16)), weight("w", normal(9, 16, 16))],
            [value("ids", [2, 5], T.INT64)], [value("y", [2, 5, 24])]),
        {"ids": ids})


@probe
def metadata():
    proto = model(layers(), weights())
    proto.doc_string, proto.domain, proto.model_version = "doc of the model", "example.org", 7
    proto.metadata_props.add(key="licence", value="metadata of the model")
    proto.graph.doc_string = "doc of the graph"
    for node in proto.graph.node:
        node.doc_string = f"doc of {node.name}"
        node.metadata_props.add(key="example.org/note", value=f"metadata of {node.name}")
    return proto, X


@probe
def constant_nodes():
    nodes = [
        h.make_node("Constant", [], [name], f"make_{name}", value=weight(name, array))
        for name, array in (("w1", W1), ("w2", W2))]
    return model(nodes + layers(), []), X


@probe
def unnamed():
    return model(layers(names=("", "", "")), weights()), X


@probe
def half():
    return (
        model(
            layers(), weights(W1.astype(np.float16), W2.astype(np.float16)),
            [value("x", [4, 16], T.FLOAT16)], [value("y", [4, 8], T.FLOAT16)]),
        {"x": X["x"].astype(np.float16)})


@probe
def opset13():
    return model(layers(), weights(), opset=13), X


@probe
def zero_weight():
    return model(layers(), weights(np.zeros_like(W1))), X


@probe
def zero_channel():
    first = W1.copy()
    first[:, 5] = 0
    return model(layers(), weights(first)), X


@probe
def nan_weight():
    first = W1.copy()
    first[1, 3] = first[2, 0] = np.nan
    return model(layers(), weights(first)), X


@probe
def inf_weight():
    second = W2.copy()
    second[3, 1] = -np.inf
    return model(layers(), weights(second=second)), X


@probe
def custom_operator():
    nodes = layers()
    nodes[1] = h.make_node("Swish", ["a"], ["b"], "swish", domain="com.example", beta=0.5)
    return model(nodes, weights(), domains=["com.example"]), X


@probe
def attention():
    nodes = [h.make_node("MatMul", ["x", f"w_{part}"], [part], f"self_attn.{part}_proj") for part in "qkv"]
    nodes += [
        h.make_node("Attention", ["q", "k", "v"], ["a"], "self_attn.attention", q_num_heads=2, kv_num_heads=2),
        h.make_node("MatMul", ["a", "w_o"], ["y"], "self_attn.o_proj")]
    return (
        model(
            nodes, [weight(f"w_{part}", normal(10 + at, 16, 16)) for at, part in enumerate("qkvo")],
            [value("x", [2, 5, 16])], [value("y", [2, 5, 16])], opset=23),
        {"x": normal(14, 3, 2, 5, 16, deviation=1.0)})


@probe
def excluded():
    return model(layers(), weights()), X


def main(out):
    os.makedirs(out, exist_ok=True)
    for name, function in PROBES.items():
        proto, batches = function()
        if name != "custom_operator":
            onnx.checker.check_model(proto, full_check=True)
        onnx.save(proto, os.path.join(out, f"{name}.onnx"))
        np.savez(os.path.join(out, f"{name}.npz"), **batches)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="golden/models/probes")
    main(parser.parse_args().out)

#!/usr/bin/env python3
"""Writes the models that are timed: real shapes and random weights, the same bytes every time.

    make_models.py FOLDER [NAME...]

A model that is already there is left alone.
"""

import os
import sys

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

OPSET = 18


class Graph:
    """A graph that is being built; weights are written as they come."""

    def __init__(self, path, element=TensorProto.FLOAT, external=False):
        self.path = path
        self.element = element
        self.dtype = {TensorProto.FLOAT: np.float32, TensorProto.BFLOAT16: ml_dtypes.bfloat16}[element]
        self.random = np.random.default_rng(len(os.path.basename(path)))
        self.nodes, self.weights, self.inputs, self.outputs = [], {}, [], []
        self.data = open(path + ".data", "wb") if external else None

    def input(self, name, shape, element=None):
        self.inputs.append(helper.make_tensor_value_info(name, element or self.element, shape))
        return name

    def output(self, name, shape, element=None):
        self.outputs.append(helper.make_tensor_value_info(name, element or self.element, shape))

    def weight(self, name, array):
        """A weight of the given values; large ones go to the data file, where there is one."""
        tensor = TensorProto(name=name, dims=array.shape)
        tensor.data_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        content = np.ascontiguousarray(array).tobytes()
        if self.data is None or len(content) < 1024:
            tensor.raw_data = content
        else:
            self.data.write(bytes(-self.data.tell() % 4096))
            tensor.data_location = TensorProto.EXTERNAL
            place = {"location": os.path.basename(self.data.name), "offset": self.data.tell(), "length": len(content)}
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
            self.data.write(content)
        self.weights[name] = tensor
        return name

    def gaussian(self, name, *shape, deviation):
        """Normal numbers; rows repeat after 256 with another factor, which is quick to make."""
        rows = shape[0]
        block = self.random.standard_normal((min(rows, 256), *shape[1:]), dtype=np.float32) * np.float32(deviation)
        copies = -(-rows // len(block))
        factors = self.random.uniform(0.5, 1.5, (copies,) + (1,) * block.ndim).astype(np.float32)
        return self.weight(name, (block * factors).reshape(-1, *shape[1:])[:rows].astype(self.dtype))

    def constant(self, name, value, dtype=np.int64):
        return name if name in self.weights else self.weight(name, np.array(value, dtype))

    def node(self, kind, inputs, name, outputs=None, **attributes):
        outputs = outputs or [name.strip("/").replace("/", ".") + ".out"]
        self.nodes.append(helper.make_node(kind, inputs, outputs, name, **attributes))
        return outputs[0]

    def save(self):
        graph = helper.make_graph(
            self.nodes, os.path.basename(self.path)[: -len(".onnx")], self.inputs, self.outputs, self.weights.values()
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        onnx.save_model(model, self.path)
        if self.data:
            self.data.close()


def llama_1b(path):
    """1.1 billion parameters in bfloat16 beside the model: grouped queries, rotary positions, caches."""
    hidden, inner, layers, heads, groups, vocabulary, positions = 2048, 5632, 22, 32, 4, 32000, 2048
    width = hidden // heads
    g = Graph(path, TensorProto.BFLOAT16, external=True)

    def rms_norm(x, scope):
        wide = g.node("Cast", [x], f"{scope}/Cast", to=TensorProto.FLOAT)
        square = g.node("Mul", [wide, wide], f"{scope}/Mul")
        mean = g.node("ReduceMean", [square, g.constant("last", [-1])], f"{scope}/ReduceMean")
        safe = g.node("Add", [mean, g.constant("epsilon", 1e-5, np.float32)], f"{scope}/Add")
        unit = g.node("Div", [wide, g.node("Sqrt", [safe], f"{scope}/Sqrt")], f"{scope}/Div")
        narrow = g.node("Cast", [unit], f"{scope}/Cast_1", to=g.element)
        gain = 1 + 0.1 * g.random.standard_normal(hidden)
        weight = g.weight(scope.strip("/").replace("/", ".") + ".weight", gain.astype(g.dtype))
        return g.node("Mul", [narrow, weight], f"{scope}/Mul_1")

    def linear(x, scope, rows, columns):
        weight = scope.strip("/").replace("/", ".") + ".weight"
        return g.node("MatMul", [x, g.gaussian(weight, rows, columns, deviation=rows**-0.5)], f"{scope}/MatMul")

    def split_heads(x, scope, count):
        shape = g.constant(f"heads_{count}", [0, 0, count, width])
        return g.node("Transpose", [g.node("Reshape", [x, shape], f"{scope}/Reshape")], f"{scope}/Transpose", perm=[0, 2, 1, 3])

    def rotate(x, scope):
        first, second = f"{scope}.first", f"{scope}.second"
        g.node("Split", [x], f"{scope}/Split", [first, second], axis=-1, num_outputs=2)
        turned = g.node("Concat", [g.node("Neg", [second], f"{scope}/Neg"), first], f"{scope}/Concat", axis=-1)
        along = g.node("Mul", [x, cosines], f"{scope}/Mul")
        return g.node("Add", [along, g.node("Mul", [turned, sines], f"{scope}/Mul_1")], f"{scope}/Add")

    tokens = g.input("input_ids", ["batch", "sequence"], TensorProto.INT64)
    places = g.input("position_ids", ["batch", "sequence"], TensorProto.INT64)
    mask = g.input("attention_mask", ["batch", 1, "sequence", "total"])
    table = g.gaussian("model.embed_tokens.weight", vocabulary, hidden, deviation=0.02)
    x = g.node("Gather", [table, tokens], "/model/embed_tokens/Gather")
    angles = np.tile(np.outer(np.arange(positions), 10000.0 ** (-np.arange(0, width, 2) / width)), 2)
    turns = []
    for name, function in (("cosine", np.cos), ("sine", np.sin)):
        rows = g.node("Gather", [g.weight(name, function(angles).astype(g.dtype)), places], f"/model/rotary/{name}/Gather")
        turns.append(g.node("Unsqueeze", [rows, g.constant("heads_axis", [1])], f"/model/rotary/{name}/Unsqueeze"))
    cosines, sines = turns
    for layer in range(layers):
        scope = f"/model/layers.{layer}"
        attention = f"{scope}/self_attn"
        normal = rms_norm(x, f"{scope}/input_layernorm")
        query = rotate(split_heads(linear(normal, f"{attention}/q_proj", hidden, hidden), f"{attention}/q", heads), f"{attention}/q_rotary")
        key = rotate(split_heads(linear(normal, f"{attention}/k_proj", hidden, groups * width), f"{attention}/k", groups), f"{attention}/k_rotary")
        value = split_heads(linear(normal, f"{attention}/v_proj", hidden, groups * width), f"{attention}/v", groups)
        shared = []
        for name, new in (("key", key), ("value", value)):
            shape = ["batch", groups, "past", width]
            past, present = g.input(f"past.{layer}.{name}", shape), f"present.{layer}.{name}"
            g.node("Concat", [past, new], f"{attention}/Concat_{name}", [present], axis=2)
            g.output(present, ["batch", groups, "total", width])
            tall = g.node("Unsqueeze", [present, g.constant("repeat_axis", [2])], f"{attention}/{name}/Unsqueeze")
            wide = g.node("Expand", [tall, g.constant("repeats", [1, 1, heads // groups, 1, 1])], f"{attention}/{name}/Expand")
            shared.append(g.node("Reshape", [wide, g.constant("all_heads", [0, heads, -1, width])], f"{attention}/{name}/Reshape"))
        turned = g.node("Transpose", [shared[0]], f"{attention}/Transpose", perm=[0, 1, 3, 2])
        scores = g.node("MatMul", [query, turned], f"{attention}/MatMul")
        scaled = g.node("Mul", [scores, g.constant("inverse_root", width**-0.5, g.dtype)], f"{attention}/Mul")
        weights = g.node("Softmax", [g.node("Add", [scaled, mask], f"{attention}/Add")], f"{attention}/Softmax", axis=-1)
        mixed = g.node("MatMul", [weights, shared[1]], f"{attention}/MatMul_1")
        flat = g.node("Transpose", [mixed], f"{attention}/Transpose_1", perm=[0, 2, 1, 3])
        flat = g.node("Reshape", [flat, g.constant("flat", [0, 0, hidden])], f"{attention}/Reshape")
        x = g.node("Add", [x, linear(flat, f"{attention}/o_proj", hidden, hidden)], f"{scope}/Add")
        normal = rms_norm(x, f"{scope}/post_attention_layernorm")
        gate = linear(normal, f"{scope}/mlp/gate_proj", hidden, inner)
        gate = g.node("Mul", [gate, g.node("Sigmoid", [gate], f"{scope}/mlp/Sigmoid")], f"{scope}/mlp/Mul")
        gated = g.node("Mul", [gate, linear(normal, f"{scope}/mlp/up_proj", hidden, inner)], f"{scope}/mlp/Mul_1")
        x = g.node("Add", [x, linear(gated, f"{scope}/mlp/down_proj", inner, hidden)], f"{scope}/Add_1")
    logits = linear(rms_norm(x, "/model/norm"), "/lm_head", hidden, vocabulary)
    g.output(logits, ["batch", "sequence", vocabulary])
    g.save()


def residual_network(path, counts, bottleneck):
    """The layers of He et al. 2016, table 1, with normalizations folded into the convolutions."""
    g = Graph(path)

    def convolve(x, name, channels, filters, size, stride=1, relu=True):
        weight = g.gaussian(f"{name}.weight", filters, channels, size, size, deviation=(2 / (channels * size * size)) ** 0.5)
        bias = g.gaussian(f"{name}.bias", filters, deviation=0.1)
        scope = "/" + name.replace(".", "/")
        pads = [size // 2] * 4
        x = g.node("Conv", [x, weight, bias], f"{scope}/Conv", kernel_shape=[size, size], strides=[stride] * 2, pads=pads)
        return g.node("Relu", [x], f"{scope}/Relu") if relu else x

    x = convolve(g.input("x", ["batch", 3, 224, 224]), "conv1", 3, 64, 7, 2)
    x = g.node("MaxPool", [x], "/maxpool/MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for stage, count in enumerate(counts):
        width = 64 << stage
        filters = 4 * width if bottleneck else width
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            if bottleneck:
                y = convolve(x, f"{name}.conv1", channels, width, 1)
                y = convolve(y, f"{name}.conv2", width, width, 3, stride)
                y = convolve(y, f"{name}.conv3", width, filters, 1, relu=False)
            else:
                y = convolve(x, f"{name}.conv1", channels, width, 3, stride)
                y = convolve(y, f"{name}.conv2", width, width, 3, relu=False)
            if channels != filters or stride != 1:
                x = convolve(x, f"{name}.downsample", channels, filters, 1, stride, relu=False)
            channels = filters
            scope = "/" + name.replace(".", "/")
            x = g.node("Relu", [g.node("Add", [x, y], f"{scope}/Add")], f"{scope}/Relu")
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x], "/avgpool/GlobalAveragePool")], "/Flatten")
    weight = g.gaussian("fc.weight", 1000, channels, deviation=channels**-0.5)
    x = g.node("Gemm", [x, weight, g.gaussian("fc.bias", 1000, deviation=0.1)], "/fc/Gemm", transB=1)
    g.output(x, ["batch", 1000])
    g.save()


def resnet18(path):
    residual_network(path, [2, 2, 2, 2], bottleneck=False)


def resnet50(path):
    residual_network(path, [3, 4, 6, 3], bottleneck=True)


def bert_base(path):
    """The encoder of Devlin et al. 2019: 12 layers of 768."""
    hidden, inner, layers, heads, vocabulary, positions = 768, 3072, 12, 12, 30522, 512
    g = Graph(path)

    def linear(x, scope, rows, columns):
        name = scope.strip("/").replace("/", ".")
        weight = g.gaussian(f"{name}.weight", rows, columns, deviation=rows**-0.5)
        product = g.node("MatMul", [x, weight], f"{scope}/MatMul")
        return g.node("Add", [g.gaussian(f"{name}.bias", columns, deviation=0.02), product], f"{scope}/Add")

    def normalize(x, scope):
        name = scope.strip("/").replace("/", ".")
        gain = g.weight(f"{name}.weight", np.ones(hidden, np.float32))
        bias = g.weight(f"{name}.bias", np.zeros(hidden, np.float32))
        return g.node("LayerNormalization", [x, gain, bias], f"{scope}/LayerNormalization", axis=-1)

    def split_heads(x, scope, order):
        x = g.node("Reshape", [x, g.constant("heads", [0, 0, heads, hidden // heads])], f"{scope}/Reshape")
        return g.node("Transpose", [x], f"{scope}/Transpose", perm=order)

    tokens = g.input("input_ids", ["batch", 128], TensorProto.INT64)
    words = g.node("Gather", [g.gaussian("embeddings.words", vocabulary, hidden, deviation=0.02), tokens], "/embeddings/words/Gather")
    places = g.gaussian("embeddings.positions", positions, hidden, deviation=0.02)
    places = g.node("Gather", [places, g.constant("places", range(128))], "/embeddings/positions/Gather")
    x = normalize(g.node("Add", [words, places], "/embeddings/Add"), "/embeddings/LayerNorm")
    for layer in range(layers):
        scope = f"/encoder/layer.{layer}"
        attention = f"{scope}/attention/self"
        query = split_heads(linear(x, f"{attention}/query", hidden, hidden), f"{attention}/q", [0, 2, 1, 3])
        key = split_heads(linear(x, f"{attention}/key", hidden, hidden), f"{attention}/k", [0, 2, 3, 1])
        value = split_heads(linear(x, f"{attention}/value", hidden, hidden), f"{attention}/v", [0, 2, 1, 3])
        scores = g.node("MatMul", [query, key], f"{attention}/MatMul")
        scores = g.node("Div", [scores, g.constant("root", (hidden / heads) ** 0.5, np.float32)], f"{attention}/Div")
        weights = g.node("Softmax", [scores], f"{attention}/Softmax", axis=-1)
        mixed = g.node("Transpose", [g.node("MatMul", [weights, value], f"{attention}/MatMul_1")], f"{attention}/Transpose", perm=[0, 2, 1, 3])
        mixed = g.node("Reshape", [mixed, g.constant("flat", [0, 0, hidden])], f"{attention}/Reshape")
        output = linear(mixed, f"{scope}/attention/output/dense", hidden, hidden)
        x = normalize(g.node("Add", [output, x], f"{scope}/attention/output/Add"), f"{scope}/attention/output/LayerNorm")
        y = linear(x, f"{scope}/intermediate/dense", hidden, inner)
        error = g.node("Erf", [g.node("Div", [y, g.constant("root_2", 2**0.5, np.float32)], f"{scope}/intermediate/Div")], f"{scope}/intermediate/Erf")
        error = g.node("Add", [error, g.constant("one", 1, np.float32)], f"{scope}/intermediate/Add")
        y = g.node("Mul", [g.node("Mul", [y, error], f"{scope}/intermediate/Mul"), g.constant("half", 0.5, np.float32)], f"{scope}/intermediate/Mul_1")
        y = linear(y, f"{scope}/output/dense", inner, hidden)
        x = normalize(g.node("Add", [y, x], f"{scope}/output/Add"), f"{scope}/output/LayerNorm")
    g.output(x, ["batch", 128, hidden])
    g.save()


def varint(number):
    content = bytearray()
    while number > 127:
        content.append(number & 127 | 128)
        number >>= 7
    return bytes(content) + bytes([number])


def inline_3g(path):
    """Three linear layers of 1 GiB each in one file, above what protobuf itself reads."""
    rows, columns = 16384, 16384
    block = (np.random.default_rng(3).standard_normal(1 << 20, dtype=np.float32) / 128).tobytes()
    length = 4 * rows * columns
    nodes = [helper.make_node("MatMul", ["x" if i == 0 else f"h{i}", f"w{i}"], [f"h{i + 1}"], f"/fc{i}/MatMul") for i in range(3)]
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", rows])] for name in ("x", "h3")]
    model = helper.make_model(helper.make_graph(nodes, "inline", *ends), opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    graph = model.graph.SerializeToString()
    model.ClearField("graph")
    heads = []
    for i in range(3):
        tensor = TensorProto(name=f"w{i}", dims=[rows, columns], data_type=TensorProto.FLOAT).SerializeToString()
        heads.append(tensor + varint(9 << 3 | 2) + varint(length))  # raw_data
    heads = [varint(5 << 3 | 2) + varint(len(head) + length) + head for head in heads]  # initializer
    with open(path, "wb") as file:
        file.write(model.SerializeToString() + varint(7 << 3 | 2))  # graph
        file.write(varint(len(graph) + sum(map(len, heads)) + 3 * length) + graph)
        for head in heads:
            file.write(head)
            for _ in range(length // len(block)):
                file.write(block)


def sparse_100g(path):
    """Twenty-five linear layers of 4 GiB each, in a data file that is all hole but for a MiB of each."""
    rows, columns, layers = 16384, 65536, 25
    length = 4 * rows * columns
    nodes, weights = [], []
    for i in range(layers):
        weight = TensorProto(name=f"w{i}", dims=[rows, columns], data_type=TensorProto.FLOAT)
        weight.data_location = TensorProto.EXTERNAL
        place = {"location": os.path.basename(path) + ".data", "offset": i * length, "length": length}
        for key, value in place.items():
            weight.external_data.add(key=key, value=str(value))
        weights.append(weight)
        nodes.append(helper.make_node("MatMul", ["x", f"w{i}"], [f"y{i}"], f"/fc{i}/MatMul"))
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", rows])]
    ends = ends, [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, ["batch", columns]) for i in range(layers)]
    graph = helper.make_graph(nodes, "sparse", *ends, weights)
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10), path)
    block = (np.random.default_rng(4).standard_normal(1 << 18, dtype=np.float32) / 128).tobytes()
    with open(path + ".data", "wb") as file:
        file.truncate(layers * length)
        for i in range(layers):
            file.seek(i * length + (1 << 30))
            file.write(block)


def chain(path, count):
    """A graph of `count` nodes and hardly any weights: convolutions, one behind the other."""
    g = Graph(path)
    g.gaussian("w", 8, 8, 1, 1, deviation=0.3)
    g.input("x", ["batch", 8, 4, 4])
    for i in range(count):
        output = "y" if i == count - 1 else f"h{i}"
        g.node("Conv", ["x" if i == 0 else f"h{i - 1}", "w"], f"/layers.{i}/Conv", [output], kernel_shape=[1, 1])
    g.output("y", ["batch", 8, 4, 4])
    g.save()


def chain_100k(path):
    chain(path, 100_000)


def chain_200k(path):
    chain(path, 200_000)


MODELS = [llama_1b, resnet18, resnet50, bert_base, inline_3g, sparse_100g, chain_100k, chain_200k]


def main():
    folder, names = sys.argv[1], sys.argv[2:]
    os.makedirs(folder, exist_ok=True)
    for write in MODELS:
        path = os.path.join(folder, write.__name__ + ".onnx")
        if (not names or write.__name__ in names) and not os.path.exists(path):
            write(path)


if __name__ == "__main__":
    main()

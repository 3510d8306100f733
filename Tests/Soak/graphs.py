"""Random valid graphs, compiled and compared with their sources in ONNX Runtime.

A graph mixes what is quantized (products, convolutions, attention, in several spellings) with what is not, in an opset
and an IR version of the seed's choice, with symbolic sizes, ties, local functions, bodies of If, constants as nodes, and
elements in typed lists or in a data file. Every graph is one that onnx.checker takes and ONNX Runtime runs.
"""

import math
import os
import random
import shutil
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from runner import run

# What FP8 must keep, in dB: this much, or where a graph magnifies small errors as much less as it does with noise on its
# constants and inputs that is twice what rounding to E4M3 makes (its error is 2^-5.3 of a number, root mean square). One
# draw says little of a graph that magnifies: the worst of several counts.
LEAST_DECIBELS = 15.0
NOISE = 2**-4.3
DRAWS = 12
MARGIN = 15.0
DYNAMIC_METHODS = ("maxabs_pow2", "maxabs_arbitrary", "act_maxabs_pcs_pow2_weight_maxabs_pts_pow2_hw")
METHODS = ("maxabs_hw", "maxabs_pow2", "maxabs_arbitrary", "act_maxabs_hw_weights_pcs_maxabs_pow2",
           "act_maxabs_pow2_weights_pcs_opt_pow2", "maxabs_hw_opt_weight")


class RandomGraph:
    """Builds one graph. Values are (name, shape); shapes are lists of numbers, the first axis the batch."""

    def __init__(self, rnd):
        self.rnd = rnd
        self.numbers = np.random.default_rng(rnd.randrange(1 << 32))
        self.opset = rnd.choice((11, 13, 14, 17, 18, 19, 21, 22, 23))
        self.nodes, self.initializers, self.values = [], [], []
        self.functions, self.ties, self.count = [], [], 0
        self.batch = rnd.choice((1, 2, 3))
        self.is_symbolic = rnd.random() < 0.5

    # Names and constants

    def name(self, stem):
        self.count += 1
        style = self.rnd.randrange(3)
        return f"{stem}_{self.count}" if style else f"/layer.{self.count}/{stem}"

    def weight(self, shape, spread, stem="weight"):
        if self.ties and self.rnd.random() < 0.2:
            for name, tied in self.ties:
                if tied == list(shape):
                    return name
        array = (self.numbers.standard_normal(shape) * spread).astype(np.float32)
        name = self.name(stem)
        if self.rnd.random() < 0.15:
            self.nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name + ".value")))
        elif self.rnd.random() < 0.2:
            self.initializers.append(helper.make_tensor(name, TensorProto.FLOAT, array.shape, array.ravel().tolist()))
        else:
            self.initializers.append(numpy_helper.from_array(array, name))
        self.ties.append((name, list(shape)))
        return name

    def integers(self, numbers, stem="sizes"):
        name = self.name(stem)
        self.initializers.append(numpy_helper.from_array(np.array(numbers, np.int64), name))
        return name

    def node(self, op, inputs, shape, domain="", **attributes):
        output = self.name(op.lower())
        self.nodes.append(
            helper.make_node(op, inputs, [output], name=self.name(op) if self.rnd.random() < 0.8 else "", domain=domain,
                             **attributes))
        value = (output, list(shape))
        self.values.append(value)
        return value

    def some(self, rank=None):
        fitting = [value for value in self.values if rank is None or len(value[1]) == rank]
        return self.rnd.choice(fitting[-6:]) if fitting else None

    # What is quantized

    def linear(self):
        value = self.some(self.rnd.choice((2, 3)))
        if not value:
            return
        name, shape = value
        depth, width = shape[-1], self.rnd.choice((4, 8, 12, 16))
        spread = 1 / math.sqrt(depth)
        kind = self.rnd.randrange(4)
        if kind == 0 and len(shape) == 2:
            transposes = self.rnd.randrange(2)
            weight = self.weight((width, depth) if transposes else (depth, width), spread)
            inputs = [name, weight] + ([self.weight((width,), 0.1, "bias")] if self.rnd.random() < 0.7 else [])
            attributes = {"transB": transposes} if transposes or self.rnd.random() < 0.5 else {}
            if self.rnd.random() < 0.3:
                attributes["alpha"] = self.rnd.choice((0.5, 1.5))
                attributes["beta"] = self.rnd.choice((0.25, 2.0))
            if self.rnd.random() < 0.2:
                inputs[0] = self.node("Transpose", [name], shape[::-1], perm=[1, 0])[0]
                attributes["transA"] = 1
            self.node("Gemm", inputs, [shape[0], width], **attributes)
        elif kind == 1:
            weight = self.weight((width, depth), spread)
            turned = self.name("turned")
            self.nodes.append(helper.make_node("Transpose", [weight], [turned], perm=[1, 0]))
            self.node("MatMul", [name, turned], shape[:-1] + [width])
        elif kind == 2 and len(shape) == 2:
            # The constant on the left: rows are the outputs.
            flipped = self.node("Transpose", [name], shape[::-1], perm=[1, 0])
            product = self.node("MatMul", [self.weight((width, depth), spread), flipped[0]], [width, shape[0]])
            self.node("Transpose", [product[0]], [shape[0], width], perm=[1, 0])
        else:
            product = self.node("MatMul", [name, self.weight((depth, width), spread)], shape[:-1] + [width])
            if self.rnd.random() < 0.6:
                self.node("Add", [product[0], self.weight((width,), 0.1, "bias")], shape[:-1] + [width])

    def function(self):
        """A call of a local function that is a linear layer, or calls of one that holds its weights too."""
        value = self.some(2)
        if not value:
            return
        name, shape = value
        if self.rnd.random() < 0.5:
            return self.layers(name, shape)
        depth, width = shape[-1], self.rnd.choice((4, 8))
        op = f"Dense{len(self.functions)}"
        body = [helper.make_node("MatMul", ["a", "w"], ["product"], name="inner"),
                helper.make_node("Add", ["product", "b"], ["sum"])]
        self.functions.append(
            helper.make_function("local", op, ["a", "w", "b"], ["sum"], body, [helper.make_opsetid("", self.opset)]))
        weight = self.weight((depth, width), 1 / math.sqrt(depth))
        self.node(op, [name, weight, self.weight((width,), 0.1, "bias")], [shape[0], width], domain="local")

    def layers(self, name, shape):
        """Calls that follow each other of a function with constants of its own, which are moved or not."""
        depth, op = shape[-1], f"Layer{len(self.functions)}"
        array = (self.numbers.standard_normal((depth, depth)) / math.sqrt(depth)).astype(np.float32)
        body = [helper.make_node("Constant", [], ["weight"], value=numpy_helper.from_array(array))]
        read = "weight"
        for _ in range(self.rnd.randrange(3)):
            body.append(helper.make_node("Transpose", [read], [f"{read}_t"], perm=[1, 0]))
            read += "_t"
        body.append(helper.make_node("MatMul", ["a", read], ["product"], name=self.rnd.choice(("", "inner"))))
        body.append(helper.make_node(self.rnd.choice(("Relu", "Tanh", "Identity")), ["product"], ["y"]))
        self.functions.append(
            helper.make_function("local", op, ["a"], ["y"], body, [helper.make_opsetid("", self.opset)]))
        for _ in range(self.rnd.randrange(1, 4)):
            name, _ = self.node(op, [name], shape, domain="local")

    def convolution(self):
        value = self.some(4)
        if not value:
            return
        name, (batch, channels, height, width) = value
        group = self.rnd.choice([1, channels] if channels > 1 else [1])
        outputs = channels if group > 1 else self.rnd.choice((2, 4, 6))
        kernel = self.rnd.choice((1, 3))
        if min(height, width) < kernel:
            return
        stride, dilation = self.rnd.choice((1, 1, 2)), self.rnd.choice((1, 1, 1, 2))
        extent = (kernel - 1) * dilation + 1
        if min(height, width) < extent:
            return
        spread = 1 / math.sqrt(channels // group * kernel * kernel)
        inputs = [name, self.weight((outputs, channels // group, kernel, kernel), spread)]
        if self.rnd.random() < 0.6:
            inputs.append(self.weight((outputs,), 0.1, "bias"))
        attributes = {"group": group, "strides": [stride] * 2, "dilations": [dilation] * 2}
        if self.rnd.random() < 0.7:
            attributes["kernel_shape"] = [kernel] * 2
        automatic = self.rnd.random() < 0.2
        if automatic and dilation == 1:
            attributes["auto_pad"] = self.rnd.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
            pads = None
            if attributes["auto_pad"] == "VALID":
                sizes = [(size - extent) // stride + 1 for size in (height, width)]
            else:
                sizes = [-(-size // stride) for size in (height, width)]
        else:
            pads = [self.rnd.randrange(2) if kernel > 1 else 0 for _ in range(4)]
            if self.rnd.random() < 0.5:
                pads = pads[:1] * 4
            sizes = [(size + pads[axis] + pads[axis + 2] - extent) // stride + 1 for axis, size in enumerate((height, width))]
            if any(pads) or self.rnd.random() < 0.5:
                attributes["pads"] = pads
        self.node("Conv", inputs, [batch, outputs] + sizes, **attributes)

    def pool(self):
        value = self.some(4)
        if not value:
            return
        name, (batch, channels, height, width) = value
        if min(height, width) < 2:
            return
        op = self.rnd.choice(("MaxPool", "AveragePool", "GlobalAveragePool"))
        if op == "GlobalAveragePool":
            self.node(op, [name], [batch, channels, 1, 1])
        else:
            pads = [self.rnd.randrange(2) for _ in range(4)]
            sizes = [size + pads[axis] + pads[axis + 2] - 1 for axis, size in enumerate((height, width))]
            self.node(op, [name], [batch, channels] + sizes, kernel_shape=[2, 2], pads=pads)

    def attention(self):
        value = self.some(3)
        if not value:
            return
        name, (batch, length, depth) = value
        parts = [self.node("MatMul", [name, self.weight((depth, depth), 1 / math.sqrt(depth))], [batch, length, depth])
                 for _ in range(3)]
        keys = self.node("Transpose", [parts[1][0]], [batch, depth, length], perm=[0, 2, 1])
        scores = self.node("MatMul", [parts[0][0], keys[0]], [batch, length, length])
        factor = self.weight((), 1 / math.sqrt(depth), "factor")
        scaled = self.node("Mul", [scores[0], factor], scores[1])
        axis = {"axis": -1 if self.opset >= 13 else 2} if self.opset < 13 or self.rnd.random() < 0.7 else {}
        shares = self.node("Softmax", [scaled[0]], scores[1], **axis)
        self.node("MatMul", [shares[0], parts[2][0]], [batch, length, depth])

    def branch(self):
        """An If whose branches each hold a linear layer of what they capture."""
        value = self.some(2)
        if not value:
            return
        name, shape = value
        if self.rnd.random() < 0.5:
            name = self.node("Mul", [name, self.bound(1.25)], shape)[0]
        width = self.rnd.choice((4, 8))
        condition = self.name("condition")
        self.initializers.append(numpy_helper.from_array(np.array(self.rnd.random() < 0.5), condition))
        bodies = []
        for _ in range(2):
            result, inner = self.name("inner"), self.name("w")
            array = (self.numbers.standard_normal((shape[-1], width)) / math.sqrt(shape[-1])).astype(np.float32)
            bodies.append(helper.make_graph(
                [helper.make_node("MatMul", [name, inner], [result], name=self.name("branch"))], "body", [],
                [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)], [numpy_helper.from_array(array, inner)]))
        output = self.name("if")
        self.nodes.append(helper.make_node("If", [condition], [output], then_branch=bodies[0], else_branch=bodies[1]))
        self.values.append((output, [shape[0], width]))

    # What is not

    def unary(self):
        value = self.some()
        op = self.rnd.choice(("Relu", "Sigmoid", "Tanh", "Identity", "Abs", "Neg", "Erf", "LeakyRelu", "Elu", "Clip"))
        bounds = [self.bound(-1.0), self.bound(1.5)] if op == "Clip" else []
        self.node(op, [value[0]] + bounds, value[1])

    def bound(self, number):
        name = self.name("bound")
        self.initializers.append(numpy_helper.from_array(np.array(number, np.float32), name))
        return name

    def binary(self):
        value = self.some()
        others = [other for other in self.values if other[1] == value[1] and other is not value]
        op = self.rnd.choice(("Add", "Sub", "Mul"))
        if others and self.rnd.random() < 0.6:
            self.node(op, [value[0], self.rnd.choice(others)[0]], value[1])
        else:
            self.node(op, [value[0], self.weight((value[1][-1],), 0.5, "constant")], value[1])

    def normalization(self):
        value = self.some()
        name, shape = value
        if self.opset >= 17 and self.rnd.random() < 0.7:
            width = shape[-1]
            self.node("LayerNormalization", [name, self.weight((width,), 1.0, "gain"), self.weight((width,), 0.1, "bias")],
                      shape, axis=-1)
        else:
            bounded = self.node("Tanh", [name], shape)
            self.node("Mul", [bounded[0], self.weight((), 1.0, "gain")], shape)

    def shape(self):
        value = self.some()
        name, shape = value
        kind = self.rnd.randrange(8)
        if kind == 4 and len(shape) > 2:
            axes, attributes = ([self.integers([1])], {}) if self.opset >= 13 else ([], {"axes": [1]})
            opened = self.node("Unsqueeze", [name] + axes, shape[:1] + [1] + shape[1:], **attributes)
            self.values.pop()
            self.node("Squeeze", [opened[0]] + axes, shape, **attributes)
        elif kind == 5 and shape[-1] >= 4:
            half = shape[-1] // 2
            ends = [self.integers([number]) for number in (half, 2 * half, len(shape) - 1)]
            self.node("Slice", [name] + ends, shape[:-1] + [half])
        elif kind == 6 and shape[-1] >= 2:
            chosen = [self.rnd.randrange(shape[-1]) for _ in range(3)]
            self.node("Gather", [name, self.integers(chosen)], shape[:-1] + [3], axis=len(shape) - 1)
        elif kind == 7:
            amounts = [0] * (2 * len(shape))
            amounts[len(shape) - 1], amounts[-1] = self.rnd.randrange(3), self.rnd.randrange(3)
            padded = shape[-1] + amounts[len(shape) - 1] + amounts[-1]
            self.node("Pad", [name, self.integers(amounts)], shape[:-1] + [padded])
        elif kind == 0 and len(shape) > 2:
            order = [0] + self.rnd.sample(range(1, len(shape)), len(shape) - 1)
            self.node("Transpose", [name], [shape[axis] for axis in order], perm=order)
        elif kind == 1 and len(shape) > 2:
            rest = math.prod(shape[1:])
            self.node("Reshape", [name, self.integers([0, rest])], [shape[0], rest])
        elif kind == 2 and len(shape) == 2 and shape[1] % 4 == 0:
            self.node("Reshape", [name, self.integers([0, 4, shape[1] // 4])], [shape[0], 4, shape[1] // 4])
        elif kind == 3:
            others = [other for other in self.values if other[1][:-1] == shape[:-1]]
            other = self.rnd.choice(others)
            if shape[-1] + other[1][-1] <= 64:
                self.node("Concat", [name, other[0]], shape[:-1] + [shape[-1] + other[1][-1]], axis=len(shape) - 1)

    # The whole

    def model(self):
        inputs = []
        for shape in self.rnd.sample(([8], [16], [5, 8], [4, 12], [3, 9, 9], [2, 8, 8]), self.rnd.randrange(1, 4)):
            name = self.name("input")
            self.values.append((name, [self.batch] + shape))
            first = "batch" if self.is_symbolic else self.batch
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [first] + shape))
        given = list(self.values)
        makers = [self.linear] * 4 + [self.convolution] * 3 + [self.pool, self.attention, self.function, self.branch] + [
            self.unary, self.unary, self.binary, self.binary, self.normalization, self.normalization, self.shape,
            self.shape]
        for _ in range(self.rnd.randrange(3, 16)):
            self.rnd.choice(makers)()
        inner = [node for outer in self.nodes for attribute in outer.attribute for node in attribute.g.node]
        read = {name for node in self.nodes + inner for name in node.input}
        ends = [value for value in self.values if value[0] not in read and value not in given] or [self.some()]
        if ends[0] in given:
            ends = [self.node("Identity", [ends[0][0]], ends[0][1])]
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None if self.rnd.random() < 0.3 else [
            "batch" if self.is_symbolic and axis == 0 and size == self.batch else size for axis, size in enumerate(shape)])
            for name, shape in ends]
        # An output of unknown rank is one that the checker refuses.
        for output, (_, shape) in zip(outputs, ends):
            if not output.type.tensor_type.HasField("shape"):
                for axis, _ in enumerate(shape):
                    output.type.tensor_type.shape.dim.add().dim_param = f"d{axis}"
        graph = helper.make_graph(self.nodes, "random", inputs, outputs, self.initializers)
        imports = [helper.make_opsetid("", self.opset)] + ([helper.make_opsetid("local", 1)] if self.functions else [])
        least = 8 if self.functions else {11: 6, 13: 7, 14: 7, 17: 8, 18: 8, 19: 9, 21: 10, 22: 10, 23: 11}[self.opset]
        model = helper.make_model(graph, opset_imports=imports, functions=self.functions,
                                  ir_version=self.rnd.choice((least, max(least, 9), 11)))
        batches = {name: self.numbers.standard_normal([3] + shape).astype(np.float32) for name, shape in given}
        return model, batches


def session(model, optimizes):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if not optimizes:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def decibels(expected, found):
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    error = ((expected - found) ** 2).sum()
    return math.inf if error == 0 else 10 * math.log10(max((expected**2).sum(), 1e-300) / error)


def noisy(path, inputs, names, expected):
    """The least SQNR of an output where constants and inputs have noise, over several draws of it."""
    numbers = np.random.default_rng(1)
    model = onnx.load(path)
    ratios = []
    for _ in range(DRAWS):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        tensors = list(copy.graph.initializer)
        for node in copy.graph.node:
            for attribute in node.attribute:
                tensors += [attribute.t] if attribute.HasField("t") else []
                tensors += list(attribute.g.initializer)
        for tensor in tensors:
            if tensor.data_type == TensorProto.FLOAT:
                array = numpy_helper.to_array(tensor)
                noise = 1 + NOISE * numbers.standard_normal(array.shape)
                tensor.CopyFrom(numpy_helper.from_array((array * noise).astype(np.float32), tensor.name))
        disturbed = session(copy.SerializeToString(), False)
        for batch, wanted in zip(inputs, expected):
            noise = {name: (array * (1 + NOISE * numbers.standard_normal(array.shape))).astype(np.float32)
                     for name, array in batch.items()}
            ratios += [decibels(left, right) for left, right in zip(wanted, disturbed.run(names, noise))]
    return min(ratios)


def one(job):
    """Compiles the graph of a seed and compares. Gives what is wrong, the worst SQNR of its outputs, and what was asked."""
    fp8c, seed, found = job
    rnd = random.Random(f"graphs/{seed}")
    with tempfile.TemporaryDirectory(prefix="fp8c-soak-") as folder:
        path = os.path.join(folder, "m.onnx")
        fault, worst, least = compared(fp8c, rnd, folder, path)
        if fault:
            os.makedirs(found, exist_ok=True)
            shutil.copy(path, os.path.join(found, f"graphs-{seed}.onnx"))
            fault = f"graphs {seed}: {fault}"
        return fault, worst, least


def compared(fp8c, rnd, folder, path):
    model, batches = RandomGraph(rnd).model()
    if rnd.random() < 0.2:
        onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=128)
    else:
        onnx.save(model, path)
    onnx.checker.check_model(path, full_check=True)
    np.savez(os.path.join(folder, "c.npz"), **batches)
    reference = session(path, False)
    names = [output.name for output in reference.get_outputs()]
    inputs = [{name: array[index] for name, array in batches.items()} for index in range(3)]
    expected = [reference.run(names, batch) for batch in inputs]
    is_dynamic = rnd.random() < 0.2
    with open(os.path.join(folder, "c.json"), "w") as file:
        file.write('{"dynamic_quantization": true}' if is_dynamic else '{"ignore_modules_wo_measures": true}')
    flags = ["--scale-method", rnd.choice(DYNAMIC_METHODS if is_dynamic else METHODS)]
    command = ["quantize"] if is_dynamic else ["compile", "--calibration", "c.npz"]
    if not is_dynamic:
        flags += rnd.choice(([], ["--qdq"]))
    ended = run([fp8c, *command, "m.onnx", "-o", "o.onnx", "--hp-dtype", "fp32", "--config", "c.json"] + flags, folder)
    if ended.status != 0:
        return f"{' '.join(flags)}: {ended.summary}", math.inf, LEAST_DECIBELS
    output = os.path.join(folder, "o.onnx")
    try:
        onnx.checker.check_model(output, full_check=True)
    except Exception as error:
        fault = f"{' '.join(flags)}: the checker refuses the output: {str(error).strip()[:300]}"
        return fault, math.inf, LEAST_DECIBELS
    proof = run([fp8c, "verify", "m.onnx", "o.onnx"], folder)
    if proof.status != 0:
        return f"{' '.join(flags)}: verify: {proof.summary}", math.inf, LEAST_DECIBELS
    worst = math.inf
    least = LEAST_DECIBELS
    for optimizes in (False, True):
        candidate = session(output, optimizes)
        for batch, wanted in zip(inputs, expected):
            for name, left, right in zip(names, wanted, candidate.run(names, batch)):
                ratio = decibels(left, right) if left.shape == right.shape else -math.inf
                if not ratio >= least and least == LEAST_DECIBELS:
                    least = min(LEAST_DECIBELS, noisy(path, inputs, names, expected) - MARGIN)
                    # Where such noise may be nearly as large as the signal, only the structure says something.
                    least = least if least >= 3 else -math.inf
                if left.shape != right.shape or not ratio >= least:
                    kind = "optimized" if optimizes else "plain"
                    fault = f"{' '.join(flags)}: {name}, {kind}: {ratio:.1f} dB, expected {least:.1f}"
                    return fault, ratio, least
                worst = min(worst, ratio)
    return None, worst, least


def graphs(options, group, count):
    """Compares `count` graphs; gives how many, how they were judged and the least SQNR, and the faults."""
    import concurrent.futures

    found_folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "found")
    jobs = ((options.fp8c, f"{options.seed}.{index}", found_folder) for index in range(count))
    faults, ratios, asked = [], [], []
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for fault, ratio, least in pool.map(one, jobs, chunksize=4):
            ratios.append(ratio)
            asked.append(least)
            if fault:
                faults.append(fault)
    quantized = sum(ratio != math.inf for ratio in ratios)
    magnifying = sum(least < LEAST_DECIBELS for least in asked)
    structural = sum(least == -math.inf for least in asked)
    return (f"{count} graphs, {quantized} with an error, the worst {min(ratios):.1f} dB; {magnifying} magnify small errors, "
            f"{structural} of them judged by structure alone"), faults

#!/usr/bin/env python3
"""Compares models before and after raise-opset in ONNX Runtime, which may pick another kernel.

Usage: check_raise_opset.py FP8C. Every model is small and made here; fp8c writes it at a newer
opset with nothing quantized.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(7)


def values(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


IMAGE = values(2, 4, 6, 5)
MATRIX = values(3, 7)
CUBE = values(2, 3, 4)
SHAPES = {"image": IMAGE, "matrix": MATRIX, "cube": CUBE, "half": values(3, 7, dtype=np.float16)}


def case(name, opset, op, inputs, outputs=1, weights=(), **attributes):
    """One operator; `inputs` are names of SHAPES or of weights, empty ones are left out."""
    return name, opset, op, inputs, outputs, dict(weights), attributes


f32 = lambda *v: np.array(v, np.float32)
i64 = lambda *v: np.array(v, np.int64)
CHANNELS = {k: np.abs(values(4)) + 0.5 for k in ("s", "b", "m", "v")}

CASES = [
    case("softmax-last", 11, "Softmax", ["matrix"]),
    case("softmax-coerced", 11, "Softmax", ["cube"]),
    case("softmax-zero", 9, "Softmax", ["cube"], axis=0),
    case("softmax-negative", 12, "Softmax", ["cube"], axis=-2),
    case("log-softmax", 9, "LogSoftmax", ["image"], axis=2),
    case("hardmax", 11, "Hardmax", ["cube"]),
    case("clip", 7, "Clip", ["matrix"], min=-0.5, max=0.5),
    case("clip-min", 10, "Clip", ["matrix"], min=0.0),
    case("clip-none", 10, "Clip", ["matrix"]),
    case("pad", 9, "Pad", ["matrix"], pads=[1, 0, 2, 3], value=1.5),
    case("pad-reflect", 7, "Pad", ["matrix"], pads=[1, 1, 1, 1], mode="reflect"),
    case("pad-edge", 10, "Pad", ["cube"], pads=[0, 1, 1, 0, 0, 1], mode="edge"),
    case("slice", 9, "Slice", ["cube"], starts=[1, -3], ends=[3, 100], axes=[1, 2]),
    case("slice-first", 7, "Slice", ["cube"], starts=[1], ends=[2]),
    case("split", 11, "Split", ["matrix"], 2, axis=1, split=[3, 4]),
    case("split-equal", 12, "Split", ["cube"], 2, axis=2),
    case("split-equal-13", 13, "Split", ["cube"], 2, axis=2),
    case("topk", 9, "TopK", ["matrix"], 2, axis=1, k=3),
    case("squeeze", 11, "Squeeze", ["one"], axes=[0]),
    case("squeeze-all", 12, "Squeeze", ["one"]),
    case("unsqueeze", 11, "Unsqueeze", ["matrix"], axes=[0, 3]),
    case("reduce-sum", 11, "ReduceSum", ["cube"], axes=[1], keepdims=0),
    case("reduce-sum-all", 12, "ReduceSum", ["cube"]),
    case("dropout", 9, "Dropout", ["matrix"], ratio=0.7),
    case("dropout-10", 11, "Dropout", ["matrix"], ratio=0.7),
    case("batch-norm", 8, "BatchNormalization", ["image", "s", "b", "m", "v"], 1, CHANNELS),
    case("batch-norm-9", 13, "BatchNormalization", ["image", "s", "b", "m", "v"], 1, CHANNELS),
    case("upsample-7", 8, "Upsample", ["image"], scales=[1.0, 1.0, 2.0, 3.0]),
    case("upsample-9", 9, "Upsample", ["image", "n"], 1, {"n": f32(1, 1, 1.5, 2)}, mode="linear"),
    case("resize-up", 10, "Resize", ["image", "n"], 1, {"n": f32(1, 1, 1.7, 2.5)}),
    case("resize-down", 10, "Resize", ["image", "n"], 1, {"n": f32(1, 1, 0.6, 0.5)}),
    case("resize-linear", 10, "Resize", ["image", "n"], 1, {"n": f32(1, 1, 0.6, 1.7)},
         mode="linear"),
    case("resize-11", 12, "Resize", ["image", "e", "n"], 1,
         {"e": f32(), "n": f32(1, 1, 2, 2)}, mode="linear",
         coordinate_transformation_mode="align_corners"),
    case("resize-sizes", 12, "Resize", ["image", "e", "e", "n"], 1,
         {"e": f32(), "n": i64(2, 4, 9, 3)}, mode="cubic"),
    case("roi-align", 10, "RoiAlign", ["image", "r", "i"], 1,
         {"r": f32(0, 0, 4, 4, 1, 1, 3, 5).reshape(2, 4), "i": i64(0, 1)},
         output_height=2, output_width=2),
    case("grid-sample", 16, "GridSample", ["image", "g"], 1,
         {"g": np.clip(values(2, 3, 3, 2), -1, 1)}, mode="bicubic"),
    case("scatter", 9, "Scatter", ["matrix", "i", "u"], 1,
         {"i": i64(0, 2, 1).reshape(1, 3), "u": f32(9, 8, 7).reshape(1, 3)}),
    case("dft", 17, "DFT", ["signal"]),
    case("average-pool", 9, "AveragePool", ["image"], kernel_shape=[2, 2], strides=[2, 2]),
    case("average-pool-ceil", 10, "AveragePool", ["image"], kernel_shape=[3, 3],
         strides=[2, 2], ceil_mode=1, count_include_pad=1, pads=[1, 1, 1, 1]),
    case("max-pool", 8, "MaxPool", ["image"], 2, kernel_shape=[2, 2], strides=[2, 2]),
    case("lp-pool", 11, "LpPool", ["image"], kernel_shape=[2, 2]),
    case("quantize", 10, "QuantizeLinear", ["matrix", "n", "z"], 1,
         {"n": f32(0.1).reshape(()), "z": np.array(3, np.int8)}),
    case("gemm", 9, "Gemm", ["matrix", "w", "c"], 1, {"w": values(7, 2), "c": f32(1, 2)},
         alpha=0.5, beta=2.0),
    case("one-hot", 9, "OneHot", ["index", "d", "v"], 1, {"d": i64(4), "v": f32(0, 1)}),
    case("equal", 7, "Equal", ["index", "n"], 1, {"n": i64(1)}),
    case("cast", 9, "Cast", ["matrix"], to=TensorProto.FLOAT16),
    case("lstm", 7, "LSTM", ["sequence", "w", "r"], 3,
         {"w": values(1, 12, 4), "r": values(1, 12, 3)}, hidden_size=3),
    case("gru", 7, "GRU", ["sequence", "w", "r"], 2, {"w": values(1, 9, 4), "r": values(1, 9, 3)},
         hidden_size=3),
] + [
    case(f"reduce-{op}", 17 if index % 2 else 11, f"Reduce{op}", ["cube"], axes=[0, 2])
    for index, op in enumerate(
        ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"])
]
SHAPES |= {
    "one": values(1, 3, 1), "signal": values(1, 8, 1), "sequence": values(5, 2, 4),
    "index": np.array([0, 1, 3, 9], np.int64),
}


def build(opset, op, inputs, outputs, weights, attributes):
    feeds = {n: SHAPES[n] for n in inputs if n and n not in weights}
    if op == "ReduceLogSum":
        feeds = {n: np.abs(v) + 0.1 for n, v in feeds.items()}
    names = [f"y{k}" for k in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, inputs, names, name="node", **attributes)], "graph",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
         for n, v in feeds.items()],
        [onnx.ValueInfoProto(name=n) for n in names],
        [numpy_helper.from_array(v, n) for n, v in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model), feeds


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def main(fp8c):
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        before, after = (pathlib.Path(folder) / f"{name}.onnx" for name in ("before", "after"))
        for name, opset, *rest in CASES:
            model, feeds = build(opset, *rest)
            onnx.save(model, before)
            command = [fp8c, "quantize", before, "-o", after, "--hp-dtype", "fp32",
                       "--block-name", "."]
            done = subprocess.run(command, capture_output=True, text=True)
            problem = done.stderr if done.returncode else compare(before, after, model, feeds)
            failures += bool(problem)
            print(f"{name}: {problem or 'same'}")
    return 1 if failures else 0


def compare(before, after, model, feeds):
    raised = onnx.load(after)
    onnx.checker.check_model(raised, full_check=True)
    if raised.opset_import[0].version < 21:
        return f"opset {raised.opset_import[0].version}"
    for old, new in zip(run(model, feeds), run(raised, feeds)):
        if old.dtype != new.dtype or old.shape != new.shape:
            return f"{old.dtype} {old.shape} became {new.dtype} {new.shape}"
        if not np.allclose(old, new, rtol=1e-6, atol=1e-7, equal_nan=True):
            return f"differs by {np.max(np.abs(old.astype(float) - new.astype(float)))}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

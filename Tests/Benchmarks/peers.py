#!/usr/bin/env python3
"""Calibrates and quantizes models with fp8c and with other quantizers, in turn, and prints the ratios.

    peers.py [--rounds N] [--batches N] [MODEL...]

The others run in the virtual environment `.venv/peers`, which `make bench-peers` sets up.
"""

import argparse
import os
import sys
import tempfile

import numpy as np

from timing import Table, alternate, run

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fp8c", default=os.path.join(ROOT, ".build/release/fp8c"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("models", nargs="*", metavar="MODEL", default=["resnet18", "resnet50", "bert_base"])
    options = parser.parse_args()
    models = os.path.join(HERE, "models")
    run([sys.executable, os.path.join(HERE, "make_models.py"), models, *options.models])
    python = os.path.join(ROOT, ".venv/peers/bin/python")
    random = np.random.default_rng(8)
    table = Table()
    for name in options.models:
        model = os.path.join(models, f"{name}.onnx")
        inputs = {"x": random.standard_normal((options.batches, 1, 3, 224, 224), dtype=np.float32)}
        if name == "bert_base":
            inputs = {"input_ids": random.integers(0, 30522, (options.batches, 1, 128))}
        with tempfile.TemporaryDirectory(dir=models) as scratch:
            archive = os.path.join(scratch, "batches.npz")
            np.savez(archive, **inputs)

            def compile():
                prefix = tempfile.mkdtemp(dir=scratch)
                return run([
                    options.fp8c, "compile", model, "-o", f"{prefix}/out.onnx", "--calibration", archive, "--qdq",
                    "--hp-dtype", "fp32", "--dump-stats-path", f"{prefix}/measured", "-q",
                ])

            def other(peer):
                return run([python, os.path.join(HERE, "peer.py"), peer, model, archive, f"{scratch}/{peer}.onnx"])

            ours, ort, intel = alternate(options.rounds, compile, lambda: other("ort"), lambda: other("intel"))
            for peer, theirs in [("ONNX Runtime, FP8", ort), ("Intel, INT8", intel)]:
                table.ratio(f"{name}, {peer}: time", ours.seconds, theirs.seconds)
                table.ratio(f"{name}, {peer}: peak memory", ours.peak / 1e6, theirs.peak / 1e6, "MB")
    table.append(os.path.join(models, "history.jsonl"))


if __name__ == "__main__":
    main()

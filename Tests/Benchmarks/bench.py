#!/usr/bin/env python3
"""Times fp8c beside what does the same work without it, and prints their ratios.

    bench.py [--fp8c PATH] [--models FOLDER] [--history FILE] [--rounds N] [GROUP...]

Groups: conversion, incremental, memory, kernels, startup, nodes, measure; all of them by default. Needs the packages numpy,
onnx, onnxruntime and ml_dtypes, a C compiler, and `FP8C_ONNXRUNTIME` for measure.
"""

import argparse
import collections
import glob
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import numpy as np

from timing import Table, alternate, run

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


class Bench:
    def __init__(self, options, scratch):
        self.fp8c, self.models, self.rounds, self.scratch = options.fp8c, options.models, options.rounds, scratch
        self.table = Table()

    def model(self, name):
        path = os.path.join(self.models, f"{name}.onnx")
        if not os.path.exists(path):
            run([sys.executable, os.path.join(HERE, "make_models.py"), self.models, name])
        return path

    def quantize(self, name, *more):
        """Quantizes a model into the scratch folder, from which the output of the run before is removed."""
        shutil.rmtree(self.scratch)
        os.mkdir(self.scratch)
        return run([self.fp8c, "quantize", self.model(name), "-o", f"{self.scratch}/out.onnx", "-q", *more])

    def copy(self, name, sync):
        """Copies the files of a model with cp."""
        shutil.rmtree(self.scratch)
        os.mkdir(self.scratch)
        files = [path for path in (self.model(name), self.model(name) + ".data") if os.path.exists(path)]
        script = 'target=$1; shift; cp --reflink=never "$@" "$target"'
        script += ' && sync "$target"/* "$target"' if sync else ""
        return run(["sh", "-c", script, "sh", self.scratch, *files])

    def python(self, *arguments):
        return run([sys.executable, *arguments])

    # Groups

    def conversion(self):
        """The Llama of 1.1 billion parameters against a copy of its files."""
        model = self.model("llama_1b")
        for path in (model, model + ".data"):
            with open(path, "rb") as file:
                while file.read(1 << 24):
                    pass
        prefix = self.measurement("llama_1b")
        given = ["--scale-method", "maxabs_hw", "--dump-stats-path", prefix]
        search = ["--scale-method", "act_maxabs_pow2_weights_pcs_opt_pow2", "--dump-stats-path", prefix]
        for name, arguments, sync, limit in [
            ("Llama, synced", given, True, 1.0), ("Llama, not synced", given, False, 1.5),
            ("Llama, search per channel, synced", search, True, 2.0),
        ]:
            more = arguments if sync else [*arguments, "--no-sync"]

            def quantize():
                # Scales that an earlier round searched for would be used again.
                for path in glob.glob(f"{prefix}_hooks_maxabs_*"):
                    os.remove(path)
                return self.quantize("llama_1b", *more)

            ours, copy = alternate(self.rounds, quantize, lambda: self.copy("llama_1b", sync))
            self.table.ratio(f"{name}: time", ours.seconds, copy.seconds, limit=limit)
            self.table.ratio(f"{name}: processor time", ours.cpu, copy.cpu)
            self.table.figure(f"{name}: peak memory", ours.peak / 1e6, "MB", 100)

    def incremental(self):
        """The Llama with one module more excluded, behind a run that left its record; and the same from nothing.

        Both replace the output of the run before. How much less the second run takes is up to the file system: where
        files share blocks (XFS, Btrfs) it writes what changed, elsewhere everything.
        """
        prefix = self.measurement("llama_1b")
        modules = json.load(open(prefix + "_hooks_maxabs.json"))["Nodes"]
        excluded = [path for path, ranges in modules.items() if "params" in ranges][len(modules) // 4]
        arguments = ["--scale-method", "maxabs_hw", "--dump-stats-path", prefix]
        less = ["--block-name", f"^{re.escape(excluded)}$"]
        output, record = f"{self.scratch}/out.onnx", f"{self.scratch}/record.json"
        contents = []

        def once_more(*options):
            done = run([self.fp8c, "quantize", self.model("llama_1b"), "-o", output, "-q", *options, *arguments, *less])
            contents.append(self.digests())
            return done

        first, again, whole = alternate(
            self.rounds, lambda: self.quantize("llama_1b", *arguments, "--incremental", record),
            lambda: once_more("--incremental", record), once_more)
        if any(one != contents[0] for one in contents):
            sys.exit(f"incremental: the bytes of {output} are not those of a run from nothing")
        self.table.ratio("Llama, a module excluded: first run", again.seconds, first.seconds, limit=0.15)
        self.table.ratio("Llama, a module excluded: run from nothing", again.seconds, whole.seconds)
        self.table.ratio("Llama, a module excluded: processor time", again.cpu, whole.cpu)
        self.table.ratio("Llama, the first run: run from nothing", first.seconds, whole.seconds)

    def digests(self):
        """What the output holds."""
        found = []
        for name in ("out.onnx", "out.onnx.data", "out.scales.json"):
            with open(os.path.join(self.scratch, name), "rb") as file:
                found.append(hashlib.file_digest(file, "sha256").hexdigest())
        return found

    def measurement(self, name):
        """A measurement file of INC with the modules of a model and made-up ranges."""
        table = os.path.join(self.scratch, "out.scales.json")
        self.quantize(name, "--scale-method", "unit_scale", "--no-sync")
        nodes = {}
        for module in json.load(open(table))["modules"]:
            ports = collections.Counter(port["port"] for port in module["ports"])
            inputs = sum(ports[port] for port in ("input", "other"))
            nodes[module["path"]] = {"inputs": [[[4.0 + len(nodes) % 5]]] * inputs, "outputs": [[[9.0]]]}
            if ports["weight"]:
                nodes[module["path"]]["params"] = {"weight": [[0.125]]}
        path = os.path.join(self.models, f"{name}_measured")
        with open(path + "_hooks_maxabs.json", "w") as file:
            json.dump({"GlobalRank": None, "LocalRank": None, "Mode": "DynamicRange", "Nodes": nodes}, file, indent=4)
        return path

    def memory(self):
        """Peak memory does not grow with the weights."""
        for name, limit in [("inline_3g", 100), ("sparse_100g", 100), ("resnet18", 60), ("resnet50", None), ("bert_base", None)]:
            done = [
                self.quantize(name, "--scale-method", "unit_scale", "--hp-dtype", "fp32", "--no-sync") for _ in range(3)
            ]
            self.table.figure(f"{name}: time", statistics.median(one.seconds for one in done), "s")
            self.table.figure(f"{name}: peak memory", max(one.peak for one in done) / 1e6, "MB", limit)

    def kernels(self):
        """One thread, 64 M elements."""
        program = os.path.join(self.scratch, "kernels")
        folder = os.path.join(ROOT, "Sources", "CKernels")
        sources = [*sorted(glob.glob(f"{folder}/*.c")), os.path.join(HERE, "kernels.c")]
        compiler = shutil.which("clang") or shutil.which("cc")
        run([compiler, "-O2", f"-I{folder}/include", *sources, "-o", program])
        times = collections.defaultdict(list)
        for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines():
            name, seconds = line.split()
            times[name].append(float(seconds))
        times = {name: statistics.median(runs) for name, runs in times.items()}
        for name, moved, share in [
            ("cast-fp32", "move-cast-fp32", 0.8), ("cast-bf16", "move-cast-bf16", 0.6),
            ("cast-fp16", "move-cast-bf16", None), ("max-abs-fp32", "move-read-fp32", 0.8),
        ]:
            self.table.ratio(f"{name}: time", times[name], times[moved], limit=share and 1 / share)
        passes = times["max-abs-fp32"] + times["cast-fp32"]
        self.table.ratio("search of 20: one max-abs and one cast pass", times["moments-fp32"], passes, limit=3.5)
        self.table.ratio("search of 20: twenty vector passes", times["moments-fp32"], times["twenty-passes-fp32"], limit=0.25)

    def startup(self):
        """The process itself: its start, and its size without symbols."""
        ours, nothing = alternate(
            20, lambda: run([self.fp8c, "--version"]), lambda: run([shutil.which("true")]))
        self.table.ratio("fp8c --version: time", ours.seconds * 1e3, nothing.seconds * 1e3, "ms")
        self.table.figure("fp8c --version: time", ours.seconds * 1e3, "ms", 10)
        stripped = os.path.join(self.scratch, "fp8c")
        run(["strip", "-o", stripped, self.fp8c])
        self.table.figure("fp8c without symbols: size", os.path.getsize(stripped) / 1e6, "MB", 30)

    def nodes(self):
        """Load to written, against Python's onnx."""
        script = "import onnx, sys; onnx.save(onnx.load(sys.argv[1]), sys.argv[2])"
        arguments = ["--scale-method", "unit_scale", "--hp-dtype", "fp32", "--no-sync"]
        for label, more in [("nothing selected", ["--block-name", "."]), ("all selected", [])]:
            times = []
            for count in ("100k", "200k"):
                name = f"chain_{count}"
                ours, python = alternate(
                    3, lambda: self.quantize(name, *arguments, *more),
                    lambda: self.python("-c", script, self.model(name), f"{self.scratch}/copy.onnx"))
                times.append(ours.seconds)
                self.table.ratio(f"{name}, {label}: time", ours.seconds, python.seconds, limit=3)
                self.table.figure(f"{name}, {label}: peak memory", ours.peak / 1e6, "MB", 400)
            self.table.ratio(f"{label}: twice the nodes", times[1], times[0], limit=2.2)

    def measure(self):
        """32 batches, against a process that runs them in a default session."""
        random = np.random.default_rng(5)
        for name, inputs in [
            ("resnet18", {"x": random.standard_normal((32, 1, 3, 224, 224), dtype=np.float32)}),
            ("bert_base", {"input_ids": random.integers(0, 30522, (32, 1, 128))}),
        ]:
            archive = os.path.join(self.models, f"{name}_batches.npz")
            np.savez(archive, **inputs)
            ours, plain = alternate(
                self.rounds,
                lambda: run([
                    self.fp8c, "measure", self.model(name), "--calibration", archive, "--hp-dtype", "fp32",
                    "--dump-stats-path", f"{self.scratch}/m", "-q",
                ]),
                lambda: self.python(os.path.join(HERE, "plain_session.py"), self.model(name), archive))
            self.table.ratio(f"measure {name}: time", ours.seconds, plain.seconds, limit=1.3)
            self.table.ratio(f"measure {name}: peak memory", ours.peak / 1e6, plain.peak / 1e6, "MB", limit=1.25)


GROUPS = ["conversion", "incremental", "memory", "kernels", "startup", "nodes", "measure"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fp8c", default=os.path.join(ROOT, ".build/release/fp8c"))
    parser.add_argument("--models", default=os.path.join(HERE, "models"))
    parser.add_argument("--history", default=os.path.join(HERE, "models", "history.jsonl"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    options = parser.parse_args()
    unknown = set(options.groups) - set(GROUPS)
    if unknown:
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    os.makedirs(options.models, exist_ok=True)
    # Beside the models: copies and outputs go to the same disk.
    scratch = tempfile.mkdtemp(dir=options.models)
    try:
        bench = Bench(options, scratch)
        for group in options.groups or GROUPS:
            getattr(bench, group)()
    finally:
        shutil.rmtree(scratch)
    bench.table.append(options.history)


if __name__ == "__main__":
    main()

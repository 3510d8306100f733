"""Mutants of valid files given to the compiler: each run must end by itself with a documented status.

A model that is taken is also judged by onnx.checker, and so is what is written of it.
"""

import glob
import hashlib
import os
import random
import re
import shutil
import tempfile

import mutators
from runner import REFUSED, run

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# What fp8c takes and the checker refuses, by the checker's words, with the reason.
TOLERATED = {
    r"No Op registered for SimplifiedLayerNormalization": "ONNX Runtime writes it into the standard domain",
    r"Field 'name' of 'graph'": "a graph's name means nothing, and nothing refers to it",
    r"in function op .* not compatible": "functions are raised to the opset of the model",
    r"Field 'shape' of 'type' is required": "an interface of unknown rank, which runtimes take",
}

ALIGNED = ["--scale-method", "hw_aligned_single_scale"]
# The last method that is named counts.
DYNAMIC = ["--config", os.path.join(ROOT, "Tests/Soak/dynamic.json"), "--scale-method",
           "act_maxabs_pcs_pow2_weight_maxabs_pts_pow2_hw"]
LOWERINGS = ([], ["--hp-dtype", "fp32"], ["--qdq"], ["--qdq", "--hp-dtype", "fp16"], ["--target", "generic"],
             ["--fp8-config", "E5M2"], ["--allow-type", "default", "--allow-type", "ConvTranspose"],
             ALIGNED, ALIGNED + ["--fp8-kv-cache"], ALIGNED + ["--fp8-kv-cache", "--qdq"],
             ALIGNED + ["--allow-type", "ModuleFusedSDPA"], DYNAMIC, DYNAMIC + ["--scale-method", "maxabs_arbitrary"])


def files(pattern, limit=1 << 62):
    found = sorted(glob.glob(os.path.join(ROOT, pattern), recursive=True))
    return [file for file in found if os.path.getsize(file) < limit]


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Mutants:
    """One kind of input: its seeds, its mutation, and the command that reads it."""

    def __init__(self, fp8c, found):
        self.fp8c, self.found = fp8c, found
        self.models = files("golden/**/*.onnx", 40_000)
        self.texts = files("golden/**/*.ir", 60_000)
        self.configurations = files("golden/**/*.json") + files("Tests/Data/**/config*.json")
        self.measurements = files("Tests/Data/Measurements/*.json", 200_000)
        self.targets = files("schemas/targets/*.json")
        self.archives = files("golden/**/*.npz", 200_000) + files("Tests/Data/**/*.npz", 200_000)

    def models_group(self, rnd, folder):
        seed = rnd.choice(self.models)
        for data in glob.glob(os.path.splitext(seed)[0] + "*.data") + glob.glob(seed + ".data"):
            shutil.copy(data, folder)
        mutate = rnd.choice((mutators.mutated_bytes, mutators.mutated_message, mutators.mutated_message))
        mutant = mutate(rnd, read(seed))
        path = self.write(folder, "m.onnx", mutant)
        kind = rnd.randrange(10)
        if kind == 0:
            return path, ["inspect", "m.onnx"], None
        if kind == 1:
            return path, ["print", "m.onnx"], None
        if kind == 2:
            return path, ["verify", "m.onnx", "m.onnx"], None
        if kind == 3:
            return path, ["instrument", "m.onnx", "-o", "o.onnx"], "o.onnx"
        lowering = rnd.choice(LOWERINGS)
        return path, ["quantize", "m.onnx", "-o", "o.onnx", "--scale-method", "unit_scale"] + lowering, "o.onnx"

    def texts_group(self, rnd, folder):
        path = self.write(folder, "m.ir", mutators.mutated_text(rnd, read(rnd.choice(self.texts))))
        command = rnd.choice((["print"], ["inspect"], ["opt", "--passes", "select-modules"],
                              ["opt", "--passes", "inline-functions,infer-types,canonicalize"]))
        return path, command[:1] + ["m.ir"] + command[1:], None

    def json_group(self, rnd, folder):
        kind = rnd.randrange(5)
        model = os.path.join(ROOT, "golden/models/onnx/mlp_small.ts.onnx")
        quantize = ["quantize", model, "-o", "o.onnx", "--scale-method"]
        if kind == 4:
            arguments = ["unit_scale", "--incremental", "r.json"]
            run([self.fp8c, "quantize", model, "-o", "earlier.onnx", "--scale-method"] + arguments, folder)
            path = self.write(folder, "r.json", mutators.mutated_json(rnd, read(os.path.join(folder, "r.json"))))
            return path, quantize + arguments, "o.onnx"
        if kind == 0:
            data = mutators.mutated_json(rnd, read(rnd.choice(self.configurations)))
            path = self.write(folder, "c.json", data)
            return path, quantize + ["unit_scale", "--config", "c.json"], "o.onnx"
        if kind == 1:
            path = self.write(folder, "t.json", mutators.mutated_json(rnd, read(rnd.choice(self.targets))))
            return path, quantize + ["unit_scale", "--target", "t.json"], "o.onnx"
        path = self.write(folder, "m_hooks_maxabs.json", mutators.mutated_json(rnd, read(rnd.choice(self.measurements))))
        if kind == 2:
            return path, ["scales", "m_hooks_maxabs.json", "-o", "o.json"], "o.json"
        command = rnd.choice(("unify", "align-kv"))
        return path, [command, "m_hooks_maxabs.json", "-o", "o.json"], "o.json"

    def npz_group(self, rnd, folder):
        path = self.write(folder, "a.npz", mutators.mutated_npz(rnd, read(rnd.choice(self.archives))))
        kind = rnd.randrange(3)
        model = os.path.join(ROOT, "golden/models/onnx/mlp_small.ts.onnx")
        if kind == 0:
            return path, ["measure", model, "--calibration", "a.npz", "--dump-stats-path", "s/m"], None
        if kind == 1:
            return path, ["collect", model, "a.npz", "--dump-stats-path", "s/m"], None
        return path, ["scales", "a.npz", "-o", "o.json"], "o.json"

    @staticmethod
    def write(folder, name, data):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def one(self, group, seed):
        """Runs the mutant of a seed. Gives its status and what is wrong about it."""
        rnd = random.Random(f"{group}/{seed}")
        with tempfile.TemporaryDirectory(prefix="fp8c-soak-") as folder:
            path, arguments, output = getattr(self, f"{group}_group")(rnd, folder)
            ended = run([self.fp8c] + arguments, folder)
            allowed = REFUSED | {0} | ({1} if arguments[0] == "verify" else set())
            fault = ended.fault(allowed)
            if output and not fault and (ended.status == 0) != os.path.exists(os.path.join(folder, output)):
                fault = f"ended with {ended.status}, and the output is {'missing' if ended.status == 0 else 'there'}"
            if not fault and ended.status == 0 and group == "models":
                fault = checker_disagreement(path, os.path.join(folder, output) if output else None)
            if fault:
                self.keep(path, group, seed)
                fault = f"{group} {seed}: {fault}; {' '.join(arguments)}; {ended.summary}"
            return ended.status, fault

    def keep(self, path, group, seed):
        os.makedirs(self.found, exist_ok=True)
        shutil.copy(path, os.path.join(self.found, f"{group}-{seed}{os.path.splitext(path)[1]}"))


def checker_refusal(path):
    import onnx

    try:
        onnx.checker.check_model(path)
    except Exception as error:
        return str(error)
    return None


def checker_disagreement(model, output):
    """What the checker refuses of a model that was taken, or of what was written for one that it takes."""
    refusal = checker_refusal(model)
    if refusal is None:
        written = checker_refusal(output) if output else None
        return f"wrote what the checker refuses: {written.strip()[:300]}" if written else None
    if any(re.search(words, refusal) for words in TOLERATED):
        return None
    return f"takes what the checker refuses: {refusal.strip()[:300]}"

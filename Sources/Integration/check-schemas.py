#!/usr/bin/env python3
"""Validates what fp8c reads and writes against its JSON Schemas, with Python's jsonschema.

usage: check-schemas.py FP8C

Every schema is a schema; files that are right pass, and each of them with one fault is refused.
"""
import copy
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "golden/models"
FP8C = sys.argv[1]
checked = 0


def fp8c(*arguments, folder="."):
    run = subprocess.run(
        [str(pathlib.Path(FP8C).resolve()), *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout


def check(validator, label, document, faults):
    """The document passes; with a fault, a function that changes it, it does not."""
    global checked
    errors = sorted(validator.iter_errors(document), key=str)
    assert not errors, f"{label}: {errors[0].message} at {list(errors[0].absolute_path)}"
    for fault in faults:
        changed = copy.deepcopy(document)
        fault(changed)
        assert not validator.is_valid(changed), f"{label}: passes with a fault"
    checked += 1 + len(faults)


def unknown_key(document):
    document["unknown"] = 1


def main():
    names = fp8c("schema").split()
    validators = {}
    for name in names:
        schema = json.loads(fp8c("schema", name))
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[name] = jsonschema.Draft202012Validator(schema)

    def missing(key):
        return lambda document: document.pop(key)

    def without_reason(document):
        (document["modules"] or document["left"])[0]["reason"] = 1

    models = sorted(MODELS.glob("onnx/*.onnx")) + sorted(MODELS.glob("architectures/*.onnx"))
    for model in models:
        document = json.loads(fp8c("inspect", model))
        faults = [unknown_key, missing("left")]
        if document["modules"] or document["left"]:
            faults.append(without_reason)
        check(validators["inspect"], model.name, document, faults)

    def odd_mode(document):
        document["Mode"] = "Scale"

    def negative(document):
        next(iter(document["Nodes"].values()))["inputs"] = [[[-1.0]]]

    files = [p for p in (ROOT / "Tests/Data/Measurements").glob("*.json")]
    measurements = [(p, json.loads(p.read_text())) for p in sorted(files)]
    measurements = [
        (p, d) for p, d in measurements if isinstance(d, dict) and d.get("Mode") != "Scale" and d.get("Nodes")]
    for path, document in measurements:
        check(validators["measurement"], path.name, document, [unknown_key, odd_mode, negative])

    for name in fp8c("targets").split():
        check(
            validators["target"], name, json.loads(fp8c("targets", name)),
            [unknown_key, missing("kernels")])

    def no_scale(document):
        document["modules"][0]["ports"][0]["scale"] = 0

    with tempfile.TemporaryDirectory() as folder:
        def quantize(model, *flags):
            fp8c(
                "quantize", model, "-o", "out.onnx", "--hp-dtype", "fp32", "--allow-nonfinite", *flags,
                folder=folder)
            table = json.loads(pathlib.Path(folder, "out.scales.json").read_text())
            faults = [unknown_key, missing("target")]
            if any("scale" in p for m in table["modules"] for p in m["ports"][:1]):
                faults.append(no_scale)
            check(validators["scale-table"], model.name, table, faults)

        # Its codes are more than a Gaudi2 can hold.
        refused = MODELS / "onnx/fp8_all_bytes.onnx"
        for model in models:
            for form in ([], ["--qdq"]):
                if model != refused:
                    quantize(model, "--scale-method", "unit_scale", *form)
        # Scales per channel, and scales that are computed at run time.
        mlp = MODELS / "onnx/mlp_small.ts.onnx"
        measured = pathlib.Path(folder, "mlp_hooks_maxabs.json")
        measured.write_bytes((ROOT / "Tests/Data/Measurements/mlp.json").read_bytes())
        for method in ("act_maxabs_hw_weights_pcs_maxabs_pow2", "act_maxabs_pow2_weights_pcs_opt_pow2"):
            quantize(mlp, "--scale-method", method, "--dump-stats-path", "mlp")
        dynamic = pathlib.Path(folder, "dynamic.json")
        dynamic.write_text('{"dynamic_quantization": true, "scale_method": "act_maxabs_pcs_pow2_weight_maxabs_pts_pow2_hw"}')
        quantize(mlp, "--config", "dynamic.json")

        def odd_method(document):
            document["scale_method"] = "maxabs_hv"

        for flags in ([], ["--hp-dtype", "fp16"], ["--allow-type", "Linear"], ["--qdq"]):
            text = fp8c(
                "quantize", models[0], "-o", "out.onnx", "--print-config", *flags, folder=folder)
            check(validators["config"], f"config {flags}", json.loads(text), [unknown_key, odd_method])

    kinds = ", ".join(names)
    print(f"{checked} documents judged by the schemas {kinds}")


main()

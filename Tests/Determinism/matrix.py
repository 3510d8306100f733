#!/usr/bin/env python3
"""Compiles ten models in many surroundings; what is written must be the same bytes in all of them.

usage: matrix.py FP8C FP8C_DEBUG [MODEL]...

Jobs, locale, time zone, umask, working folder, spelling of paths, HOME, user, host name, SOURCE_DATE_EPOCH, the
allocator's fill, randomized addresses, the order of files in a folder, a debug build, and a processor without vector
instructions (by qemu-x86_64, where it is installed). Another user and host name need root. The seeds of hashes differ in every process.
"""
import concurrent.futures
import hashlib
import os
import pathlib
import pwd
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = [
    "digits/digits_cnn.ts", "onnx/mlp_small.ts", "onnx/external_many", "onnx/sparse_initializer",
    "architectures/gpt2_tiny.ts", "architectures/llama_tiny.dynamo", "architectures/mixtral_tiny.dynamo",
    "architectures/mobilenet_v2_w16.ts", "architectures/unet2d_condition_lora.ts", "architectures/ms_gqa",
]
OUTPUTS = ["out.onnx", "out.onnx.data", "out.scales.json", "out.ir", "out.d", "inspect.json", "text"]

AXES = {
    "jobs": ["1", "2", "7"],
    "LC_ALL": ["C", "de_DE.UTF-8", "tr_TR.UTF-8"],
    "TZ": ["UTC", "Asia/Kathmandu"],
    "umask": [0o022, 0o077],
    "folder": ["model", "other"],
    "path": ["absolute", "relative", "dotted"],
    "HOME": ["/root", None],
    "user": ["root", "nobody"],
    "host": ["same", "another"],
    "SOURCE_DATE_EPOCH": [None, "0", "1790000000"],
    "MALLOC_PERTURB_": [None, "0", "165"],
    "addresses": ["random", "fixed"],
    "order": ["forward", "backward"],
    "build": ["release", "debug"],
    "processor": ["vector", "plain"],
}


def copy(source, target, order):
    """A model's folder, its files made in one order or the other."""
    target.mkdir(parents=True)
    data = [p.name for p in source.parent.iterdir() if p.suffix == ".bin" or p.name == "external_files"]
    names = [source.name + ".onnx", *sorted(data)]
    for name in names if order == "forward" else reversed(names):
        path = source.parent / name
        if path.is_dir():
            (target / name).mkdir()
            files = sorted(path.iterdir(), reverse=order != "forward")
            for file in files:
                shutil.copy(file, target / name / file.name)
        else:
            shutil.copy(path, target / (name if path.suffix == ".bin" else "model.onnx"))


def run(binaries, model, choice, work):
    """The digest of all that a run writes."""
    for name, value in (("data", work / "m"), ("out", work / "o")):
        shutil.rmtree(value, ignore_errors=True)
    copy(ROOT / "golden/models" / model, work / "m", choice["order"])
    (work / "o").mkdir()
    (work / "other").mkdir(exist_ok=True)
    # The dependency file spells paths as they were given: it is compared where they are spelled alike.
    folder = work / "m" if choice["folder"] == "model" else work / "other"
    spelled = {
        "absolute": f"{work}/m/model.onnx", "relative": os.path.relpath(work / "m/model.onnx", folder),
        "dotted": f"{work}/m/./../m/model.onnx"}[choice["path"]]
    environment = {"PATH": os.environ["PATH"], "LLVM_PROFILE_FILE": "/dev/null"}
    for name in ("LC_ALL", "TZ", "HOME", "SOURCE_DATE_EPOCH", "MALLOC_PERTURB_"):
        if choice[name] is not None:
            environment[name] = choice[name]
    prefix = []
    if choice["host"] == "another":
        prefix += ["unshare", "--uts", "sh", "-c", 'hostname another; exec "$@"', "sh"]
    if choice["addresses"] == "fixed":
        prefix += ["setarch", "-R"]
    if choice["user"] == "nobody":
        for path in [work, *work.rglob("*")]:
            os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
        prefix += ["setpriv", "--reuid=nobody", "--clear-groups"]
    else:
        for path in [work, *work.rglob("*")]:
            os.chown(path, 0, -1)
    if choice["processor"] == "plain":
        prefix += ["qemu-x86_64", "-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16"]
    binary = binaries[choice["build"]]

    def fp8c(*arguments):
        return subprocess.run(
            [*prefix, binary, *arguments, "-q"], cwd=folder, env=environment, check=True, stdout=subprocess.PIPE,
            umask=choice["umask"]).stdout

    out = f"{work}/o/out"
    fp8c(
        "quantize", spelled, "-o", f"{out}.onnx", "--scale-method", "unit_scale", "--jobs", choice["jobs"],
        "--external-data", "always", "--ir", f"{out}.ir", "--depfile", f"{out}.d")
    (work / "o/inspect.json").write_bytes(fp8c("inspect", spelled))
    (work / "o/text").write_bytes(fp8c("print", f"{out}.onnx"))
    digest = hashlib.sha256()
    for name in OUTPUTS:
        path = work / "o" / name
        if not path.exists():
            continue
        data = path.read_bytes()
        if name == "out.d":
            # Only how many files there are: their spelling follows the command line.
            data = str(data.count(b"\n")).encode()
        digest.update(name.encode() + b"\0" + data)
    return digest.hexdigest()


def run_apart(binaries, model, choice):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        os.chmod(work, 0o755)
        return run(binaries, model, choice, work)


def main():
    binaries = {"release": os.path.abspath(sys.argv[1]), "debug": os.path.abspath(sys.argv[2])}
    models = sys.argv[3:] or MODELS
    axes = dict(AXES)
    notes = []
    if os.geteuid() != 0:
        axes["user"], axes["host"] = ["this one"], ["same"]
        notes.append("not root: this user and host name only")
    if not shutil.which("qemu-x86_64"):
        axes["processor"] = ["vector"]
        notes.append("no qemu-x86_64: vector instructions only")
    # Every value of every axis at least once, the rest by a seeded draw.
    draw = random.Random(1)
    count = 24
    choices = [{name: draw.choice(values) for name, values in axes.items()} for _ in range(count)]
    for name, values in axes.items():
        for index, value in enumerate(values):
            choices[(index * 7 + len(name)) % count][name] = value
    choices.insert(0, {name: values[0] for name, values in axes.items()})
    failed = 0
    for model in models:
        digests = {}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda choice: run_apart(binaries, model, choice), choices))
        for digest, choice in zip(found, choices):
            digests.setdefault(digest, []).append(choice)
        verdict = "one digest" if len(digests) == 1 else f"{len(digests)} DIGESTS"
        print(f"{model}: {verdict} over {len(choices)} combinations, {list(digests)[0][:16]}", flush=True)
        if len(digests) > 1:
            failed += 1
            reference = choices[0]
            for digest, some in list(digests.items())[1:]:
                print(f"  {digest[:16]}: {({k: v for k, v in some[0].items() if v != reference[k]})}")
    for note in notes:
        print(f"note: {note}")
    print(f"{len(models) - failed} of {len(models)} models have one digest")
    sys.exit(1 if failed else 0)


main()

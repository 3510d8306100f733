"""Faults of the system under the compiler: calls that fail, kills, and disks that are full.

Whatever happens, the output is the old file or the whole new one, as the status says, and nothing lies beside it.
"""

import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time

from mutants import ROOT
from runner import limit, run

# Each call with what the kernel may answer to it.
ERRORS = {
    "openat": ("EACCES", "EMFILE", "EIO"),
    "openat2": ("EACCES", "EIO"),
    "fstat": ("EIO",),
    "read": ("EIO",),
    "pread64": ("EIO",),
    "write": ("ENOSPC", "EIO"),
    "pwrite64": ("ENOSPC", "EIO"),
    "copy_file_range": ("ENOSPC", "EIO"),
    "ftruncate": ("EFBIG",),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("EACCES", "EIO"),
    "renameat": ("EACCES", "EIO"),
    "linkat": ("EACCES", "EIO"),
}
# Where nothing can be written, neither can a message.
UNSAID = "gave no error line"
# 70 and signals are never right; 1 would be a check that nobody asked for.
STATUSES = {0, 64, 65, 66, 69, 73, 74, 75, 77}


# Files from this size on are compared by what they store, without their holes.
LARGE = 1 << 26


def stored(path):
    """The length of a file and what of it is not zero, block by block; holes are not read."""
    block, size, digests = 1 << 20, os.path.getsize(path), []
    with open(path, "rb") as file:
        place = 0
        while place < size:
            try:
                place = os.lseek(file.fileno(), place, os.SEEK_DATA) // block * block
            except OSError:
                break
            content = os.pread(file.fileno(), block, place)
            if content.strip(b"\0"):
                digests.append((place, hashlib.sha256(content).hexdigest()))
            place += block
    return size, tuple(digests)


def large(folder):
    """A model of more than 2 GB, nearly all of which are holes."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper

    rows, columns = 16400, 1 << 15
    weight = TensorProto(name="fc.weight", data_type=TensorProto.FLOAT, dims=[rows, columns],
                         data_location=TensorProto.EXTERNAL)
    for key, entry in (("location", "m.data"), ("offset", "0"), ("length", str(rows * columns * 4))):
        weight.external_data.add(key=key, value=entry)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "fc.weight"], ["y"], name="/fc/MatMul")], "large",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, columns])], [weight])
    with open(os.path.join(folder, "m.onnx"), "wb") as file:
        file.write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString())
    numbers = np.random.default_rng(1).standard_normal(1 << 14).astype(np.float32).tobytes()
    with open(os.path.join(folder, "m.data"), "wb") as file:
        file.truncate(rows * columns * 4)
        for place in (0, 1 << 30, rows * columns * 4 - len(numbers)):
            os.pwrite(file.fileno(), numbers, place)


def model(name, folder):
    """Puts a model of that kind into a folder."""
    if name == "large":
        return large(folder)
    source = os.path.join(ROOT, "golden/models/onnx/mlp_small.ts.onnx")
    if name == "network":
        shutil.copy(os.path.join(ROOT, "golden/models/resnet18/resnet18_w16.ts.onnx"), os.path.join(folder, "m.onnx"))
        return
    if name == "inline":
        shutil.copy(source, os.path.join(folder, "m.onnx"))
        return
    import onnx

    onnx.save(onnx.load(source), os.path.join(folder, "m.onnx"), save_as_external_data=True,
              all_tensors_to_one_file=name == "external", location="m.data" if name == "external" else None,
              size_threshold=0)


def command(fp8c, external):
    return [fp8c, "quantize", "m.onnx", "-o", "o.onnx", "--scale-method", "unit_scale", "--jobs", "1",
            "--external-data", "always" if external else "never"]


class Case:
    """One model whose outputs, old and new, are known."""

    def __init__(self, fp8c, name, base):
        self.name, self.external = name, name not in ("inline", "network")
        self.folder = os.path.join(base, name)
        os.mkdir(self.folder)
        model(name, self.folder)
        self.command = command(fp8c, self.external)
        self.inputs = self.contents()
        ended = run(self.command, self.folder)
        assert ended.status == 0, ended.summary
        self.new = self.contents()
        self.old = {key: self.inputs.get(key, b"old " + key.encode()) for key in self.new}

    def contents(self):
        found = {}
        for key in os.listdir(self.folder):
            path = os.path.join(self.folder, key)
            if os.path.getsize(path) >= LARGE:
                found[key] = stored(path)
                continue
            with open(os.path.join(self.folder, key), "rb") as file:
                found[key] = file.read()
        return found

    def reset(self):
        for key in os.listdir(self.folder):
            if not isinstance(self.inputs.get(key), tuple):
                os.remove(os.path.join(self.folder, key))
        for key, content in self.old.items():
            if isinstance(content, tuple):
                continue
            with open(os.path.join(self.folder, key), "wb") as file:
                file.write(content)

    def fault(self, status, may_leave=0):
        """What is wrong with the files for a status, or None."""
        found = self.contents()
        stray = set(found) - set(self.new)
        if len(stray) > may_leave:
            return f"left {sorted(stray)}"
        model = found.get("o.onnx")
        if status == 0:
            wrong = sorted(key for key in self.new if found.get(key) != self.new[key])
            return f"ended with 0, and is not new: {wrong}" if wrong else None
        # The model is renamed last: it is the old one, or nothing failed that mattered to it.
        if model not in (self.old["o.onnx"], self.new["o.onnx"]):
            return "the model is neither the old nor the new one"
        if model == self.new["o.onnx"] and any(found.get(key) != self.new[key] for key in self.new if ".data" in key):
            return "the new model has old data beside it"
        return None


def first_calls(case):
    """How often each call happens, and which of them is the first after the program began to read the model."""
    case.reset()
    log = os.path.join(case.folder, "log")
    subprocess.run(["strace", "-f", "-o", log, "-e", "trace=" + ",".join(f"?{call}" for call in ERRORS)] + case.command,
                   cwd=case.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    counts, first, reading = dict.fromkeys(ERRORS, 0), {}, False
    with open(log) as file:
        for line in file:
            call = line.split(None, 1)[1].split("(")[0] if "(" in line else ""
            if call in counts:
                counts[call] += 1
                reading = reading or "m.onnx" in line
                if reading:
                    first.setdefault(call, counts[call])
    os.remove(log)
    return counts, first


def inject(case, plan, lasting, statuses, faults):
    """Lets each (call, error, number) fail, once or with "+" from then on; gives how many were tried."""
    for call, error, place in plan:
        case.reset()
        strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                  "-e", f"inject={call}:error={error}:when={place}{lasting}"]
        ended = run(strace + case.command, case.folder)
        statuses[ended.status] = statuses.get(ended.status, 0) + 1
        fault = ended.fault(STATUSES, megabytes=1 << 20) or case.fault(ended.status)
        if fault and not (lasting and call == "write" and fault == UNSAID):
            faults.append(f"{case.name}: {call} number {place}{lasting} with {error}: {fault}; {ended.summary}")
    return len(plan)


def injections(options, _, count):
    """Every call from the first look at the model on fails once, with each error; `count` bounds the points of one model."""
    faults, points, statuses = [], 0, {}
    with tempfile.TemporaryDirectory(prefix="fp8c-faults-") as base:
        for name in ("inline", "external", "many", "large"):
            case = Case(options.fp8c, name, base)
            counts, first = first_calls(case)
            plan = [(call, error, place) for call, errors in ERRORS.items() if call in first
                    for place in range(first[call], counts[call] + 1) for error in errors]
            if len(plan) > count:
                plan = random.Random(options.seed).sample(plan, count)
            points += inject(case, plan, "", statuses, faults)
    return f"{points} points, statuses {dict(sorted(statuses.items()))}", faults


def lasting(options, _, count):
    """From its first call after the look at the model on, each call fails for ever."""
    faults, points, statuses = [], 0, {}
    with tempfile.TemporaryDirectory(prefix="fp8c-lasting-") as base:
        for name in ("inline", "external", "many", "large"):
            case = Case(options.fp8c, name, base)
            counts, first = first_calls(case)
            plan = [(call, error, place) for call, errors in ERRORS.items() if call in first
                    for place in {first[call], (first[call] + counts[call]) // 2, counts[call]} for error in errors]
            points += inject(case, sorted(plan)[:count], "+", statuses, faults)
    return f"{points} points, statuses {dict(sorted(statuses.items()))}", faults


def limits(options, _, __):
    """Few descriptors, threads and bytes of stack and memory; files that may not grow, to the byte."""
    faults, ended_with = [], []
    with tempfile.TemporaryDirectory(prefix="fp8c-limits-") as base:
        for name in ("inline", "external"):
            case = Case(options.fp8c, name, base)
            parallel = [word for word in case.command if word not in ("--jobs", "1")] + ["--jobs", "4"]
            largest = max(len(case.new[key]) for key in ("o.onnx", "o.onnx.data") if key in case.new)
            plan = [(resource.RLIMIT_FSIZE, size, {74}) for size in (0, 4096, largest // 2, largest - 1)
                    if size < largest]
            plan += [(resource.RLIMIT_FSIZE, largest, {0, 74})]
            plan += [(resource.RLIMIT_NOFILE, number, {0, 66, 73, 74}) for number in range(4, 12)]
            plan += [(resource.RLIMIT_NPROC, number, {0}) for number in (1, 2, 3)]
            plan += [(resource.RLIMIT_STACK, size << 10, {0}) for size in (1024, 4096)]
            plan += [(resource.RLIMIT_AS, size << 20, {0}) for size in (64, 96, 128, 512)]
            for kind, value, statuses in plan:
                case.reset()
                ended = run(parallel, case.folder, before=limit(kind, value))
                ended_with.append(ended.status)
                fault = ended.fault(statuses) or case.fault(ended.status)
                if kind == resource.RLIMIT_FSIZE and fault == UNSAID:
                    fault = None
                if fault:
                    faults.append(f"{name}: limit {kind} at {value}: {fault}; {ended.summary}")
    return f"{len(ended_with)} runs, statuses {sorted(set(ended_with))}", faults


def kills(options, _, count):
    """`kill -9` at any time: the files are whole, and another run succeeds."""
    faults, rnd, ended_first = [], random.Random(options.seed), 0
    with tempfile.TemporaryDirectory(prefix="fp8c-kills-") as base:
        case = Case(options.fp8c, "external", base)
        start = time.monotonic()
        run(case.command, case.folder)
        duration = time.monotonic() - start
        for index in range(count):
            case.reset()
            process = subprocess.Popen(case.command, cwd=case.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rnd.random() * duration)
            process.send_signal(signal.SIGKILL)
            status = process.wait()
            ended_first += status == 0
            fault = case.fault(0 if status == 0 else 137, may_leave=2)
            if not fault and index % 10 == 0:
                again = run(case.command, case.folder)
                fault = None if again.status == 0 else f"the next run: {again.summary}"
            if fault:
                faults.append(f"kill {index}: {fault}")
    return f"{count - ended_first} killed under way, {ended_first} ended before", faults


def full_disks(options, _, __):
    """Disks of one page, two, half of the output and all but one page of it. Needs the right to mount."""
    faults, statuses = [], []
    with tempfile.TemporaryDirectory(prefix="fp8c-full-") as base:
        case = Case(options.fp8c, "network", base)
        size = len(case.new["o.onnx"])
        disk = os.path.join(base, "disk")
        os.mkdir(disk)
        pages = -(-size // 4096)
        for room in sorted({1, 2, pages // 2, pages - 1}):
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room * 4096}", "tmpfs", disk], check=True)
            try:
                arguments = list(case.command)
                arguments[arguments.index("o.onnx")] = os.path.join(disk, "o.onnx")
                ended = run(arguments, case.folder)
                left = os.listdir(disk)
                statuses.append(ended.status)
                if ended.status not in (73, 74) or left:
                    faults.append(f"{room * 4096} bytes of {size}: {ended.summary}, left {left}")
            finally:
                subprocess.run(["umount", disk], check=True)
    return f"{len(statuses)} sizes, statuses {statuses}", faults

#!/usr/bin/env python3
"""Writes a wheel that holds a command and nothing of Python: make-wheel.py BINARY VERSION FOLDER.

The tag is the oldest C library that has every symbol that the binary asks for (PEP 600).
"""

import base64
import hashlib
import os
import re
import subprocess
import sys
import time
import zipfile


def glibc(binary):
    """The newest version of the C library that the binary needs."""
    symbols = subprocess.run(["objdump", "-T", binary], capture_output=True, text=True, check=True).stdout
    return max(tuple(int(part) for part in version.split(".")[:2]) for version in re.findall(r"GLIBC_(2\.\d+)", symbols))


def main():
    binary, version, folder = sys.argv[1:]
    machine = os.uname().machine
    tag = "py3-none-manylinux_{}_{}_{}".format(*glibc(binary), machine)
    information = f"fp8c-{version}.dist-info"
    with open(binary, "rb") as file:
        command = file.read()
    metadata = (f"Metadata-Version: 2.1\nName: fp8c\nVersion: {version}\n"
                "Summary: Compiles ONNX models into FP8 models for Intel Gaudi2\n")
    wheel = f"Wheel-Version: 1.0\nGenerator: fp8c\nRoot-Is-Purelib: false\nTag: {tag}\n"
    files = [(f"fp8c-{version}.data/scripts/fp8c", command, 0o100755),
             (f"{information}/METADATA", metadata.encode(), 0o100644),
             (f"{information}/WHEEL", wheel.encode(), 0o100644)]
    record = ""
    for path, content, _ in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content)}\n"
    record += f"{information}/RECORD,,\n"
    files.append((f"{information}/RECORD", record.encode(), 0o100644))
    # Archives of zip begin with 1980.
    moment = max(time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6], (1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(os.path.join(folder, f"fp8c-{version}-{tag}.whl"), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content, mode in files:
            entry = zipfile.ZipInfo(path, moment)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


if __name__ == "__main__":
    main()

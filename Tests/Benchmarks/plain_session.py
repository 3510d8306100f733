"""Runs every batch of an archive through a default session of ONNX Runtime: what `fp8c measure` does, unobserved.

    plain_session.py MODEL ARCHIVE
"""

import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
stacks = np.load(sys.argv[2])
for index in range(len(stacks[stacks.files[0]])):
    session.run(None, {name: stacks[name][index] for name in stacks.files})

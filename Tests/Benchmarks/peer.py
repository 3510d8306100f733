"""Quantizes a model with another tool: ONNX Runtime in FP8, or Intel's, which has INT8 only for ONNX.

    peer.py ort|intel MODEL ARCHIVE OUTPUT
"""

import sys

import numpy as np


def batches(archive):
    stacks = np.load(archive)
    count = len(stacks[stacks.files[0]])
    return [{name: stacks[name][index] for name in stacks.files} for index in range(count)]


def ort(model, archive, output):
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = iter(batches(archive))

        def get_next(self):
            return next(self.batches, None)

    quantize_static(
        model, output, Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        activation_type=QuantType.QFLOAT8E4M3FN, weight_type=QuantType.QFLOAT8E4M3FN,
        calibrate_method=CalibrationMethod.Distribution)


def intel(model, archive, output):
    from onnx_neural_compressor import data_reader
    from onnx_neural_compressor.quantization import config, quantize

    class Reader(data_reader.CalibrationDataReader):
        def __init__(self):
            self.rewind()

        def get_next(self):
            return next(self.batches, None)

        def rewind(self):
            self.batches = iter(batches(archive))

    quantize(model, output, config.StaticQuantConfig(calibration_data_reader=Reader()))


{"ort": ort, "intel": intel}[sys.argv[1]](*sys.argv[2:])

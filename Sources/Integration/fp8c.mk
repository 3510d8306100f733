# Rules for GNU Make: NAME.onnx becomes NAME.fp8.onnx.
#
#   include $(shell pkg-config --variable=prefix fp8c)/share/fp8c/fp8c.mk
#   all: digits.fp8.onnx
#   digits.fp8.onnx: FP8C_FLAGS = --config fp8.json --calibration images.npz
#
# The first run lists every file that was read in NAME.fp8.onnx.d; later ones follow it.

FP8C ?= fp8c

.DELETE_ON_ERROR:

# An output of unchanged content keeps its time, which Make would take for one that is due.
%.fp8.onnx: %.onnx
	$(FP8C) compile $< -o $@ --depfile $@.d $(FP8C_FLAGS)
	@touch $@

-include $(wildcard *.fp8.onnx.d)

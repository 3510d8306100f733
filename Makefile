# The two commands of the README are `make demo` and `make test`; CI runs the second.

PREFIX ?= /usr/local
BUILD_FLAGS := --explicit-target-dependency-import-check error
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
FP8C := .build/release/fp8c

.PHONY: all build test demo golden bench bench-peers lint install dependencies generated runtime

all: build

# Debian's packages: headers are looked for first, so nothing is asked for twice.
dependencies:
	@if ! pkg-config --exists libprotobuf-c zlib libcrypto 2>/dev/null; then \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) apt-get install -y -qq pkg-config libprotobuf-c-dev zlib1g-dev libssl-dev; \
	fi

# The compiler of protobuf-c is only needed to compare the generated code with what is committed.
generated:
	@if ! command -v protoc-c >/dev/null; then \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq protobuf-c-compiler; \
	fi
	@Sources/Integration/check-generated.sh

# ONNX Runtime's shared library out of its wheel, into an ignored folder; no Python at run time.
runtime:
	@Sources/Integration/fetch-onnxruntime.sh .onnxruntime >/dev/null

build: dependencies
	swift build -c release --product fp8c --static-swift-stdlib $(BUILD_FLAGS)

test: dependencies generated runtime lint
	swift build --build-tests --enable-code-coverage $(BUILD_FLAGS)
	FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  swift test --skip-build --enable-code-coverage
	Sources/Integration/check-diagnostics.py $$(swift test --show-codecov-path)

demo: build runtime
	@FP8C=$(FP8C) \
	  FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  Sources/Integration/demo.sh

# Rewrites the golden files: their difference is to be read before it is committed.
golden: build
	$(FP8C) golden update golden

# Every run adds a line to the ignored file models/history.jsonl.
bench: build runtime .venv/bench
	FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  .venv/bin/python Tests/Benchmarks/bench.py $(GROUPS)

# The same models beside the quantizers of ONNX Runtime and of Intel.
bench-peers: build runtime .venv/bench .venv/peers/ready
	FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  .venv/bin/python Tests/Benchmarks/peers.py

.venv/bench:
	@[ -x /usr/bin/time ] || $(SUDO) apt-get install -y -qq time
	python3 -m venv .venv
	.venv/bin/pip install -q numpy onnx==1.23.2 onnxruntime==1.32.0 ml_dtypes
	touch $@

# Its own environment: Intel's asks for an older NumPy.
.venv/peers/ready: .venv/bench
	python3 -m venv .venv/peers
	.venv/peers/bin/pip install -q onnx==1.23.2 onnxruntime==1.32.0 onnx-neural-compressor==1.0 \
	  coloredlogs packaging prettytable psutil py-cpuinfo pydantic scikit-learn scipy sympy
	touch $@

lint:
	swift format lint -r --strict Sources Tests Package.swift

install: build
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/fp8c/schemas/targets
	install -s -m 755 $(FP8C) $(DESTDIR)$(PREFIX)/bin/fp8c
	install -m 644 schemas/*.json $(DESTDIR)$(PREFIX)/share/fp8c/schemas
	install -m 644 schemas/targets/*.json $(DESTDIR)$(PREFIX)/share/fp8c/schemas/targets

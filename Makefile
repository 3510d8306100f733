# The two commands of the README are `make demo` and `make test`; CI runs the second.

PREFIX ?= /usr/local
BUILD_FLAGS := --explicit-target-dependency-import-check error
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
FP8C := .build/release/fp8c
INSTALLED = $(DESTDIR)$(PREFIX)

.PHONY: all build test test-commands demo docs golden bench bench-peers matrix lint install install-files package test-package test-tools soak fuzz strace dependencies generated runtime

all: build

# Debian's packages: headers are looked for first, so nothing is asked for twice.
dependencies:
	@if ! pkg-config --exists libprotobuf-c zlib libcrypto 2>/dev/null; then \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) apt-get install -y -qq pkg-config libprotobuf-c-dev zlib1g-dev libssl-dev; \
	fi

# The build systems that the examples are for, a validator of JSON Schemas, and the tools of Debian packages.
test-tools:
	@if ! command -v cmake >/dev/null || ! command -v ninja >/dev/null \
	    || ! command -v lintian >/dev/null || ! command -v dpkg-shlibdeps >/dev/null \
	    || ! /usr/bin/python3 -c 'import jsonschema' 2>/dev/null; then \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) apt-get install -y -qq cmake dpkg-dev lintian ninja-build python3-jsonschema; \
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

test: dependencies test-tools generated runtime lint .venv/dask/ready .venv/bench strace
	swift build --build-tests --enable-code-coverage $(BUILD_FLAGS)
	FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  swift test --skip-build --enable-code-coverage
	Sources/Integration/check-diagnostics.py $$(swift test --show-codecov-path)
	LLVM_PROFILE_FILE=/dev/null /usr/bin/python3 Sources/Integration/check-schemas.py .build/debug/fp8c
	FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  LLVM_PROFILE_FILE=/dev/null FP8C=.build/debug/fp8c Tests/Examples/run.sh \
	  make ninja cmake links shards library swiftpm
	FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  .venv/bin/python Tests/Soak/soak.py --fp8c .build/debug/fp8c $(SHORT_SOAK)
	FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  LLVM_PROFILE_FILE=/dev/null .venv/bin/python Tests/Examples/documentation.py .build/debug/fp8c
	$(MAKE) test-package
	$(MAKE) test-commands DEBUG_FLAGS="--enable-code-coverage $(BUILD_FLAGS)"

# What else the README says to make, on little of what each takes.
test-commands:
	$(MAKE) demo
	$(MAKE) docs
	$(MAKE) golden
	$(MAKE) install DESTDIR=$(CURDIR)/.build/installed
	$(MAKE) matrix ARGUMENTS=digits/digits_cnn.ts
	$(MAKE) soak ARGUMENTS="--seed 7 --count models=1000 models"
	$(MAKE) bench GROUPS=startup
	$(MAKE) bench-peers ARGUMENTS="--batches 1 resnet18"
	$(MAKE) fuzz FUZZ_SECONDS=5

# A minute of what 'make soak' does for hours, always the same.
SHORT_SOAK := $(foreach count,models=300 texts=100 json=100 npz=50 faults=20 lasting=10 kills=20 graphs=30 planted=20,--count $(count))

demo: build runtime
	@FP8C=$(FP8C) \
	  FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  Sources/Integration/demo.sh

# How the debug build is made that some targets compare with or read; 'test' has one that counts coverage.
DEBUG_FLAGS ?=

# The reference and the tutorials as a DocC archive, which any server of files serves.
docs: build
	swift build --target FP8Compiler $(DEBUG_FLAGS)
	Sources/Integration/make-docs.sh $(FP8C) .build/debug .build/documentation

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
	  .venv/bin/python Tests/Benchmarks/peers.py $(ARGUMENTS)

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

# Dask's scheduler, on which an example measures.
.venv/dask/ready:
	python3 -m venv .venv/dask
	.venv/dask/bin/pip install -q distributed==2026.8.0 numpy
	touch $@

# The same bytes whatever stands around a run: one digest a model over all combinations.
matrix: build
	swift build --product fp8c $(DEBUG_FLAGS)
	Tests/Determinism/matrix.py $(FP8C) .build/debug/fp8c $(ARGUMENTS)

# Mutants, faults of the system, kills and full disks: `make soak ARGUMENTS="--seed 7 --count models=1000 models"`.
soak: build runtime .venv/bench strace
	FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  .venv/bin/python Tests/Soak/soak.py $(ARGUMENTS)

# libFuzzer with the address checker, so many seconds for each target; what it finds is left in .build-fuzz/found.
FUZZ_SECONDS ?= 600
FUZZ_SEEDS_model := Tests/Fuzz/Corpora/model golden/models/onnx golden/models/bad
FUZZ_SEEDS_text := Tests/Fuzz/Corpora/text $(filter-out golden/models/ golden/README.md,$(wildcard golden/*/))
FUZZ_SEEDS_configuration := Tests/Fuzz/Corpora/configuration schemas/targets
FUZZ_SEEDS_measurement := Tests/Data/Measurements
FUZZ_SEEDS_archive := Tests/Data/NPZ Tests/Data/Measurements

fuzz: dependencies
	FP8C_FUZZ=1 swift build -c release --product fp8c-fuzz --sanitize=fuzzer --sanitize=address \
	  -Xswiftc -sanitize-coverage=edge,inline-8bit-counters,pc-table \
	  --scratch-path .build-fuzz
	$(MAKE) $(addprefix fuzz-,model text configuration measurement archive)

fuzz-%:
	mkdir -p .build-fuzz/found .build-fuzz/corpus/$*
	FP8C_FUZZ=$* SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0 .build-fuzz/release/fp8c-fuzz \
	  -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=3000 -max_len=16384 -verbosity=0 \
	  -print_final_stats=1 -artifact_prefix=.build-fuzz/found/$*- .build-fuzz/corpus/$* $(FUZZ_SEEDS_$*)

strace:
	@command -v strace >/dev/null || $(SUDO) apt-get install -y -qq strace

lint:
	swift format lint -r --strict Sources Tests Package.swift

install: build install-files

# A tarball, a Debian package and a wheel, in .build/packages.
package: build
	Sources/Integration/package/build.sh .build/packages

# Each of them made twice, installed into a root with nothing but what it asks for, and run there.
test-package: package runtime
	FP8C_ONNXRUNTIME=$$(Sources/Integration/fetch-onnxruntime.sh .onnxruntime) \
	  Sources/Integration/package/test.sh .build/packages

# What stands beside the binary is made from it: completions, and a manual page for each command.
install-files:
	install -d $(INSTALLED)/bin $(INSTALLED)/share/fp8c/schemas/targets $(INSTALLED)/lib/cmake/fp8c \
	  $(INSTALLED)/share/pkgconfig $(INSTALLED)/share/man/man1 \
	  $(INSTALLED)/share/bash-completion/completions $(INSTALLED)/share/zsh/site-functions \
	  $(INSTALLED)/share/fish/vendor_completions.d
	install -s -m 755 $(FP8C) $(INSTALLED)/bin/fp8c
	install -m 644 schemas/*.json $(INSTALLED)/share/fp8c/schemas
	install -m 644 schemas/targets/*.json $(INSTALLED)/share/fp8c/schemas/targets
	install -m 644 Sources/Integration/fp8c.mk Sources/Integration/fp8c.ninja $(INSTALLED)/share/fp8c
	install -m 644 Sources/Integration/cmake/fp8c-config.cmake $(INSTALLED)/lib/cmake/fp8c
	sed "s/@VERSION@/$$($(FP8C) --version)/" Sources/Integration/cmake/fp8c-config-version.cmake.in \
	  >$(INSTALLED)/lib/cmake/fp8c/fp8c-config-version.cmake
	sed "s/@VERSION@/$$($(FP8C) --version)/" Sources/Integration/fp8c.pc.in \
	  >$(INSTALLED)/share/pkgconfig/fp8c.pc
	$(FP8C) --generate-completion-script bash | sed '1{/^#!/d}' \
	  >$(INSTALLED)/share/bash-completion/completions/fp8c
	$(FP8C) --generate-completion-script zsh >$(INSTALLED)/share/zsh/site-functions/_fp8c
	$(FP8C) --generate-completion-script fish \
	  >$(INSTALLED)/share/fish/vendor_completions.d/fp8c.fish
	$(FP8C) --experimental-dump-help \
	  | Sources/Integration/make-manual.py $(INSTALLED)/share/man/man1 $$($(FP8C) --version)

#!/usr/bin/env bash
# Builds the example of each build system and checks what a change rebuilds.
#
# usage: run.sh [make | ninja | cmake | swiftpm | links | shards | library]...
#
# FP8C names the binary (default: .build/release/fp8c), DASK_PYTHON a Python that has Dask's scheduler and
# NumPy (default: .venv/dask/bin/python). All work is done in a temporary folder.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
fp8c=${FP8C:-$root/.build/release/fp8c}
unset FP8C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
: >"$work/log"

fail() {
  echo "FAILED: $*" >&2
  tail -n 30 "$work/log" >&2
  exit 1
}

# Installs as a user would, with a wrapper around the binary that counts its runs.
install_counted() {
  make -s -C "$root" install-files PREFIX="$prefix" FP8C="$fp8c"
  mv "$prefix/bin/fp8c" "$prefix/bin/fp8c.real"
  printf '#!/bin/sh\necho run >>"%s"\nexec "%s" "$@"\n' "$work/runs" "$prefix/bin/fp8c.real" \
    >"$prefix/bin/fp8c"
  chmod +x "$prefix/bin/fp8c"
  export PATH=$prefix/bin:$PATH PKG_CONFIG_PATH=$prefix/share/pkgconfig CMAKE_PREFIX_PATH=$prefix
}

# What else an installation has: a page for each command, completions that parse, a version for CMake.
check_installation() {
  local command pages=$prefix/share/man/man1
  for command in $("$fp8c" --experimental-dump-help | grep -o '"commandName" *: *"[a-z0-9-]*"' \
    | sed 's/.*"\([a-z0-9-]*\)"$/\1/' | grep -vx -e help -e fp8c -e check -e update | sort -u); do
    grep -q '^\.SH EXAMPLES' "$pages/fp8c-$command.1" || fail "no manual page for $command"
  done
  bash -n "$prefix/share/bash-completion/completions/fp8c" || fail "completions for bash"
  [ "$(pkg-config --variable=bindir fp8c)/fp8c" -ef "$prefix/bin/fp8c" ] || fail "pkg-config"
  "$prefix/bin/fp8c" schema target | cmp - "$prefix/share/fp8c/schemas/target.schema.json" \
    || fail "schemas"
  echo "installed: a page for each command, completions, schemas, pkg-config: ok"
}

# A fresh copy of an example ($1) with the model in the folder $2.
copy_example() {
  rm -rf "$work/example"
  cp -r "$root/Tests/Examples/$1" "$work/example"
  local folder=$work/example/$2
  cp "$root/golden/models/onnx/external_many.onnx" "$folder/model.onnx"
  cp -r "$root/golden/models/onnx/external_files" "$folder"
  cp "$root"/Tests/Examples/model/model* "$folder"
  echo "nothing to do with it" >"$folder/notes.txt"
  : >"$work/runs"
}

runs() { wc -l <"$work/runs"; }

# Runs the build; it ran fp8c $2 times, and afterwards the output differs ("new") or not ("same").
step() {
  local what=$1 expected=$2 content=$3 before after=0
  before=$(sha256sum 2>/dev/null <"$output" || true)
  : >"$work/runs"
  (cd "$work/example" && build) >"$work/log" 2>&1 || fail "$system: $what: the build failed"
  [ -f "$output" ] || fail "$system: $what: there is no output"
  [ "$(runs)" = "$expected" ] || fail "$system: $what: fp8c ran $(runs) times, expected $expected"
  after=$(sha256sum <"$output")
  case $content in
    new) [ "$before" != "$after" ] || fail "$system: $what: the output is the same" ;;
    same) [ "$before" = "$after" ] || fail "$system: $what: the output is another" ;;
  esac
  echo "$system: $what: ok"
}

# The steps that every build system has to pass; $1 is the folder of the model in the example.
steps() {
  local folder=$work/example/$1
  step "clean build" 1 new
  step "build again, nothing runs" 0 same
  printf '\xbd' | dd of="$folder/external_files/a.bin" bs=1 seek=4099 conv=notrunc status=none
  step "weights edited" 1 new
  step "build again, nothing runs" 0 same
  sed -i 's/fp32/fp16/' "$folder/model.config.json"
  step "configuration edited" 1 new
  sed -i 's/^\( *\)[0-9][0-9.]*$/\11000.0/' "$folder/model_hooks_maxabs.json"
  step "measurement edited" 1 new
  step "build again, nothing runs" 0 same
  touch "$folder/$unrelated"
  step "another file touched, nothing runs" 0 same
  touch "$folder/external_files/b.bin"
  step "weights touched only" 1 same
  step "build again, nothing runs" 0 same
  rm "$output"
  head -c 100 "$root/golden/models/onnx/external_many.onnx" >"$folder/model.onnx"
  if (cd "$work/example" && build) >"$work/log" 2>&1; then fail "$system: a broken model passed"; fi
  grep -q "error: .*model.onnx" "$work/log" || fail "$system: the error does not name the model"
  [ ! -e "$output" ] || fail "$system: a broken model left an output"
  echo "$system: broken model fails, no output: ok"
}

# The programs in C and in Swift that use the library print what the command prints, and write the same files.
run_library() {
  local built sample digits=$root/golden/models/digits/digits_cnn.ts.onnx
  built=$(cd "$(dirname "$fp8c")" && pwd)
  mkdir -p "$work/library"
  cd "$work/library"
  cc -std=c11 -Wall -Wextra -Werror "$root/Tests/Examples/library/main.c" -o c-sample \
    -I"$root/Sources/CFP8Compiler/include" -L"$built" -lfp8compiler -Wl,-rpath,"$built" \
    >"$work/log" 2>&1 || fail "library: the sample in C does not compile"
  cp "$digits" model.onnx
  head -c 100 model.onnx >broken.onnx
  for sample in command ./c-sample "$built/fp8c-sample"; do
    rm -f out.*
    local kept="$work/library/$(basename "$sample")-kept"
    mkdir -p "$kept"
    local step
    for step in "inspect model.onnx" "quantize model.onnx out.onnx" "verify model.onnx out.onnx" \
      "verify broken.onnx out.onnx" "quantize broken.onnx out.onnx" "inspect no.onnx"; do
      # shellcheck disable=SC2086
      set -- $step
      local status=0
      if [ "$sample" = command ]; then
        case $1 in
          inspect) "$built/fp8c" inspect "$2" --scale-method unit_scale ;;
          quantize) "$built/fp8c" quantize "$2" -o "$3" --scale-method unit_scale --progress never ;;
          verify) "$built/fp8c" verify "$2" "$3" ;;
        esac >"$kept/$*.out" 2>"$kept/$*.err" || status=$?
      else
        "$sample" "$@" >"$kept/$*.out" 2>"$kept/$*.err" || status=$?
      fi
      echo "$status" >"$kept/$*.status"
    done
    cp out.* "$kept"
    diff -r "$work/library/command-kept" "$kept" >"$work/log" 2>&1 \
      || fail "library: $sample says or writes something else"
  done
  [ "$(cat "$work/library/command-kept/quantize broken.onnx out.onnx.status")" = 65 ] \
    || fail "library: a broken model"
  cd "$root"
  echo "library: programs in C and Swift print and write what the command does: ok"
}

run_make() {
  system=make output=$work/example/model.fp8.onnx unrelated=notes.txt
  build() { make; }
  copy_example make .
  steps .
}

run_ninja() {
  system=ninja output=$work/example/model.fp8.onnx unrelated=notes.txt
  build() { ninja; }
  copy_example ninja .
  cp "$prefix/share/fp8c/fp8c.ninja" "$work/example"
  steps .
}

run_cmake() {
  local generator
  for generator in "Unix Makefiles" Ninja; do
    system="cmake, $generator" output=$work/example/build/model.fp8.onnx unrelated=notes.txt
    build() { cmake --build build; }
    copy_example cmake .
    cmake -S "$work/example" -B "$work/example/build" -G "$generator" >"$work/log" 2>&1 \
      || fail "$system: the configuration failed"
    steps .
  done
}

# SwiftPM builds fp8c itself, once more in the second build after it was downloaded: both come before the
# steps. What ran is seen from the time of the output.
run_swiftpm() {
  system=swiftpm unrelated=App.swift
  copy_example swiftpm Sources/App
  rm "$work/example/Sources/App/notes.txt"
  ln -s "$root" "$work/fp8c"
  output=$work/example/.build/plugins/outputs/example/App/destination/CompileModels/model.fp8.onnx
  build() {
    local before
    before=$(stat -c %Y.%y "$output" 2>/dev/null || true)
    swift build || return 1
    [ "$before" = "$(stat -c %Y.%y "$output")" ] || echo run >>"$work/runs"
  }
  (cd "$work/example" && swift build && swift build) >"$work/log" 2>&1 \
    || fail "$system: fp8c cannot be built"
  rm "$output"
  steps Sources/App
}

# What a build that has to know its inputs beforehand does: a folder of links to what --print-deps lists.
run_links() {
  system=links
  copy_example make .
  local links=$work/links file
  local flags=(--config model.config.json --dump-stats-path model)
  (cd "$work/example" && fp8c compile model.onnx -o model.fp8.onnx "${flags[@]}" -q)
  (cd "$work/example" && fp8c inspect --print-deps model.onnx "${flags[@]}") >"$work/files"
  while read -r file; do
    mkdir -p "$links/$(dirname "$file")"
    ln -s "$work/example/$file" "$links/$file"
  done <"$work/files"
  (cd "$links" && fp8c compile model.onnx -o model.fp8.onnx "${flags[@]}" -q) >"$work/log" 2>&1 \
    || fail "$system: compiling from links failed"
  cmp "$work/example/model.fp8.onnx" "$links/model.fp8.onnx" || fail "$system: another output"
  cmp "$work/example/model.fp8.scales.json" "$links/model.fp8.scales.json" \
    || fail "$system: another table"
  echo "$system: $(wc -l <"$work/files") files listed, compiled from links to them: ok"
}

# Measures 64 batches at once, by Dask in four shards on two workers, and by a job array: one measurement.
run_shards() {
  system=shards
  local python=${DASK_PYTHON:-$root/.venv/dask/bin/python} folder=$work/shards task file
  local model=$root/golden/models/digits/digits_cnn.ts.onnx
  mkdir -p "$folder"
  "$python" - "$root/golden/models/digits/calib.npz" "$folder/batches.npz" <<'END'
import sys
import numpy
images = numpy.load(sys.argv[1])["image"]
numpy.savez(sys.argv[2], image=images.reshape(64, 1, *images.shape[-3:]))
END
  fp8c measure "$model" --calibration "$folder/batches.npz" --dump-stats-path "$folder/one" -q
  "$python" "$root/Tests/Examples/dask/measure.py" "$model" "$folder/batches.npz" "$folder/dask" 4 \
    >"$work/log" 2>&1 || fail "$system: Dask"
  grep -q "4 shards by 2 workers" "$work/log" || fail "$system: not two workers"
  for task in 3 1 4 2; do
    SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=4 "$root/Tests/Examples/job-array/measure.sh" \
      "$model" "$folder/batches.npz" "$folder/array" >"$work/log" 2>&1 || fail "$system: job array"
  done
  fp8c unify "$folder"/array_hooks_maxabs_{2,0,3,1}_4.json -o "$folder/array_hooks_maxabs.json" -q
  for file in dask array; do
    cmp "$folder/one_hooks_maxabs.json" "$folder/${file}_hooks_maxabs.json" || fail "$system: $file"
    cmp "$folder/one_hooks_maxabs.npz" "$folder/${file}_hooks_maxabs.npz" || fail "$system: $file"
  done
  echo "$system: 64 batches in four shards, by two Dask workers and by a job array: the same bytes"
}

install_counted
check_installation
for name in "${@:-make ninja cmake links shards}"; do
  for one in $name; do "run_$one"; done
done

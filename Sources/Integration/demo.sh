#!/bin/sh
# Compiles two networks with their calibration batches into .demo/ and prints what became of them.
#
# Run by `make demo`, which sets FP8C and FP8C_ONNXRUNTIME. A CPU has no bfloat16 arithmetic in ONNX
# Runtime, so outputs are compared on a twin whose other operators are float32 (--hp-dtype fp32).
set -eu
cd "$(dirname "$0")/../.."
fp8c=${FP8C:-.build/release/fp8c}
models=golden/models
out=.demo
mkdir -p "$out"

# The bytes of a file.
size() { wc -c <"$1" | tr -d ' '; }

# The largest clipped fraction of the weights in a scale table.
worst_clipped() {
  awk -F': ' '/"clipped_fraction"/ { gsub(",", "", $2); if ($2 + 0 > worst) worst = $2 + 0 }
    END { printf "%g", worst }' "$1"
}

# The entries of a top-level array of `fp8c inspect`, counted by their key.
count() { awk -v key="\"$1\":" '$1 == key { n++ } END { print n + 0 }' "$2"; }

# demo NAME MODEL CALIBRATION
demo() {
  name=$1 model=$2 calibration=$3
  "$fp8c" compile "$model" -o "$out/$name.fp8.onnx" --calibration "$calibration" \
    --dump-stats-path "$out/$name/measure" -q
  "$fp8c" compile "$model" -o "$out/$name.twin.onnx" --calibration "$calibration" \
    --dump-stats-path "$out/$name.twin/measure" --hp-dtype fp32 -q
  "$fp8c" inspect "$model" >"$out/$name.modules.json"
  verified=$("$fp8c" verify "$model" "$out/$name.twin.onnx" --inputs "$calibration")
  before=$(size "$model")
  after=$(size "$out/$name.fp8.onnx")
  printf '%s\n' "$name"
  printf '  %-24s %s -> %s\n' files "$model" "$out/$name.fp8.onnx"
  printf '  %-24s %s taken, %s left\n' modules \
    "$(count path "$out/$name.fp8.scales.json")" "$(count node "$out/$name.modules.json")"
  printf '  %-24s %s before, %s after (%s %%)\n' bytes "$before" "$after" $((after * 100 / before))
  printf '  %-24s %s of a weight\n' 'worst clipped fraction' "$(worst_clipped "$out/$name.fp8.scales.json")"
  printf '  %-24s %s\n' proved "$(printf '%s\n' "$verified" | head -n 1)"
  printf '  %-24s %s (float32 twin, calibration batches)\n' output "$(printf '%s\n' "$verified" | tail -n +2)"
}

demo digits_cnn $models/digits/digits_cnn.ts.onnx $models/digits/calib.npz
printf '  %-24s %s (float32 twin)\n' 'test images' "$("$fp8c" verify $models/digits/digits_cnn.ts.onnx \
  "$out/digits_cnn.twin.onnx" --inputs $models/digits/test.npz \
  --labels $models/digits/test.npz:label | tail -n 1)"
demo resnet18_w16 $models/resnet18/resnet18_w16.ts.onnx $models/resnet18/resnet18_w16.ts.inputs.npz

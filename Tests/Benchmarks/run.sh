#!/bin/sh
# Quantizes a model with one MatMul weight of 512 MiB and copies the same file, five times in turn.
#
# Run by `make bench`, which sets FP8C. Prints the medians, their ratio and the peak memory of
# quantizing; the goal is under 100 MB (engineering.md section 1: memory does not grow with weights).
set -eu
cd "$(dirname "$0")/../.."
fp8c=${FP8C:-.build/release/fp8c}
folder=Tests/Benchmarks/models
model=$folder/matmul-512m.onnx
rounds=5
rows=16384 columns=8192 # times 4 bytes: 512 MiB
weight=$((rows * columns * 4))
mkdir -p "$folder"
[ -x /usr/bin/time ] || {
  echo "run.sh: /usr/bin/time is missing, which Debian's package 'time' brings" >&2
  exit 1
}

# A varint and a field of a protobuf message, as escapes for printf's %b.
varint() {
  value=$1
  while [ "$value" -ge 128 ]; do
    printf '\\0%03o' $((value % 128 + 128))
    value=$((value / 128))
  done
  printf '\\0%03o' "$value"
}
number() { varint $(($1 * 8)) && varint "$2"; }
# field NUMBER LENGTH CONTENT, where CONTENT's escapes stand for LENGTH bytes.
field() { varint $(($1 * 8 + 2)) && varint "$2" && printf '%s' "$3"; }
# How many bytes escapes stand for.
length() { printf '%b' "$1" | wc -c | tr -d ' '; }
message() { field "$1" "$(length "$2")" "$2"; }

# x[1, rows] times w[rows, columns]; the numbers are those of onnx.proto.
write_model() {
  node=$(field 1 1 x; field 1 1 w; field 2 1 y; field 3 2 fc; field 4 6 MatMul)
  tensor=$(number 1 $rows; number 1 $columns; number 2 1; field 8 1 w)
  head=$(varint $((9 * 8 + 2)); varint $weight)
  described() {
    dims=$(message 1 "$(number 1 1)"; message 1 "$(number 1 "$2")")
    type=$(number 1 1; message 2 "$dims")
    field 1 1 "$1" && message 2 "$(message 1 "$type")"
  }
  before=$(message 1 "$node"; field 2 1 g)
  after=$(message 11 "$(described x $rows)"; message 12 "$(described y $columns)")
  tensor_length=$(($(length "$tensor") + $(length "$head") + weight))
  entry=$(varint $((5 * 8 + 2)); varint $tensor_length)
  graph=$(($(length "$before") + $(length "$entry") + tensor_length + $(length "$after")))
  opset=$(field 1 0 ''; number 2 21)
  {
    printf '%b' "$(number 1 10; varint $((7 * 8 + 2)); varint $graph)$before$entry$tensor$head"
    # Floats of every kind near one: bytes of a fixed pattern, 0x3C to 0x3F on top.
    awk 'BEGIN { for (i = 0; i < 65536; i++)
      printf "%c%c%c%c", 65 + i % 26, 97 + i % 25, 48 + i % 10, 60 + i % 4 }' >"$folder/block"
    i=0
    while [ $i -lt $((weight / 262144)) ]; do
      cat "$folder/block"
      i=$((i + 1))
    done
    printf '%b' "$after$(message 8 "$opset")"
  } >"$model.part"
  rm -f "$folder/block"
  mv "$model.part" "$model"
}
[ -s "$model" ] || LC_ALL=C write_model

# Seconds of a command, with its peak memory in KiB, by GNU time.
timed() { /usr/bin/time -f '%e %M' -o "$folder/time" "$@" && cat "$folder/time"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

: >"$folder/quantize.txt"
: >"$folder/copy.txt"
cat "$model" >/dev/null
round=0
while [ $round -lt $rounds ]; do
  timed "$fp8c" quantize "$model" -o "$folder/out.onnx" --scale-method unit_scale \
    --hp-dtype fp32 --no-sync -q >>"$folder/quantize.txt"
  timed cp --reflink=never "$model" "$folder/copy.onnx" >>"$folder/copy.txt"
  rm -f "$folder/copy.onnx"
  round=$((round + 1))
done
quantize=$(cut -d' ' -f1 "$folder/quantize.txt" | median)
copy=$(cut -d' ' -f1 "$folder/copy.txt" | median)
peak=$(cut -d' ' -f2 "$folder/quantize.txt" | sort -n | tail -n 1)
awk -v q="$quantize" -v c="$copy" -v p="$peak" 'BEGIN {
  printf "quantize %.2f s, cp %.2f s, ratio %.2f (medians of five)\n", q, c, q / c
  printf "peak memory of quantize %.1f MB\n", p * 1024 / 1e6
}'

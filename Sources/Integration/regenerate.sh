#!/bin/sh
# Generates onnx.pb-c.c and include/onnx.pb-c.h from schemas/onnx.proto with protoc-c 1.4.1, into
# the folder given or over the committed files.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${1:-$root/Sources/CONNX}
version=$(protoc-c --version | head -n 1)
if [ "$version" != "protobuf-c 1.4.1" ]; then
  echo "regenerate.sh: found '$version', expected 'protobuf-c 1.4.1'" >&2
  exit 1
fi
mkdir -p "$target/include"
protoc-c --proto_path="$root/schemas" --c_out="$target" onnx.proto
mv "$target/onnx.pb-c.h" "$target/include/onnx.pb-c.h"

#!/bin/sh
# Generates the C code of schemas/onnx.proto again and compares it with what is committed.
set -eu
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
Sources/Integration/regenerate.sh "$folder" >/dev/null
find "$folder" -name 'onnx.pb-c.*' | while read -r file; do
  name=$(basename "$file")
  case $name in
  *.h) committed=Sources/CONNX/include/$name ;;
  *) committed=Sources/CONNX/$name ;;
  esac
  cmp "$file" "$committed"
done

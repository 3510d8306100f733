#!/bin/sh
# Unpacks ONNX Runtime's shared library from its Python wheel into a folder, once, and prints its path.
set -eu
folder=$1
version=1.32.0
find_library() { find "$folder" -name 'libonnxruntime.so*' -type f 2>/dev/null | sort | head -n 1; }

library=$(find_library)
if [ -z "$library" ]; then
  mkdir -p "$folder"
  python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$folder" \
    "onnxruntime==$version" >&2
  python3 -m zipfile -e "$folder"/onnxruntime-*.whl "$folder/wheel"
  rm -f "$folder"/onnxruntime-*.whl
  # Only the library is needed.
  find "$folder/wheel" -type f ! -name 'libonnxruntime.so*' -delete
  library=$(find_library)
fi
case $library in
/*) printf '%s\n' "$library" ;;
*) printf '%s\n' "$PWD/$library" ;;
esac

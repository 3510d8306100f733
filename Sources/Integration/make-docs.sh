#!/bin/sh
# Makes the DocC archive: the catalogue, the pages that follow from the code, and the library's symbols.
#
# usage: make-docs.sh FP8C BUILD ARCHIVE
#
# BUILD is a folder of SwiftPM with the module FP8Compiler in it. A warning of DocC is an error.
set -eu
fp8c=$1
build=$2
archive=$3
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp -r "$root/Sources/FP8Compiler/FP8Compiler.docc" "$work"
/usr/bin/python3 "$root/Sources/Integration/make-reference.py" "$fp8c" "$work/FP8Compiler.docc"

set -- -module-name FP8Compiler -I "$build/Modules" -minimum-access-level public
for map in "$build"/C*.build/module.modulemap "$root"/Sources/C*/module.modulemap \
  "$root"/Sources/C*/include/module.modulemap; do
  case $map in *-tool.build/* | *'*'*) continue ;; esac
  set -- "$@" -Xcc "-fmodule-map-file=$map"
done
mkdir "$work/symbols"
target=$(swiftc -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)".*/\1/p')
swift symbolgraph-extract "$@" -target "$target" -output-dir "$work/symbols"

rm -rf "$archive"
docc convert "$work/FP8Compiler.docc" --additional-symbol-graph-dir "$work/symbols" \
  --fallback-display-name FP8Compiler --fallback-bundle-identifier ai.fp8c.FP8Compiler \
  --transform-for-static-hosting --output-path "$archive" --warnings-as-errors
echo "$archive: $(find "$archive" -name '*.json' -path '*/data/documentation/*' | wc -l) pages"

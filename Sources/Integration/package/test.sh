#!/usr/bin/env bash
# test.sh FOLDER: what build.sh left in the folder is made again and compared, then each package is installed
# into a root of its own and compiles the model of digits there.
#
# A root has the files of the Debian packages that the package under test depends on, and nothing else. ONNX
# Runtime, which measures, is laid beside. The same model, configuration and batches give the same bytes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
packages=$(cd "$1" && pwd)
cd "$root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/again"
"$here/build.sh" "$work/again"
diff -r "$packages" "$work/again"
echo "the same tree gives the same packages"
lintian --fail-on error,warning --allow-root "$packages"/*.deb
echo "lintian finds nothing in the Debian package"

unpacked=$work/unpacked
mkdir "$unpacked"
download() {
  local get=(apt-get -qq -o APT::Sandbox::User=root)
  (cd "$unpacked" && "${get[@]}" download "$1") && return
  "${get[@]}" update
  (cd "$unpacked" && "${get[@]}" download "$1")
}

install_debian() { # ROOT PACKAGE...: the packages, and what they depend on
  local to=$1 name
  shift
  for name in $(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances "$@" | grep '^[a-z0-9]' | sort -u); do
    if ! ls "$unpacked/${name}_"*.deb >/dev/null 2>&1; then
      download "$name"
    fi
    dpkg-deb -x "$unpacked/${name}_"*.deb "$to"
  done
}

run_in() { # ROOT COMMAND...
  local to=$1
  shift
  if [ "$(id -u)" = 0 ]; then chroot "$to" "$@"; else unshare --map-root-user chroot "$to" "$@"; fi
}

# With /proc, which ONNX Runtime asks for; the mount is seen in there alone and goes with it.
run_with_proc() { # ROOT COMMAND...
  mkdir -p "$1/proc"
  unshare --mount $([ "$(id -u)" = 0 ] || echo --map-root-user) \
    sh -c 'mount --rbind /proc "$1/proc" && exec chroot "$@"' sh "$@"
}

compiles() { # NAME COMMAND: compiles in the root of that name, and keeps what was written
  local to=$work/$1
  mkdir -p "$to/data" "$to/tmp"
  cp golden/models/digits/digits_cnn.ts.onnx golden/models/digits/calib.npz "$to/data"
  cp "$FP8C_ONNXRUNTIME" "$to/data/libonnxruntime.so"
  run_in "$to" "$2" quantize /data/digits_cnn.ts.onnx -o /data/unit.onnx --scale-method unit_scale -q
  run_with_proc "$to" "$2" compile /data/digits_cnn.ts.onnx -o /data/out.onnx \
    --calibration /data/calib.npz --onnxruntime /data/libonnxruntime.so \
    --dump-stats-path /data/measure -q
  mkdir "$work/outputs-$1"
  cp "$to"/data/unit.* "$to"/data/out.* "$to"/data/measure* "$work/outputs-$1"
  echo "$1: $(run_in "$to" "$2" --version), $(ls "$work/outputs-$1" | wc -l) files"
}

# A wheel's and a tarball's libraries are those of the C and C++ compilers.
for name in tarball wheel deb; do mkdir "$work/$name"; done
install_debian "$work/tarball" libc6 libgcc-s1 libstdc++6
cp -r "$work/tarball/." "$work/wheel"
mkdir -p "$work/tarball/opt"
tar -C "$work/tarball/opt" -xzf "$packages"/*.tar.gz
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-index --root "$work/wheel" --prefix /usr "$packages"/*.whl
dpkg-deb -x "$packages"/*.deb "$work/deb"
install_debian "$work/deb" $(dpkg-deb -f "$packages"/*.deb Depends | sed 's/([^)]*)//g; s/,/ /g')

compiles tarball "/opt/$(basename "$packages"/*.tar.gz .tar.gz)/bin/fp8c"
compiles wheel /usr/bin/fp8c
compiles deb /usr/bin/fp8c
diff -r "$work/outputs-tarball" "$work/outputs-wheel"
diff -r "$work/outputs-tarball" "$work/outputs-deb"
echo "the three packages write the same bytes"

# A program in C that is built with the tarball's header and library, and runs where there is nothing else.
installed=$work/tarball/opt/$(basename "$packages"/*.tar.gz .tar.gz)
cc -std=c11 -Wall -Wextra -Werror Tests/Examples/library/main.c -o "$installed/bin/sample" \
  $(PKG_CONFIG_PATH=$installed/share/pkgconfig pkg-config --cflags --libs fp8compiler) -Wl,-rpath,'$ORIGIN/../lib'
# The loader asks /proc where the program is.
run_with_proc "$work/tarball" "/opt/$(basename "$installed")/bin/sample" \
  quantize /data/digits_cnn.ts.onnx /data/library.onnx >/dev/null 2>&1
cmp "$work/tarball/data/library.onnx" "$work/outputs-tarball/unit.onnx"
echo "a program in C with the tarball's library writes them too"

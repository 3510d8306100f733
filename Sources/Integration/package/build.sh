#!/usr/bin/env bash
# build.sh FOLDER: the tarball, the Debian package and the wheel, from the release build in the tree.
#
# The same commit gives the same bytes, wherever it is built: times are the commit's, or SOURCE_DATE_EPOCH.
# The Debian package asks Debian for its libraries. The other two carry them, all but those of the C and C++
# compilers, so that they run on any Linux with a C library as new as the builder's. The tarball also has the
# library for programs in C, which carries the same.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=$1
cd "$root"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} LC_ALL=C TZ=UTC
umask 022
build=(swift build -c release --product fp8c --static-swift-stdlib)

# Descriptions of the libraries that name a folder with archives alone.
archives=$root/.build/archives
mkdir -p "$archives"
for library in libprotobuf-c zlib libcrypto; do
  from=$(pkg-config --variable=libdir "$library")
  name=$(pkg-config --libs-only-l "$library" | sed 's/^-l//; s/ *$//')
  ln -sf "$from/lib$name.a" "$archives/"
  sed "s|^libdir=.*|libdir=$archives|" "$from/pkgconfig/$library.pc" >"$archives/$library.pc"
done

# HOW FROM TO: without symbols and without what depends on where the sources lie: the hashes of Swift's modules,
# which only a linker of bitcode reads, and the identifier of the build, which becomes a digest of the file.
stripped() {
  strip "$1" -o "$3" "$2"
  objcopy -O binary --only-section=.swift_modhash "$3" "$work/hashes"
  head -c "$(stat -c %s "$work/hashes")" /dev/zero >"$work/zeros"
  printf '\4\0\0\0\24\0\0\0\3\0\0\0GNU\0' >"$work/note"
  cp "$work/note" "$work/identifier"
  head -c 20 /dev/zero >>"$work/identifier"
  objcopy --update-section .swift_modhash="$work/zeros" \
    --update-section .note.gnu.build-id="$work/identifier" "$3"
  printf "$(sha1sum "$3" | cut -c1-40 | sed 's/../\\x&/g')" >>"$work/note"
  objcopy --update-section .note.gnu.build-id="$work/note" "$3"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The last build is the one that the tree keeps.
PKG_CONFIG_PATH=$archives "${build[@]}" >&2
stripped --strip-all .build/release/fp8c "$work/static"
"${build[@]}" >&2
stripped --strip-all .build/release/fp8c "$work/dynamic"
# SwiftPM gives a dynamic library the runtime of Swift as another one, so it is linked here, from the same objects.
swift build -c release --product fp8compiler --static-swift-stdlib >&2
printf '{ global: fp8c_*; local: *; };\n' >"$work/exports"
swiftc -emit-library -static-stdlib -o "$work/linked" \
  @.build/release/fp8compiler.product/Objects.LinkFileList -L"$archives" -lprotobuf-c -lz -lcrypto \
  -Xlinker --gc-sections -Xlinker --exclude-libs=ALL -Xlinker --version-script="$work/exports" \
  -Xlinker -soname=libfp8compiler.so.0 >&2
stripped --strip-unneeded "$work/linked" "$work/library"
version=$(.build/release/fp8c --version)
machine=$(uname -m)
mkdir -p "$out"

tree() { # BINARY FOLDER: everything that `make install` installs, with another binary
  make -s install-files DESTDIR="$2" PREFIX=/usr
  install -m 755 "$1" "$2/usr/bin/fp8c"
}

same_time() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# The tarball: to be unpacked anywhere.
name=fp8c-$version-linux-$machine
tree "$work/static" "$work/tar/$name"
mv "$work/tar/$name/usr"/* "$work/tar/$name/"
rmdir "$work/tar/$name/usr"
install -D -m 644 "$work/library" "$work/tar/$name/lib/libfp8compiler.so.0"
ln -s libfp8compiler.so.0 "$work/tar/$name/lib/libfp8compiler.so"
install -D -m 644 Sources/CFP8Compiler/include/fp8c.h "$work/tar/$name/include/fp8c.h"
sed "s/@VERSION@/$version/" Sources/Integration/fp8compiler.pc.in \
  >"$work/tar/$name/share/pkgconfig/fp8compiler.pc"
same_time "$work/tar"
tar -C "$work/tar" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -cf - "$name" \
  | gzip -9n >"$out/$name.tar.gz"

# The Debian package.
deb=$work/deb
tree "$work/dynamic" "$deb"
gzip -9n "$deb"/usr/share/man/man1/*.1
mkdir -p "$deb/DEBIAN" "$deb/usr/share/doc/fp8c" "$work/debian"
date=$(date -R -d "@$SOURCE_DATE_EPOCH")
sed -e "s/@VERSION@/$version/" -e "s/@DATE@/$date/" "$here/changelog.in" \
  | gzip -9n >"$deb/usr/share/doc/fp8c/changelog.gz"
install -m 644 "$here/copyright" "$deb/usr/share/doc/fp8c/copyright"
printf 'Source: fp8c\n\nPackage: fp8c\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "$deb/usr/bin/fp8c" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$(dpkg --print-architecture)/" \
  -e "s/@DEPENDS@/$depends/" -e "s/@SIZE@/$(du -sk --apparent-size "$deb/usr" | cut -f1)/" \
  "$here/control.in" >"$deb/DEBIAN/control"
(cd "$deb" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$deb/DEBIAN/md5sums"
same_time "$deb"
dpkg-deb --root-owner-group -Zxz --build "$deb" "$out/fp8c_${version}_$(dpkg --print-architecture).deb" >&2

# The wheel.
python3 "$here/make-wheel.py" "$work/static" "$version" "$out"

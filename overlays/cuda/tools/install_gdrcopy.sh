#!/usr/bin/env bash
# GDRCopy's user-space library, built from NVIDIA's source: its packages are Debian's alone for some
# CUDA releases, while the library needs neither CUDA nor the kernel module to be built.
# Called as upstream calls its own: install_gdrcopy.sh OS_VERSION CUDA_VERSION x64|aarch64
set -euo pipefail

readonly VERSION="${GDRCOPY_VERSION:-2.5.1}"
# The commit of the tag v2.5.1: what a tag names may change, a commit may not.
readonly COMMIT="${GDRCOPY_COMMIT:-0f7366e73b019e7facf907381f6b0b2f5a1576e4}"

if [[ $# -ne 3 ]]; then
  echo "usage: $0 OS_VERSION CUDA_VERSION x64|aarch64" >&2
  exit 1
fi
case "$3" in
  x64 | x86_64 | amd64 | aarch64 | arm64) ;;
  *)
    echo "GDRCopy isn't built for $3" >&2
    exit 1
    ;;
esac

build="$(mktemp -d)"
trap 'rm -rf "${build}"' EXIT

# gcc, make and tar stay: the image compiles kernels at run time.
dnf install -y --nodocs gcc make tar gzip
dnf clean all

curl -fsSL "https://github.com/NVIDIA/gdrcopy/archive/${COMMIT}.tar.gz" -o "${build}/gdrcopy.tar.gz"
mkdir "${build}/source"
tar -xzf "${build}/gdrcopy.tar.gz" --strip-components=1 -C "${build}/source"

make -C "${build}/source" prefix=/usr libdir=/usr/lib64 lib lib_install
install -D -m 0644 "${build}/source/LICENSE" /usr/share/licenses/gdrcopy/LICENSE
ldconfig
ldconfig -p | grep -q 'libgdrapi\.so\.2'
echo "installed GDRCopy ${VERSION}"

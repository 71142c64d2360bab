#!/bin/sh
# Run a command as on a processor with AVX2 only: CPUID and /proc/cpuinfo show no AVX-512, VNNI or AMX.
#
#     benchmarks/avx2/run.sh python -m pytest -q tests/equal
#
# For Linux on x86 processors with "cpuid_fault" among their flags; needs a C compiler and unshare (util-linux).
set -eu
grep -qw cpuid_fault /proc/cpuinfo || { echo "this processor cannot hide what it can do (no cpuid_fault)" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cc -O2 -shared -fPIC -o "$place/hide_cpuid.so" "$here/hide_cpuid.c" -ldl
sed -E 's/ (avx512|amx|avx_vnni|avx10)[a-z0-9_]*//g' /proc/cpuinfo > "$place/cpuinfo"
unshare --map-root-user --mount sh -c '
    place=$1; shift
    mount --bind "$place/cpuinfo" /proc/cpuinfo
    exec env LD_PRELOAD="$place/hide_cpuid.so" "$@"
' run "$place" "$@"

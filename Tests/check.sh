#!/usr/bin/env bash
# Runs the checks of `make check` and continuous integration: formatting, all tests, tests of threads under
# ThreadSanitizer, and fuzzing under AddressSanitizer. Prints the duration of each stage in seconds.
#
#   TESTING   flags for swift build and swift test     PLAIN   flags for a build without Swift's optimiser
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
summary=""
# Tests run side by side: a thread that waits for others sleeps, instead of taking their core.
export OMP_WAIT_POLICY=passive

stage() {
  local name=$1 begin=$SECONDS
  shift
  "$@" || { echo "make check: $name failed" >&2; exit 1; }
  summary+=$(printf '%6d s  %s' $((SECONDS - begin)) "$name")$'\n'
}

# Whether a skipped test is expected: only if its requirement is unavailable.
is_expected() {
  case $1 in
    *"needs ffmpeg"*) ! command -v ffmpeg >/dev/null || [ "$(uname)" = Darwin ] ;;
    *"needs gnuplot"*) ! command -v gnuplot >/dev/null ;;
    *"needs Chromium"*) ! command -v chromium >/dev/null ;;
    *"needs python3 with NumPy"*) ! python3 -c 'import numpy' 2>/dev/null ;;
    *"needs onnxruntime, PyAV"*) ! "${ZOETROPE_PYTHON:-python3}" -c 'import onnxruntime, av, PIL' 2>/dev/null ;;
    *"needs sqlite-vec"*) ! python3 -c 'import sqlite_vec' 2>/dev/null ;;
    *"needs clang and LD_PRELOAD"*) ! command -v clang >/dev/null || [ "$(uname)" = Darwin ] ;;
    *"needs root and mount"*) [ "$(id -u)" != 0 ] || ! (d=$(mktemp -d) && mount -t tmpfs tmpfs "$d" 2>/dev/null && umount "$d") ;;
    *"of Slurm"*) ! command -v slurmctld >/dev/null ;;
    *"needs root to start"*) [ "$(id -u)" != 0 ] ;;
    *"needs the sample clips"*) [ ! -d ../shared/clips ] ;;
    *"needs the official lists"*) [ ! -d ../shared/splits ] ;;
    *"needs int8 instructions"*) ! grep -qE 'avx2|avx512bw' /proc/cpuinfo ;;
    *"needs a processor without bf16"*) grep -qE 'avx512_bf16|avx_ne_convert|avx512bw|amx_bf16' /proc/cpuinfo ;;
    *"needs libswscale 6"*) ! pkg-config --max-version=7 libswscale 2>/dev/null ;;
    *"needs ONNX Runtime"*) [ -z "${ZOETROPE_ONNXRUNTIME:-}" ] ;;
    *"needs ZOETROPE_MATRIX"*) [ -z "${ZOETROPE_MATRIX:-}" ] ;;
    *) false ;;
  esac
}

tests() {
  swift test --skip-build $TESTING 2>&1 | tee "$log" || return 1
  local unexpected=0 line
  while IFS= read -r line; do
    is_expected "$line" || { echo "skipped unexpectedly: $line" >&2; unexpected=1; }
  done < <(grep -aE '^. (Test|Suite) .* skipped(: "|\.$)' "$log")
  return $unexpected
}

stage "formatting" make --no-print-directory lint
stage "changed layouts" Tests/stale.sh
stage "building the tests" swift build --build-tests $TESTING
stage "tests" tests
stage "threads under ThreadSanitizer" make --no-print-directory races
stage "damaged files under AddressSanitizer" make --no-print-directory fuzz FUZZ_FLAGS="$PLAIN" CASES=300 SLOW_CASES=30
printf '\n%s' "$summary"

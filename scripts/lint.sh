#!/usr/bin/env bash
# Checks the format, and builds with clang, which has warnings as errors and clang-tidy beside it.
set -euo pipefail
cd "$(dirname "$0")/.."

git ls-files '*.cpp' '*.hpp' | xargs clang-format-16 --dry-run --Werror

# What has passed is not checked again until it changes, or the rules do.
cmp -s .clang-tidy build/clang/.clang-tidy || rm -rf build/clang
mkdir -p build/clang
cp .clang-tidy build/clang/
cmake --preset clang --log-level=WARNING
cmake --build --preset clang -- -k 0

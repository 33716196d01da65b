#!/usr/bin/env bash
# Checks the format, builds with clang and warnings as errors, and runs clang-tidy.
set -euo pipefail
cd "$(dirname "$0")/.."

git ls-files '*.cpp' '*.hpp' | xargs clang-format-16 --dry-run --Werror
cmake --preset clang --log-level=WARNING
cmake --build --preset clang
git ls-files 'actors/*.cpp' 'media/*.cpp' 'http/*.cpp' 'cli/*.cpp' | xargs -P 2 -n 4 clang-tidy-16 -p build/clang --quiet

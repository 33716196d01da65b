#!/usr/bin/env bash
# Builds and runs every benchmark: each prints a table for the README.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake --preset release -DVIDPIPELINE_TESTS=ON --log-level=WARNING
cmake --build --preset release
for benchmark in transcode upload serve; do
  echo "## $benchmark"
  python3 "bench/$benchmark.py"
  echo
done
echo "## messages"
build/release/bench/messages

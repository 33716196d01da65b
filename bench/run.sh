#!/usr/bin/env bash
# Builds and runs every benchmark: each prints a table for the README.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake --preset release -DVIDPIPELINE_TESTS=ON --log-level=WARNING
cmake --build --preset release
# All of them run, also behind one whose limits are not kept.
status=0
for benchmark in transcode copy workers upload serve queue scaling; do
  echo "## $benchmark"
  python3 "bench/$benchmark.py" || status=1
  echo
done
for benchmark in play_at_once slow_upload viewers; do
  echo "## $benchmark"
  node "bench/$benchmark.mjs" || status=1
  echo
done
echo "## messages"
build/release/bench/messages || status=1
echo
echo "## dispatcher"
build/release/bench/dispatcher_load || status=1
exit "$status"

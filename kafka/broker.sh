#!/usr/bin/env bash
# A Kafka broker of one node in the foreground, for development, the demo and tests; it ends with SIGTERM or Ctrl-C.
# Says "Kafka Server started" when it answers. Uses PORT and the one above it (the controller), on loopback only.
# Usage: broker.sh [PORT [DATA]]     9092 and build/kafka/data by default
set -euo pipefail
cd "$(dirname "$0")/.."

port=${1:-9092}
data=$(realpath -m "${2:-build/kafka/data}")
libs=build/kafka/libs

fail() {
  echo "broker.sh: $*" >&2
  exit 1
}
command -v java >/dev/null || fail "Kafka needs Java: scripts/setup.sh kafka"

# The folder appears when it is whole, and holds the pom that it came from.
fetch() {
  cmp -s kafka/pom.xml "$libs/pom.xml" && return
  command -v mvn >/dev/null || fail "Maven is needed to fetch Kafka: scripts/setup.sh kafka"
  echo "Fetching Kafka with Maven, this once"
  rm -rf "$libs" "$libs.part"
  mvn --quiet --batch-mode -f kafka/pom.xml dependency:copy-dependencies -DoutputDirectory="$PWD/$libs.part"
  cp kafka/pom.xml "$libs.part"
  mv "$libs.part" "$libs"
}
# Several may start at once.
mkdir -p build/kafka "$data"
exec {lock}>build/kafka/lock
flock "$lock"
fetch
exec {lock}>&-

# broker.session.timeout.ms: for so long a broker that was killed waits for its own last session when it comes back.
cat >"$data/broker.properties" <<END
process.roles=broker,controller
node.id=1
listeners=BROKER://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=BROKER://127.0.0.1:$port
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:$((port + 1))
log.dirs=$data/log

auto.create.topics.enable=false
num.partitions=12
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
log.retention.hours=168

group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
END

# It should start soon, more than run fast. The first one that ends well leaves its classes for the next, who start in
# half the time.
java=(
  java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xlog:all=error -cp "$libs/*"
  -Dlog4j.configuration="file:$PWD/kafka/log4j.properties" -Dbroker.log="$data/broker.log"
)
classes=$libs/classes.jsa
if [[ -s $classes ]]; then
  java+=(-XX:SharedArchiveFile="$classes")
fi

if [[ ! -e $data/log/meta.properties ]]; then
  # 16 random bytes in base64, without characters that a command line takes for its own.
  cluster=$(head -c 16 /dev/urandom | base64 | tr -d = | tr +/ AA)
  "${java[@]}" kafka.tools.StorageTool format --cluster-id "$cluster" --config "$data/broker.properties" >/dev/null
fi

[[ -s $classes ]] || java+=(-XX:ArchiveClassesAtExit="$classes")
echo "Kafka on localhost:$port, its data and log in $data"
exec "${java[@]}" kafka.Kafka "$data/broker.properties"

#!/usr/bin/env bash
# Starts and stops a real Apache Kafka (KRaft, one node) for the tests: no Docker, no fixed port, all files below one folder.
#
#   kafka.sh fetch                      copies the jars into the cache; does nothing when they are there
#   kafka.sh start DIR [KEY=VALUE ...]  starts a broker in the background and prints its address;
#                                       a DIR that was used before starts again with its data and its ports
#   kafka.sh stop DIR                   stops it: SIGTERM, then SIGKILL after a deadline
#   kafka.sh tool CLASS [ARG ...]       runs one of Kafka's own tools by its class
#   kafka.sh run DIR [KEY=VALUE ...]    starts, prints "bootstrap 127.0.0.1:PORT", stops when stdin ends; the broker dies
#                                       with this script however that ends, so a killed test leaves no java behind
#
# In DIR: bootstrap (127.0.0.1:PORT), pid, server.properties, broker.log, data/.
# KEY=VALUE are settings of the broker on top of those below, for a DIR that is new; {broker}, {controller} and {third} in
# them are ports.
# Environment: RETAIN_CACHE (~/.cache/retain), RETAIN_KAFKA_HEAP (512m), RETAIN_KAFKA_START_S (60), RETAIN_KAFKA_STOP_S (10).
set -euo pipefail

version=4.3.1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${RETAIN_CACHE:-$HOME/.cache/retain}/kafka-$version
libs=$cache/libs
heap=${RETAIN_KAFKA_HEAP:-512m}
start_deadline_s=${RETAIN_KAFKA_START_S:-60}
stop_deadline_s=${RETAIN_KAFKA_STOP_S:-10}
port_attempts_max=5

say() { echo "kafka.sh: $*" >&2; }
die() { say "$*"; exit 1; }

need() {
  command -v "$1" >/dev/null || die "$1 is missing; install it: apt-get install -y $2 (or run tools/check-tools.sh test)"
}

# The jars are whole when the pom that named them lies beside them: it is copied last, and the folder appears by a rename.
fetched() { cmp -s "$here/pom.xml" "$libs/pom.xml"; }

fetch() {
  fetched && return
  need java default-jre-headless
  need mvn maven
  mkdir -p "$cache"
  local new old
  new=$(mktemp -d "$cache/fetching.XXXXXX")
  # shellcheck disable=SC2064 # the name is wanted as it is now
  trap "rm -rf '$new'" EXIT
  say "fetching Apache Kafka $version (44 MB) into $libs"
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$new/libs" -DincludeScope=runtime >&2 ||
    die "maven could not fetch Apache Kafka $version; check its access to Maven Central (settings.xml, proxy), then: $0 fetch"
  cp "$here/pom.xml" "$new/libs/pom.xml"
  if ! fetched; then
    old=$new/old
    [ ! -e "$libs" ] || mv -T "$libs" "$old"
    mv -T "$new/libs" "$libs" 2>/dev/null || fetched || die "could not move the jars to $libs; remove that folder and try again"
  fi
  rm -rf "$new"
  trap - EXIT
}

accepts() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the usual ephemeral range, so that an outgoing connection cannot take the port between here and the bind.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((12000 + (RANDOM * 32768 + RANDOM) % 20000))
    accepts "$port" || { echo "$port"; return; }
  done
  die "found no free port between 12000 and 32000"
}

# Written anew for each attempt to find free ports; quick rebalances, because the defaults (5 s heartbeats, 45 s sessions,
# 3 s before the first rebalance, 10 s between looks for abandoned transactions) would make every test wait. Nothing is removed for
# its age: what tests and benches write is older than the week a broker keeps, and it looks half a minute after its start.
write_properties() {
  local dir=$1 broker=$2 controller=$3
  shift 3
  cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$broker
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/data
log.retention.ms=-1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.coordinator.rebalance.protocols=classic,consumer
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.heartbeat.interval.ms=500
group.consumer.min.heartbeat.interval.ms=500
group.consumer.session.timeout.ms=6000
group.consumer.min.session.timeout.ms=3000
transaction.abort.timed.out.transaction.cleanup.interval.ms=200
PROPERTIES
  local setting third
  third=$(free_port)
  for setting in "$@"; do
    setting=${setting//\{broker\}/$broker}
    setting=${setting//\{controller\}/$controller}
    echo "${setting//\{third\}/$third}" >>"$dir/server.properties"
  done
}

property() { sed -n "s/^$2=//p" "$1/server.properties" | tail -n 1; }

prepare() {
  local dir=$1 broker controller uuid
  shift
  broker=$(free_port)
  controller=$(free_port)
  [ "$broker" != "$controller" ] || { prepare "$dir" "$@"; return; }
  write_properties "$dir" "$broker" "$controller" "$@"
  uuid=R$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22) # never begins with '-', an option to the tool
  rm -rf "$dir/data"
  java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$libs/*" \
    kafka.tools.StorageTool format -t "$uuid" -c "$dir/server.properties" >"$dir/broker.log" 2>&1 ||
    { tail -n 20 "$dir/broker.log" >&2; die "formatting $dir/data failed (see above)"; }
  echo "127.0.0.1:$broker" >"$dir/bootstrap"
}

# The process of DIR/pid, if it lives and is this folder's broker (a pid may have been given to somebody else since).
living() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 1
  [[ "$(ps -o args= -p "$pid" 2>/dev/null)" == *"kafka.Kafka $1/server.properties"* ]] && echo "$pid"
}

# Starts java as a child ($1: the command in front of it, if any) and writes DIR/pid.
launch() {
  local dir=$1
  shift
  : >"$dir/broker.log"
  "$@" java "-Xmx$heap" -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
    -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info -cp "$libs/*" \
    kafka.Kafka "$dir/server.properties" >>"$dir/broker.log" 2>&1 </dev/null 3<&- &
  echo $! >"$dir/pid"
}

# Up when the broker itself says so and its port accepts: another program's port that happens to accept proves nothing.
# 0: up; 1: it ended, or the deadline passed.
await_up() {
  local dir=$1 port pid deadline=$((SECONDS + start_deadline_s))
  port=$(sed 's/.*://' "$dir/bootstrap")
  pid=$(cat "$dir/pid")
  until grep -q 'Kafka Server started' "$dir/broker.log" && accepts "$port"; do
    kill -0 "$pid" 2>/dev/null || return 1
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "no broker within $start_deadline_s s (RETAIN_KAFKA_START_S)"
      kill -9 "$pid" 2>/dev/null || true
      return 1
    fi
    sleep 0.1
  done
}

# Ports are only found, not held, until the broker binds them: where another took one meanwhile, a new folder takes others.
bring_up() {
  local dir=$1 fresh=no
  shift
  local before=()
  while [ "$1" != -- ]; do before+=("$1"); shift; done
  shift
  [ -s "$dir/bootstrap" ] || fresh=yes
  for ((attempt = 1; attempt <= port_attempts_max; attempt++)); do
    [ $fresh = no ] || prepare "$dir" "$@"
    launch "$dir" "${before[@]}"
    if await_up "$dir"; then return; fi
    rm -f "$dir/pid"
    [ $fresh = yes ] && grep -qi 'address already in use' "$dir/broker.log" || break
  done
  [ $fresh = no ] || rm -f "$dir/bootstrap"
  tail -n 20 "$dir/broker.log" >&2
  die "the broker did not start (see above and $dir/broker.log)"
}

folder() {
  [ $# -ge 1 ] && [ -n "$1" ] || die "name the folder of the broker: kafka.sh start|stop|run DIR"
  mkdir -p "$1"
  (cd "$1" && pwd)
}

stop() {
  local dir=$1 pid deadline=$((SECONDS + stop_deadline_s))
  if pid=$(living "$dir"); then
    kill "$pid" 2>/dev/null || true
    while living "$dir" >/dev/null; do
      if [ "$SECONDS" -ge "$deadline" ]; then
        say "the broker did not stop within $stop_deadline_s s, killing it"
        kill -9 "$pid" 2>/dev/null || true
        deadline=$((SECONDS + stop_deadline_s))
      fi
      sleep 0.1
    done
  fi
  rm -f "$dir/pid"
}

start() {
  local dir=$1
  shift
  if living "$dir" >/dev/null; then die "a broker already runs in $dir; stop it first: $0 stop $dir"; fi
  bring_up "$dir" setsid -- "$@"
  cat "$dir/bootstrap"
}

run() {
  local dir=$1 tie=()
  shift
  if living "$dir" >/dev/null; then die "a broker already runs in $dir; stop it first: $0 stop $dir"; fi
  # The kernel kills the broker when this script is killed in a way that no trap sees.
  if command -v setpriv >/dev/null; then tie=(setpriv --pdeathsig KILL); fi
  exec 3<&0
  # shellcheck disable=SC2064 # the folder is wanted as it is now
  trap "stop '$dir'" EXIT
  trap 'exit 0' USR1
  trap 'exit 143' TERM INT HUP
  # The watch begins before the broker does: a caller that dies during the start ends it too.
  (while read -r _; do :; done <&3; kill -USR1 $$ 2>/dev/null) &
  bring_up "$dir" "${tie[@]}" -- "$@"
  echo "bootstrap $(cat "$dir/bootstrap")"
  wait "$(cat "$dir/pid")" 2>/dev/null || true
  die "the broker in $dir ended by itself; see $dir/broker.log"
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
  fetch) fetch ;;
  tool)
    fetch
    exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$libs/*" "$@"
    ;;
  start | stop | run)
    dir=$(folder "$@")
    shift
    if [ "$command" != stop ]; then
      need java default-jre-headless
      fetch
    fi
    "$command" "$dir" "$@"
    ;;
  *) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac

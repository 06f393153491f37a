#!/usr/bin/env bash
# bench/start-up.sh [-n TIMES] [-i SECONDS] [PROGRAM]
#
# How long the published program takes from its start to its first answered request, and how much memory it takes while
# nobody asks. Publishes src/Entrepot.Server as README and Dockerfile do, unless PROGRAM names an executable.
#
#   -n TIMES    starts, each on an empty store (default 11)
#   -i SECONDS  how long it idles before its memory is read (default 15: the first measuring of the store is over by then)
#
# Options are the defaults but for the two addresses, which are free ports of 127.0.0.1. Needs Linux and bash alone.
set -euo pipefail

times=11 idle=15
while getopts n:i:h option; do
  case $option in
    n) times=$OPTARG ;;
    i) idle=$OPTARG ;;
    h) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/entrepot-start.XXXXXX")
server=
clean_up() {
  [ -z "$server" ] || kill -KILL "$server" 2> /dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

program=${1:-}
if [ -z "$program" ]; then
  dotnet publish src/Entrepot.Server -c Release -v quiet -o "$work/program" > "$work/publish.log" || { cat "$work/publish.log" >&2; exit 1; }
  program=$work/program/entrepot
fi

# Prints microseconds.
now() { echo "${EPOCHREALTIME/./}"; }

# answers PORT: whether a GET of /v2/ is answered 200 there.
answers() {
  local status
  { exec 3<> "/dev/tcp/127.0.0.1/$1"; } 2> /dev/null || return 1
  printf 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
  read -r _ status _ <&3 || status=
  exec 3>&-
  [ "$status" = 200 ]
}

# free_port: prints a port of 127.0.0.1 that nobody listens on, below those that connections are made from.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 10000))
    { exec 4<> "/dev/tcp/127.0.0.1/$port"; } 2> /dev/null || { echo "$port"; return; }
    exec 4>&-
  done
}

# kilobytes FIELD FILE: prints what a file of /proc says.
kilobytes() { awk -v field="$1:" '$1 == field { print $2 }' "$2"; }

# summary FILE: prints median, least and most.
summary() { sort -n "$1" | awk '{ value[NR] = $1 } END { printf "%s (%s to %s)", value[int((NR + 1) / 2)], value[1], value[NR] }'; }

for ((i = 0; i < times; i++)); do
  port=$(free_port)
  admin=$(free_port)
  mkdir "$work/run"
  began=$(now)
  (cd "$work/run" && exec "$program" --listen "127.0.0.1:$port" --admin "127.0.0.1:$admin" > "$work/log" 2>&1) &
  server=$!
  # With a pause: on two processors, asking without one takes the second from whoever starts.
  until answers "$port"; do
    sleep 0.005
    kill -0 "$server" 2> /dev/null || { cat "$work/log" >&2; exit 1; }
  done
  echo $((($(now) - began) / 1000)) >> "$work/ready"
  # utime and stime, in hundredths of a second; the name in brackets before them may hold spaces.
  sed 's/.*) //' "/proc/$server/stat" | awk '{ print ($12 + $13) * 10 }' >> "$work/processor"
  sleep "$idle"
  echo $(($(kilobytes Rss "/proc/$server/smaps_rollup") / 1024)) >> "$work/rss"
  echo $(($(kilobytes Pss "/proc/$server/smaps_rollup") / 1024)) >> "$work/pss"
  echo $(($(kilobytes VmHWM "/proc/$server/status") / 1024)) >> "$work/peak"
  kill "$server"
  wait "$server" || { echo "exit status $?" >&2; exit 1; }
  server=
  rm -rf "$work/run"
done

echo "starts: $times; load before: $(cut -d' ' -f1-3 /proc/loadavg); processors: $(nproc); $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "first answered request, ms:      $(summary "$work/ready")"
echo "processor time until then, ms:   $(summary "$work/processor")"
echo "idle memory (resident), MiB:     $(summary "$work/rss")"
echo "idle memory (proportional), MiB: $(summary "$work/pss")"
echo "peak memory, MiB:                $(summary "$work/peak")"

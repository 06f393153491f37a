#!/usr/bin/env bash
# bench/side-by-side/run.sh [--quick | --dry] [--only NAME]... [--output FILE]
#
# What the published program takes beside nginx and docker-registry in the same run, each figure for all of them in turn: throughput, the server's own
# processor time, memory. Installs wrk, nginx-light and docker-registry (Debian, Ubuntu; root or sudo), publishes src/Entrepot.Server with default
# options, and uses free ports of 127.0.0.1 and a folder of its own for temporary files (TMPDIR), which needs some 10 GB.
#
#   --quick        fewer and shorter rounds: within 2 minutes; without it, within 10
#   --dry          everything once and tiny, which shows that it runs and measures nothing; fails if a figure does
#   --only NAME    this figure alone; may be repeated. hit-blob hit-manifest hit-small disk cold-throttled cold cold-small herd slow-readers slow-cold
#                  start, and start-1m, which is run only so, as it makes a store of 1,000,000 blobs
#   --output FILE  where the rows of the table go; without --quick and --dry, bench/results/side-by-side.md. Rows of figures that were not run stay.
#   PUBLISHED_PROGRAM=FOLDER  measures the program that is there instead of publishing one
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
cd "$here/../.."

size=full only=() output=
while [ $# -gt 0 ]; do
  case $1 in
    --quick | --dry) size=${1#--} ;;
    --only) only+=("${2:?--only needs the name of a figure}"); shift ;;
    --output) output=${2:?--output needs a file}; shift ;;
    -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done
[ "$size" != full ] || output=${output:-bench/results/side-by-side.md}

readonly figures=(hit-blob hit-manifest hit-small disk cold-throttled cold cold-small herd slow-readers slow-cold start)
for name in "${only[@]+"${only[@]}"}"; do
  [[ " ${figures[*]} start-1m " == *" $name "* ]] || { echo "$name is no figure; there are: ${figures[*]} start-1m" >&2; exit 2; }
done

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en MSBUILDDISABLENODEREUSE=1
exec < /dev/null
ulimit -n "$(ulimit -Hn)" 2> /dev/null || true

work=$(mktemp -d "${TMPDIR:-/tmp}/entrepot-side-by-side.XXXXXX")
content=$work/content
limit=() group=
mkdir -p "$work/series" "$content"
chmod 755 "$work"   # nginx's processes are of another user when it is started by root

# shellcheck source=sizes.sh
. "$here/sizes.sh"
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=servers.sh
. "$here/servers.sh"
for file in "$here"/figures/*.sh; do
  # shellcheck source=/dev/null
  . "$file"
done
# shellcheck source=report.sh
. "$here/report.sh"

figure=
clean_up() {
  # It ends its servers itself, after the round that runs.
  [ -z "$figure" ] || { kill "$figure" 2> /dev/null && wait "$figure"; } || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- what it needs --------------------------------------------------------------------------------------------------

install_packages() {
  local package missing=() policy=
  for package in wrk nginx-light docker-registry; do
    [[ $(dpkg-query -W -f '${Status}' "$package" 2> /dev/null || true) == *'ok installed' ]] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "Installing ${missing[*]}"
  # No service is to be started by its package.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' > "$work/policy-rc.d"
    as_root install -m 755 "$work/policy-rc.d" "$policy"
  fi
  as_root apt-get -q update > "$work/apt.log" 2>&1 &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >> "$work/apt.log" 2>&1 ||
    { [ -z "$policy" ] || as_root rm -f "$policy"; tail -n 5 "$work/apt.log" >&2; return 1; }
  [ -z "$policy" ] || as_root rm -f "$policy"
}

# build COMMAND...: shows what it says only if it fails.
build() { "$@" > "$work/build.log" 2>&1 || { tail -n 20 "$work/build.log" >&2; return 1; }; }

# The generator of the load that wrk cannot make.
load() { DOTNET_ThreadPool_UnfairSemaphoreSpinLimit=0 dotnet "$generator" load "$@"; }

install_packages
nginx=$(PATH=$PATH:/usr/sbin command -v nginx)
commit=$(git rev-parse --short HEAD 2> /dev/null || echo unknown)
[ -z "$(git status --porcelain -- src 2> /dev/null)" ] || commit+=" and changes"
program=${PUBLISHED_PROGRAM:-$work/program}
[ -n "${PUBLISHED_PROGRAM:-}" ] || build dotnet publish src/Entrepot.Server -c Release -v quiet -o "$program"
program=$(readlink -f "$program")
[ -x "$program/entrepot" ] || { echo "There is no entrepot in $program; PUBLISHED_PROGRAM must name the folder that dotnet publish filled." >&2; exit 2; }
build dotnet build bench/Entrepot.Bench -c Release -v quiet
generator=$(dotnet msbuild bench/Entrepot.Bench -p:Configuration=Release -getProperty:TargetPath)

# ---- the figures ----------------------------------------------------------------------------------------------------

failed=()
machine
for name in "${only[@]-"${figures[@]}"}"; do
  sync -f "$work"   # what the figure before has left to be written is none of this one's
  # Neither as a condition, within which a failing command would not end the figure, nor in the foreground, where signals would wait for it.
  (
    trap 'stop_all; remove_limit' EXIT
    trap 'exit 143' TERM
    "figure_${name//-/_}"
  ) &
  figure=$!
  status=0
  wait "$figure" || status=$?
  figure=
  [ "$status" = 0 ] || { echo "FAILED: $name" >&2; failed+=("$name"); }
  rm -rf "$content" "$work/servers"
  mkdir -p "$content"
done

[ -z "$output" ] || write_table "$output"
[ ${#failed[@]} = 0 ] || { echo "FAILED: ${failed[*]}" >&2; exit 1; }

#!/usr/bin/env bash
# tests/run.sh [unit|functional|clients]...
#
# Installs what the tests need, builds, and runs all tests, or the named parts. Needs the .NET SDK that global.json names,
# Debian or Ubuntu, and root or sudo for the packages and for the part "clients", in which real container engines pull
# through the published program in a network namespace that has loopback only: an engine whose mirror fails would
# otherwise turn to the real registry, and the test would pass.
#
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only if nothing failed. Logs: TestResults/.
#   KILLS=NUMBER       how often the crash tests kill the program at least; 20 by default, and 20 under a small quota
#   SOAK=SECONDS       how long the crash tests and the soaks go on at least; the soaks take a minute in any case
#   CRASH_SEED=NUMBER  repeats the crash test's random choices
#   PUBLISHED_PROGRAM=PATH  the part "clients" tests this executable instead of publishing src/Entrepot.Server
#   NEWER_ENGINES=no   does without the engines of Debian's development suite, which are unpacked for the tests and not installed
set -euo pipefail

usage() { sed -n '2,15s/^# \{0,1\}//p' "$0"; }

parts=()
for argument in "$@"; do
  case $argument in
    unit | functional | clients) parts+=("$argument") ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
[ ${#parts[@]} -gt 0 ] || parts=(unit functional clients)

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
exec < /dev/null
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en MSBUILDDISABLENODEREUSE=1

readonly packages=(docker-registry docker.io containerd runc skopeo podman buildah crun nginx-light curl jq openssl prometheus iproute2 util-linux)   # prometheus for promtool
readonly newer=(containerd docker.io docker-cli docker-buildx crane oras cosign notation)
readonly clients=(dockerd "docker build" containerd "containerd, CRI" podman buildah skopeo)
results=$PWD/TestResults/$(date +%Y%m%d-%H%M%S)-$$
work=$(mktemp -d "${TMPDIR:-/tmp}/entrepot-tests.XXXXXX")
namespace=entrepot-tests-$$
namespace_made=
policy_made=
runner=
passed=0 failed=0 skipped=0
problems=()
mkdir -p "$results"

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

remove_policy() {
  [ -z "$policy_made" ] || as_root rm -f /usr/sbin/policy-rc.d
  policy_made=
}

# Prints the processes that tests have started: those in the namespace, those that have left it but know the tests' folder, and all their children.
test_processes() {
  local privileged=()
  [ -z "$namespace_made" ] || privileged=(as_root)
  {
    [ -z "$namespace_made" ] || as_root ip netns pids "$namespace" || true
    "${privileged[@]}" grep -lszxF "TMPDIR=$work/tmp" /proc/[0-9]*/environ | tr -dc '0-9\n' || true
    echo
    grep -s '^PPid:' /proc/[0-9]*/status | tr -c '0-9\n' ' ' || true
  } | awk '
    NF == 0 { is_list = 1; next }
    !is_list { found[$1] = 1; next }
    { parent[$1] = $2 }
    END {
      do {
        more = 0
        for (process in parent) if (!(process in found) && (parent[process] in found)) { found[process] = 1; more = 1 }
      } while (more)
      for (process in found) print process
    }'
}

# A test host that dies leaves behind what it has started. The mounts of these processes end with them.
end_test_processes() {
  local attempt pids privileged=()
  [ -z "$namespace_made" ] || privileged=(as_root)
  for attempt in {1..100}; do
    pids=$(test_processes)
    [ -n "$pids" ] || return 0
    # shellcheck disable=SC2086 # a list of numbers
    "${privileged[@]}" kill -KILL $pids 2> /dev/null || true
    sleep 0.1
  done
  echo "Still running after $attempt attempts to end them: ${pids//$'\n'/ }" >&2
}

remove_namespace() {
  [ -n "$namespace_made" ] || return 0
  end_test_processes
  as_root ip netns delete "$namespace" || true
  namespace_made=
}

clean_up() {
  [ -z "$runner" ] || kill "$runner" 2> /dev/null || true
  end_test_processes
  remove_namespace
  remove_policy
  rm -rf "$work" 2> /dev/null || as_root rm -rf "$work" || echo "Could not remove $work" >&2
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

problem() {
  problems+=("$1")
  echo "FAILED: $1" >&2
}

# ---- packages -------------------------------------------------------------------------------------------------------

# apt_get ARGUMENT...: as root. Beside a running apt-daily some of its locks are not waited for, whatever DPkg::Lock::Timeout says.
apt_get() {
  local until=$((SECONDS + 300)) status
  while :; do
    status=0
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -o DPkg::Lock::Timeout=300 "$@" > "$work/apt.log" 2>&1 || status=$?
    cat "$work/apt.log" >> "$results/apt.log"
    [ "$status" != 0 ] || return 0
    if [ "$SECONDS" -ge "$until" ] || ! grep -q 'Could not get lock' "$work/apt.log"; then
      grep '^E: ' "$work/apt.log" >&2 || true
      return "$status"
    fi
    sleep 5
  done
}

is_installed() {
  [[ $(dpkg-query -W -f '${Status}' "$1" 2> /dev/null || true) == *'ok installed' ]]
}

# Whether the system's docker builds with BuildKit. Since version 23 its client needs a plugin for that, which is a package of its own.
has_buildkit() {
  local version
  version=$(/usr/bin/docker --version 2> /dev/null) || return
  version=${version#Docker version }
  [ "${version%%.*}" -lt 23 ] || /usr/bin/docker buildx version > /dev/null 2>&1
}

install_packages() {
  local package status=0 missing=() separate=()
  for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  # The tests take this one, and no other that the search path may have.
  # From Debian 13 on they are packages of their own, which docker.io only recommends.
  if [ ! -x /usr/bin/docker ] || [[ " ${missing[*]-} " == *' docker.io '* ]]; then separate=(docker-cli docker-buildx)
  elif ! has_buildkit; then separate=(docker-buildx); fi
  [ ${#missing[@]} -gt 0 ] || [ ${#separate[@]} -gt 0 ] || return 0

  # No service is to be started by its package.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' > "$work/policy-rc.d"
    as_root install -m 755 "$work/policy-rc.d" /usr/sbin/policy-rc.d || return
    policy_made=1
  fi
  apt_get update || status=$?
  if [ "$status" = 0 ]; then
    for package in "${separate[@]+"${separate[@]}"}"; do
      if ! is_installed "$package" && [ -n "$(apt-cache show "$package" 2> /dev/null || true)" ]; then missing+=("$package"); fi
    done
    if [ ${#missing[@]} -gt 0 ]; then
      echo "Installing ${missing[*]}"
      apt_get -y install --no-install-recommends "${missing[@]}" || status=$?
    fi
  fi
  remove_policy
  return "$status"
}

# Prints the Debian archive that this machine installs from, once its lists are there; without lists, what looks like one.
debian_archive() {
  local sites
  sites=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' 'Label: Debian' 2> /dev/null || true)
  [ -n "$sites" ] || sites=$(apt-get indextargets --format '$(SITE)' 2> /dev/null || true)
  # Docker's own archive for Debian ends in /debian, too.
  sed -n '\|/linux/debian/*$|d; \|/debian/*$|{p; q}' <<< "$sites"
}

# Prints why a program of $work/newer does not run here; nothing if it does.
newer_fault() {
  local program=$work/newer/$1 missing said
  [ -e "$program" ] || { echo "$1 is not there"; return; }
  missing=$(ldd "$program" 2>&1 || true)
  [[ $missing != *'not found'* ]] || { echo "$1 lacks a library"; return; }
  said=$(timeout 30 "$program" "$2" 2>&1) || echo "$1 $2 fails: ${said##*$'\n'}"
}

# need_newer ENGINE FILE PROGRAM ARGUMENT...: takes FILE away, by which the tests see that ENGINE is there, if one of its programs does not run.
need_newer() {
  local engine=$1 file=$work/newer/$2 fault
  shift 2
  while [ $# -gt 0 ]; do
    fault=$(newer_fault "$1" "$2")
    shift 2
    [ -n "$fault" ] || continue
    echo "Newer engines: without $engine, since $fault"
    rm -f "$file"
    return
  done
}

# Unpacks what Debian's development suite has of the newer engines into $work/newer. They come and go with that suite: the tests of one that
# cannot be had or does not run here are skipped, with a reason. Prints a line and fails if there are none at all.
fetch_newer() {
  local package site folder=$work/newer apt debs
  [ "${NEWER_ENGINES:-}" != no ] || { echo "Newer engines: none, as NEWER_ENGINES=no says"; return 1; }
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || { echo "Newer engines: none, since this is not Debian"; return 1; }
  site=$(debian_archive)
  [ -n "$site" ] || { echo "Newer engines: none, since this machine uses no Debian archive"; return 1; }
  mkdir -p "$folder"/{debs,versions,lists/partial,cache/archives/partial} &&
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site sid main" > "$folder/sources.list" ||
    { echo "Newer engines: none, since $folder cannot be written"; return 1; }
  apt=(apt-get -q -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
  timeout 120 "${apt[@]}" -o APT::Update::Error-Mode=any update >> "$results/apt.log" 2>&1 || { echo "Newer engines: none, since $site does not answer"; return 1; }
  for package in "${newer[@]}"; do
    if ! (cd "$folder/debs" && timeout 120 "${apt[@]}" download "$package") >> "$results/apt.log" 2>&1; then
      echo "Newer engines: $package is not to be had"
      continue
    fi
    debs=("$folder/debs/${package}"_*.deb)
    # By way of another folder, so that no half of a package is left.
    if dpkg -x "${debs[0]}" "$folder/debs/$package" >> "$results/apt.log" 2>&1 && cp -a "$folder/debs/$package/." "$folder"; then
      # Not every program knows its own version.
      dpkg-deb -f "${debs[0]}" Version > "$folder/versions/$package" || true
    else
      echo "Newer engines: $package cannot be unpacked"
    fi
    rm -rf "$folder/debs/$package"
  done

  local containerd=(usr/bin/containerd --version usr/bin/ctr --version)
  local dockerd=(usr/sbin/dockerd --version usr/bin/docker --version "${containerd[@]}")
  local buildx=usr/libexec/docker/cli-plugins/docker-buildx
  need_newer "docker build, containerd image store" "$buildx" "$buildx" version "${dockerd[@]}"
  need_newer "dockerd, containerd image store" usr/sbin/dockerd "${dockerd[@]}"
  need_newer "containerd, layers in pieces" usr/bin/containerd "${containerd[@]}"
  need_newer crane usr/bin/crane usr/bin/crane version
  need_newer oras usr/bin/oras usr/bin/oras version
  need_newer cosign usr/bin/cosign usr/bin/cosign version
  need_newer notation usr/bin/notation usr/bin/notation version
  rm -rf "$folder"/{debs,lists,cache}
}

# ---- runners --------------------------------------------------------------------------------------------------------

# Prints what an attribute of the <Counters> element of a .trx file says.
counter() {
  sed -n "s/.*<Counters.* $2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1
}

# Prints "name: reason" of each skipped test of a .trx file, the reason empty if there is none.
skips() {
  awk '
    function report() { if (name != "") print name ": " reason; name = ""; reason = "" }
    /<UnitTestResult / { if (/outcome="NotExecuted"/) { match($0, /testName="[^"]*"/); name = substr($0, RSTART + 10, RLENGTH - 11) } }
    name != "" && /<Message>/ { reason = $0; gsub(/<[^>]*>|^[ \t]+|[ \t\r]+$/, "", reason) }
    /<\/UnitTestResult>/ { report() }' "$1"
}

# count PROJECT STATUS: adds what a runner wrote to the sums.
count() {
  local trx=$results/$1.trx total pass fail skip line
  total=$(counter "$trx" total 2> /dev/null || true)
  pass=$(counter "$trx" passed 2> /dev/null || true)
  fail=$(counter "$trx" failed 2> /dev/null || true)
  if [ -z "$total" ] || [ "$total" = 0 ]; then
    problem "$1 ended without counts (exit status $2)"
    return
  fi

  # The file's own counters leave skipped tests out of notExecuted.
  skip=$((total - pass - fail))
  passed=$((passed + pass)) failed=$((failed + fail)) skipped=$((skipped + skip))
  [ "$fail" = 0 ] || problem "$1: $fail failed"
  [ "$2" = 0 ] || [ "$fail" != 0 ] || problem "$1: exit status $2 although no test failed"
  while IFS= read -r line; do
    echo "SKIPPED: $line"
    [ -n "${line#*: }" ] || problem "$1: a test was skipped without a reason"
  done < <(skips "$trx")
  [ "$(skips "$trx" | wc -l)" = "$skip" ] || problem "$1: $skip skipped, but not as many reasons"
}

# test_project PROJECT VERBOSITY [COMMAND...]: runs a built test project, by way of COMMAND if there is one.
test_project() {
  local project=$1 verbosity=$2 status=0
  shift 2
  echo
  echo "== $project"
  mkdir -p "$work/tmp"
  # Under nohup, SIGHUP is ignored by all that it starts; the tests send it.
  "$@" env --default-signal=HUP TMPDIR="$work/tmp" dotnet test "$PWD/tests/$project/bin/Release/net10.0/$project.dll" \
    --logger "console;verbosity=$verbosity" --logger "trx;LogFileName=$results/$project.trx" --results-directory "$results" \
    --blame-hang-timeout "$((600 + ${SOAK:-0}))s" --blame-hang-dump-type none &
  # In the background: bash answers a signal while it waits, but not before a command in the foreground has ended.
  runner=$!
  wait "$runner" || status=$?
  runner=
  end_test_processes
  count "$project" "$status"
}

# ---- clients --------------------------------------------------------------------------------------------------------

make_namespace() {
  cat > "$work/hosts" << HOSTS
127.0.0.1 localhost ${HOSTNAME:-}
::1 localhost
127.0.0.1 registry-1.docker.io auth.docker.io index.docker.io docker.io registry.hub.docker.com production.cloudflare.docker.com
127.0.0.1 quay.io ghcr.io gcr.io registry.k8s.io mcr.microsoft.com public.ecr.aws
HOSTS
  echo 'nameserver 127.0.0.1' > "$work/resolv.conf"
  as_root ip netns add "$namespace" && namespace_made=1 && as_root ip -n "$namespace" link set lo up
}

# in_namespace COMMAND...: not `ip netns exec`, which mounts another /sys, so that engines would not find their cgroups.
in_namespace() {
  as_root nsenter --net="/run/netns/$namespace" unshare --mount --propagation slave bash -ec '
    mount --bind "$1/hosts" /etc/hosts
    mount --bind "$1/resolv.conf" /etc/resolv.conf
    shift
    exec "$@"' bash "$work" "$@"
}

publish() {
  flock --close artifacts/build.lock dotnet publish src/Entrepot.Server -c Release -v quiet -o "$work/program"
}

# Prints how often each real client pulled; none at all means that the tests did not test it.
report_pulls() {
  local client number
  for client in "${clients[@]}"; do
    number=$(grep -cx "$client" "$work/pulls" || true)
    echo "$client: ${number:-0} pulls"
    [ "${number:-0}" -gt 0 ] || problem "$client pulled nothing"
  done
}

# clients_page [keep|judge]: prints docs/clients.md with what each engine did in this run, and with "keep" with the versions that it names already,
# with "judge" also with the rows of newer engines that are not those of the page. A table whose first column is "engine" has the situations as its
# other columns; the row of an engine that was not there stays.
clients_page() {
  local stable
  stable=$(printf '%s\t' "${clients[@]}")
  awk -F '\t' -v mode="${1:-}" -v stable="$stable" '
    # Whether an engine, with the other programs that it runs on, is of the version that the page names.
    function same(engine) {
      if ((engine in version) && version[engine] != named[engine]) return 0
      return !(engine in needs) || same(needs[engine])
    }
    BEGIN {
      count = split(stable, cells, "\t")
      for (i = 1; i <= count; i++) is_stable[cells[i]] = 1
      needs["docker build, containerd image store"] = "dockerd, containerd image store"
      needs["dockerd, containerd image store"] = "containerd, layers in pieces"
    }
    FILENAME == ARGV[1] { version[$1] = $2; outcome[$1, $3] = $4; next }
    { count = split($0, cells, /[ \t]*\|[ \t]*/) }
    FILENAME == ARGV[2] { if (cells[2] in version && !(cells[2] in named)) named[cells[2]] = cells[3]; next }
    !/^\|/ { columns = 0; print; next }
    {
      if (!columns) { columns = count; table = cells[2] == "engine"; for (i = 2; i < count; i++) title[i] = cells[i]; print; next }
      if (!table || !(cells[2] in version) || (mode == "judge" && !(cells[2] in is_stable) && !same(cells[2]))) { print; next }
      line = "| " cells[2] " |"
      for (i = 3; i < count; i++) {
        if (title[i] == "version") value = mode != "" ? cells[i] : version[cells[2]]
        else value = ((cells[2], title[i]) in outcome) ? outcome[cells[2], title[i]] : "not tested"
        line = line " " value " |"
      }
      print line
    }' "$work/outcomes" docs/clients.md ./docs/clients.md
}

# first_table FILE: prints the first table of engines in it.
first_table() {
  awk '/^\| engine / { on = 1 } on && !/^\|/ { exit } on' "$1"
}

# Debian's development suite has other versions of the newer engines any day: what these do otherwise than the page says is worth a note, no failure.
check_clients_page() {
  local engine
  clients_page > "$results/clients.md"
  clients_page judge > "$work/judged.md"
  diff docs/clients.md "$work/judged.md" ||
    problem "docs/clients.md says something else than the engines did; what they did is in ${results#"$PWD"/}/clients.md"
  clients_page keep | diff "$work/judged.md" - ||
    echo "NOTE: engines of other versions than docs/clients.md names did something else; what they did is in ${results#"$PWD"/}/clients.md"
  diff <(first_table docs/clients.md) <(first_table README.md) || problem "README.md has another table than docs/clients.md"
  while IFS= read -r engine; do
    grep -q "^| $engine |" docs/clients.md || problem "docs/clients.md does not tell of $engine"
  done < <(cut -f 1 "$work/outcomes" | sort -u)
}

run_clients() {
  local root buildkit=yes program=${PUBLISHED_PROGRAM:-$work/program/entrepot}
  # What goes wrong before the tests begin is a failure with a name, and the line with the counts still comes.
  install_packages || { problem "the packages that Entrepot.ClientTests needs"; return; }
  [ -n "${PUBLISHED_PROGRAM:-}" ] || publish || { problem "the publishing of src/Entrepot.Server"; return; }
  make_namespace || { problem "the network namespace (root or sudo is needed)"; return; }
  has_buildkit || { buildkit=no; echo "docker build: with the classic builder, since the plugin docker-buildx cannot be had"; }
  # Whatever goes wrong with them, the others are tested.
  fetch_newer || rm -rf "$work/newer"
  : > "$work/pulls"
  : > "$work/outcomes"
  root=$(dirname "$(readlink -f "$(command -v dotnet)")")
  CRASH_SEED=${CRASH_SEED:-$((RANDOM * 32768 + RANDOM))}
  echo "Crash test: CRASH_SEED=$CRASH_SEED"
  test_project Entrepot.ClientTests normal in_namespace env \
    PATH="$PATH:/usr/sbin:/sbin" DOTNET_ROOT="${DOTNET_ROOT:-$root}" DOTNET_CLI_HOME="$work" DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 \
    PUBLISHED_PROGRAM="$program" CLIENT_PULLS="$work/pulls" CLIENT_LOGS="$results/clients" \
    CLIENT_OUTCOMES="$work/outcomes" CLIENT_NEWER="$work/newer" CLIENT_BUILDKIT="$buildkit" NUGET_PACKAGES="${NUGET_PACKAGES:-$HOME/.nuget/packages}" CRASH_SEED="$CRASH_SEED" KILLS="${KILLS:-20}" SOAK="${SOAK:-0}"
  remove_namespace
  [ "$(id -u)" = 0 ] || as_root chown -R "$(id -u):$(id -g)" "$results"
  report_pulls
  check_clients_page
}

# ---- all ------------------------------------------------------------------------------------------------------------

build() {
  mkdir -p artifacts
  # Two runs in one folder build one after the other; the second finds nothing to do.
  # --close: the compiler's server process outlives the build and would keep the lock.
  flock --close artifacts/build.lock dotnet build Cache.sln -c Release -v quiet
}

if build; then
  for part in "${parts[@]}"; do
    case $part in
      unit) test_project Entrepot.Tests minimal ;;
      functional) test_project Entrepot.FunctionalTests minimal ;;
      clients) run_clients ;;
    esac
  done
else
  problem "the build"
fi

echo
echo "Logs: ${results#"$PWD"/}"
for name in "${problems[@]+"${problems[@]}"}"; do echo "FAILED: $name"; done
echo "$passed passed, $failed failed, $skipped skipped"
[ ${#problems[@]} = 0 ]

#!/usr/bin/env bash
# tests/fuzz.sh SECONDS [TARGET]...
#
# Fuzzes the parsers with AFL++, which sees what each input covers: every target, or the named ones, for so many seconds each. Needs the .NET SDK that
# global.json names, Debian or Ubuntu, and root or sudo to install the package afl++ if it is not there. The instrumented program, what was found and the
# corpus that grew stay under TestResults/fuzz; a run goes on with that corpus.
#
# Prints a line for each target: runs, inputs that cover something new, and findings. The exit status is 0 only if there are none; what was found is tried
# alone with TestResults/fuzz/program/Entrepot.Fuzz run TARGET FILE.
set -euo pipefail

case ${1:-} in
  '' | *[!0-9]*) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
seconds=$1
shift

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
work=$PWD/TestResults/fuzz
program=$work/program
mkdir -p "$work"

if ! command -v afl-fuzz > /dev/null; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo --)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends afl++
fi
[ -x "$work/tools/sharpfuzz" ] || dotnet tool install SharpFuzz.CommandLine --tool-path "$work/tools"

# Made anew as a whole when a source has changed since: what is instrumented already cannot be once more.
if [ ! -e "$program/instrumented" ] || [ -n "$(find src tests/Entrepot.Fuzz -newer "$program/instrumented" \( -name '*.cs' -o -name '*.csproj' \) ! -path '*/obj/*' -print -quit)" ]; then
  rm -rf "$program"
  dotnet publish tests/Entrepot.Fuzz -c Release -v quiet -o "$program"
  for assembly in Entrepot.Core Entrepot.Upstream entrepot; do "$work/tools/sharpfuzz" "$program/$assembly.dll"; done
  touch "$program/instrumented"
fi
"$program/Entrepot.Fuzz" corpus "$work/corpus"

[ $# -gt 0 ] || mapfile -t targets < <("$program/Entrepot.Fuzz" list)
[ $# -eq 0 ] || targets=("$@")
# The program is no binary of AFL's; there is one for each core; and what the machine does with crashes does not matter: they are exceptions.
export AFL_SKIP_BIN_CHECK=1 AFL_NO_AFFINITY=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 AFL_AUTORESUME=1
status=0
for target in "${targets[@]}"; do
  findings=$work/findings/$target
  mkdir -p "$findings"
  afl-fuzz -i "$work/corpus/$target" -o "$findings" -t 5000 -m none -V "$seconds" -- "$program/Entrepot.Fuzz" afl "$target" > "$findings/log" 2>&1 || { tail -20 "$findings/log" >&2; exit 1; }
  stat() { sed -n "s/^$1 *: //p" "$findings/default/fuzzer_stats"; }
  crashes=$(find "$findings/default/crashes" "$findings/default/hangs" -name 'id:*' | wc -l)
  echo "$target: $(stat execs_done) runs, $(stat corpus_found) inputs that cover something new, $crashes findings"
  [ "$crashes" = 0 ] || { find "$findings/default/crashes" "$findings/default/hangs" -name 'id:*'; status=1; }
done
exit $status

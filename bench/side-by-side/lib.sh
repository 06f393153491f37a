# shellcheck shell=bash
# What the figures measure with: processor time and memory of a server, series of rounds, rows of the table.

# Prints a port of 127.0.0.1 that nobody listens on, below those that connections are made from.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 10000))
    { exec 4<> "/dev/tcp/127.0.0.1/$port"; } 2> /dev/null || { echo "$port"; return; }
    exec 4>&-
  done
}

# calculate EXPRESSION: prints what awk makes of it.
calculate() { awk "BEGIN { printf \"%.6g\n\", $1 }"; }

# field NAME TEXT: prints what follows NAME in a line of "name value" pairs, as the load generator prints it.
field() { awk -v name="$1" '{ for (i = 1; i < NF; i += 2) if ($i == name) print $(i + 1) }' <<< "$2"; }

# as_root COMMAND...
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi; }

# ---- one server -----------------------------------------------------------------------------------------------------

# Prints the processor time of a server's processes and of their ended children, in hundredths of a second.
cpu() {
  local pid
  for pid in ${pids[$1]}; do
    [ -e "/proc/$pid" ] || continue   # nginx's cache loader ends after a minute, and is one of its master's ended children then
    sed 's/.*) //' "/proc/$pid/stat"
  done | awk '{ used += $12 + $13 + $14 + $15 } END { print used + 0 }'
}

# settle SERVER [SECONDS]: waits, 6 seconds at most, until it has done what it does behind its answers (writing, flushing): until 0.3 s cost it at most 0.01 s.
settle() {
  local before now end=$((SECONDS + ${2:-6}))
  now=$(cpu "$1")
  while [ "$SECONDS" -le "$end" ]; do
    before=$now
    sleep 0.3
    now=$(cpu "$1")
    [ $((now - before)) -gt 1 ] || return 0
  done
  echo "$1 is still busy" >&2
}

# measure SERVER COMMAND...: runs it; leaves its output in $said and the processor time that it cost the server in $used, in seconds.
measure() {
  local server=$1 before
  shift
  before=$(cpu "$server")
  said=$("$@") || { echo "failed: $*" >&2; return 1; }
  used=$(calculate "($(cpu "$server") - $before) / 100")
}

# measure_all SERVER COMMAND...: as measure, with what the server does afterwards. $used_at_once is without it.
# shellcheck disable=SC2034 # read by figures
measure_all() {
  local server=$1 before
  before=$(cpu "$server")
  measure "$@"
  settle "$server"
  used=$(calculate "($(cpu "$server") - $before) / 100")
}

# memory FIELD SERVER: prints the sum of a field of smaps_rollup over its processes, in MiB. Pss counts shared pages in part,
# Pss_Anon is what was allocated.
memory() {
  local pid
  for pid in ${pids[$2]}; do cat "/proc/$pid/smaps_rollup"; done | awk -v field="$1:" '$1 == field { sum += $2 } END { print int(sum / 1024) }'
}

# peak FIELD SERVER COMMAND...: runs it and leaves in $most the most that memory was meanwhile, in MiB.
# shellcheck disable=SC2034 # read by figures
peak() {
  local what=$1 server=$2 job now
  shift 2
  most=0
  "$@" > "$work/said" &
  job=$!
  while kill -0 "$job" 2> /dev/null; do
    now=$(memory "$what" "$server")
    [ "$now" -le "$most" ] || most=$now
    sleep 0.25
  done
  wait "$job" || { echo "failed: $*" >&2; return 1; }
}

# ---- rounds and rows ------------------------------------------------------------------------------------------------

# note SERIES VALUE: adds a round's value.
note() { echo "$2" >> "$work/series/$1"; }

# in_turn ROUND NAME...: prints the names, beginning with another one in each round, so that none always follows the same.
in_turn() {
  local round=$1
  shift
  local -a names=("$@") i
  for ((i = 0; i < ${#names[@]}; i++)); do echo "${names[(i + round) % ${#names[@]}]}"; done
}

# summary [UNIT]: prints "median unit (least to most)" of the numbers that come in.
summary() {
  sort -g | awk -v unit="${1:+ $1}" '
    function show(x) { return x >= 1000 ? sprintf("%d", x + 0.5) : sprintf("%.3g", x) }
    { value[NR] = $1 }
    END {
      if (NR == 0) { print "-"; exit }
      median = NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2
      printf NR == 1 ? "%s%s" : "%s%s (%s to %s)", show(median), unit, show(value[1]), show(value[NR])
    }'
}

# Prints the median of the numbers that come in.
median() { sort -g | awk '{ value[NR] = $1 } END { print (NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2) }'; }

# table_row ID FIGURE OURS RIVAL RATIO WANTED REACHED
table_row() {
  printf '| %s | %s | %s | %s | %s | %s | %s | %s, %s |\n' "$@" "$commit" "$(date -u +%F)" >> "$work/rows"
  printf '%-4s %-62s %-28s %-44s %-24s %-10s %s\n' "$@"
}

# reached VALUE LIMIT: LIMIT is "<= N" or ">= N".
reached() { awk -v value="$1" -v how="${2% *}" -v limit="${2#* }" 'BEGIN { print ((how == "<=" ? value <= limit : value >= limit) ? "yes" : "**no**") }'; }

# compare ID FIGURE UNIT OURS RIVAL "RIVAL'S NAME" LIMIT: a row of two series. What counts is the median of the rounds' ratios, ours to the rival's.
compare() {
  local ours=$work/series/$4 theirs=$work/series/$5 ratios
  ratios=$(paste "$ours" "$theirs" | awk '{ print ($2 > 0 ? $1 / $2 : 999) }')
  table_row "$1" "$2" "$(summary "$3" < "$ours")" "$6: $(summary "$3" < "$theirs")" "$(summary <<< "$ratios")" \
    "$7" "$(reached "$(median <<< "$ratios")" "$7")"
}

# bound ID FIGURE UNIT OURS LIMIT [RIVAL'S]: a row of a series that must stay on its side of a number. RIVAL'S is text.
bound() {
  local ours=$work/series/$4
  table_row "$1" "$2" "$(summary "$3" < "$ours")" "${6:--}" - "$5${3:+ $3}" "$(reached "$(median < "$ours")" "$5")"
}

# unmeasured ID FIGURE WANTED WHY
unmeasured() { table_row "$1" "$2" "not measured: $4" "-" "-" "$3" "-"; }

# shellcheck shell=bash
# From start to the first answer, and memory while nobody asks.

# Prints microseconds.
now() { echo "${EPOCHREALTIME/./}"; }

# start_timed SERVER COMMAND...: starts it and notes how many seconds it took to answer.
start_timed() {
  local began server=$1
  shift
  began=$(now)
  "$@"
  note "start.$server" "$(calculate "($(now) - $began) / 1e6")"
}

figure_start() {
  local round server
  make_manifest > /dev/null
  start_upstream
  for ((round = 0; round < start_rounds; round++)); do
    for server in $(in_turn "$round" entrepot registry); do
      start_timed "$server" "start_$server" "$server"
      if [ "$round" = 0 ]; then
        sleep "$idle_seconds"   # the first measuring of the store is over by then
        note "idle.$server" "$(memory Pss "$server")"
      fi
      stop "$server"
    done
  done
  bound 13a "idle memory, empty store, $idle_seconds s after the start" MiB idle.entrepot '<= 80' "docker-registry: $(summary MiB < "$work/series/idle.registry")"
  bound 13b 'start to first answered request, empty store' s start.entrepot '<= 0.5' "docker-registry: $(summary s < "$work/series/start.registry")"
}

# By name alone: a million files take a while to make and to remove.
figure_start_1m() {
  local round
  start_upstream
  prepare entrepot
  dotnet "$generator" store-fill "$many_blobs" "${folder[entrepot]}/data" > /dev/null
  for ((round = 0; round < start_rounds; round++)); do
    start_timed many start_entrepot entrepot
    if [ "$round" = 0 ]; then
      settle entrepot 120   # all files have been compared with the index
      note idle.many "$(memory Pss entrepot)"
    fi
    end entrepot
  done
  bound 13c "start to first answered request, $many_blobs blobs" s start.many '<= 2'
  table_row 13d "memory after it has looked at $many_blobs blobs" "$(summary MiB < "$work/series/idle.many")" - - - -
}

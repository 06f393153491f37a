# shellcheck shell=bash
# Misses: what it costs to fetch, hash, keep and send.

# cold_blob BYTES: makes one and prints its path. What is still to be written to the disk is written now, not in the measurement.
cold_blob() {
  blobs 1 "$1"
  sync -f "$work"
}

# take SERVER PATH: one download; leaves what measure_all does and $seconds. "direct" is the upstream itself.
take() {
  local server=${1/direct/upstream}
  measure_all "$server" fetch "$server" "$2"
  seconds=$(field seconds "$said")
}

# warm_cold SERVER...: has each fetch other blobs, and Entrepot as many as it takes for some seconds, as for hits; ends with what that left to do.
warm_cold() {
  local paths server end
  for server; do
    end=$((SECONDS + warm_seconds))
    while :; do
      mapfile -t paths < <(blobs 8 5000000)
      fetch "$server" "${paths[@]}" > /dev/null
      [ "$server" = entrepot ] && [ "$SECONDS" -lt "$end" ] || break
    done
    settle "$server"
  done
}

figure_cold_throttled() {
  local path round server rate=200000000
  # A cache that asked over several connections would be given so much for each of them.
  start_upstream "limit_rate $rate;"
  start_entrepot entrepot 'parallelRuns: 1'
  fetch entrepot "$(cold_blob 40000000)" > /dev/null
  for ((round = 0; round < throttled_rounds; round++)); do
    path=$(cold_blob "$((cold_mb * 1000000))")
    for server in $(in_turn "$round" direct entrepot); do
      take "$server" "$path"
      note "throttled.$server" "$seconds"
    done
  done
  compare 6 "cold, $cold_mb MB, upstream at 200 MB/s (parallelRuns 1): wall time" s throttled.entrepot throttled.direct direct '<= 1.02'
}

figure_cold() {
  local path round server gigabytes
  gigabytes=$(calculate "$cold_mb / 1000")
  make_manifest > /dev/null
  start_upstream
  start_entrepot entrepot
  start_proxy_cache nginx
  start_registry registry
  warm_cold entrepot nginx registry
  for ((round = 0; round < cold_rounds; round++)); do
    path=$(cold_blob "$((cold_mb * 1000000))")
    # Once before, or whoever comes first would find it out of the processors' caches.
    fetch upstream "$path" > /dev/null
    for server in $(in_turn "$round" direct entrepot nginx registry); do
      take "$server" "$path"
      note "cold.wall.$server" "$seconds"
      note "cold.cpu.$server" "$(calculate "$used / $gigabytes")"
      sync -f "$work"
    done
    paste "$work"/series/cold.wall.{entrepot,direct} | tail -n 1 | awk '{ print $1 / $2 }' >> "$work/series/cold.over.entrepot"
    paste "$work"/series/cold.wall.{nginx,direct} | tail -n 1 | awk '{ print $1 / $2 }' >> "$work/series/cold.over.nginx"
    paste "$work"/series/cold.wall.{registry,direct} | tail -n 1 | awk '{ print $1 / $2 }' >> "$work/series/cold.over.registry"
  done
  local what="cold, $cold_mb MB, unthrottled"
  compare 7 "$what: wall time" s cold.wall.entrepot cold.wall.nginx 'nginx proxy_cache' '<= 1.1'
  table_row 7b "$what: wall time, times direct" "$(summary < "$work/series/cold.over.entrepot")" \
    "nginx: $(summary < "$work/series/cold.over.nginx"); docker-registry: $(summary < "$work/series/cold.over.registry")" - - -
  compare 8 "$what: CPU s/GB, flushes included" '' cold.cpu.entrepot cold.cpu.registry docker-registry '<= 0.4'
}

figure_cold_small() {
  local paths round server
  make_manifest > /dev/null
  start_upstream
  start_entrepot entrepot
  start_registry registry
  mapfile -t paths < <(blobs 100 10000)
  for server in entrepot registry; do fetch "$server" "${paths[@]}" > /dev/null; done
  for ((round = 0; round < crowd_rounds; round++)); do
    mapfile -t paths < <(blobs "$small_blobs" 10000)
    for server in $(in_turn "$round" entrepot registry); do
      sync -f "$work"
      measure_all "$server" load_each "${url[$server]}" 32 "${paths[@]}"
      note "cold_small.rate.$server" "$(calculate "$small_blobs / $(field seconds "$said")")"
      note "cold_small.cpu.$server" "$(calculate "$used * 1000 / $small_blobs")"
    done
  done
  local what="cold, $small_blobs blobs of 10 KB, 32 clients"
  compare 9 "$what: blobs/s" '' cold_small.rate.entrepot cold_small.rate.registry docker-registry '>= 5'
  table_row 9b "$what: CPU ms for each" "$(summary < "$work/series/cold_small.cpu.entrepot")" \
    "docker-registry: $(summary < "$work/series/cold_small.cpu.registry")" - - -
}

# load_each URL CLIENTS PATH...
load_each() {
  local server=$1 clients=$2
  shift 2
  printf '%s\n' "$@" | load each "$server" "$clients"
}

# shellcheck shell=bash
# Many clients of one blob: all at once, or slowly.

# herd PATH: everybody asks for it at the same moment.
herd() {
  local -a paths
  mapfile -t paths < <(yes "$1" | head -n "$herd_clients" || true)
  load_each "${url[entrepot]}" "$herd_clients" "${paths[@]}"
}

figure_herd() {
  local path round bytes=$((herd_mb * 1000000)) what="herd: $herd_clients clients, one blob of $herd_mb MB"
  start_upstream
  start_entrepot entrepot
  fetch entrepot "$(cold_blob 40000000)" > /dev/null
  for ((round = 0; round < herd_rounds; round++)); do
    path=$(cold_blob "$bytes")
    measure_all entrepot herd "$path"
    note herd.cold "$(field seconds "$said")"
    note herd.upstream "$(awk -v path="$path" -v size="$bytes" '$2 == path { sent += $1 } END { print sent / size }' "$work/upstream.sent")"
    measure_all entrepot herd "$path"
    note herd.hit "$(field seconds "$said")"
  done
  bound 10a "$what: bytes asked of the upstream / size" '' herd.upstream '<= 1'
  compare 10b "$what, cold: wall time" s herd.cold herd.hit 'the same on a hit' '<= 1.3'
}

figure_slow_readers() {
  local path before what="$slow_clients slow readers of one $slow_mb MB blob: growth of memory"
  start_upstream
  start_entrepot entrepot
  path=$(blobs 1 "$((slow_mb * 1000000))")
  fetch entrepot "$path" > /dev/null
  settle entrepot
  before=$(memory Pss entrepot)
  peak Pss entrepot load slow "${url[entrepot]}$path" "$slow_clients" 100000 "$slow_seconds"
  note slow.growth "$((most - before))"
  bound 11 "$what" MiB slow.growth '<= 100' "before: $before MiB"
}

# Cold, as when a cluster starts an image over slow links. nginx is a cache here, too.
figure_slow_cold() {
  local path server start what="$slow_cold_clients slow readers of one cold $slow_cold_mb MB blob: peak memory"
  make_manifest > /dev/null
  start_upstream
  path=$(blobs 1 "$((slow_cold_mb * 1000000))")
  for server in entrepot proxy_cache registry; do
    start=start_$server
    "$start" "$server"
    fetch "$server" "$(cold_blob 1000000)" > /dev/null
    peak Pss "$server" load slow "${url[$server]}$path" "$slow_cold_clients" 1000000 "$slow_seconds"
    note "slow_cold.$server" "$most"
    stop "$server"
  done
  bound 12 "$what" MiB slow_cold.entrepot '<= 120' \
    "docker-registry: $(summary MiB < "$work/series/slow_cold.registry"); nginx proxy_cache: $(summary MiB < "$work/series/slow_cold.proxy_cache")"
}

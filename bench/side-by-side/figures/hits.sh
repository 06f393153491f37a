# shellcheck shell=bash
# Hits: what it costs to send what is there.

readonly hit_servers=(entrepot nginx registry)

# Starts the three, in front of one upstream.
start_hit_servers() {
  start_upstream
  start_entrepot entrepot
  start_static nginx
  start_registry registry
}

# fetch SERVER PATH...: takes each once, over one connection.
fetch() {
  local server=$1
  shift
  printf '%s\n' "$@" | load each "${url[$server]}" 1
}

# ask TOOL SERVER METHOD PATH CONNECTIONS SECONDS: one round of requests; leaves what measure does. wrk takes GET alone: it waits for a body of HEAD.
ask() {
  if [ "$1" = wrk ]; then
    measure "$2" wrk -t1 -c"$5" -d"$6" -H 'Accept: application/vnd.oci.image.manifest.v1+json, */*' -s "$here/report.lua" "${url[$2]}$4"
    said=${said##*$'\n'}
  else
    measure "$2" load hit "${url[$2]}$4" "$3" "$5" "$6"
  fi
}

# warm TOOL SERVER METHOD PATH CONNECTIONS: has Entrepot compile what it compiles when it is busy, twice, the second time by what was found out meanwhile; the
# others are compiled.
warm() {
  [ "$2" != entrepot ] || [ "$warm_seconds" = 0 ] || ask "$@" "$warm_seconds"
  settle "$2"
}

figure_hit_blob() {
  local path round server seconds gigabytes
  path=$(blobs 1 "$((large_mb * 1000000))")
  start_hit_servers
  for server in "${hit_servers[@]}"; do
    fetch "$server" "$path" > /dev/null
    warm load "$server" GET "$path" 4
  done
  for ((round = 0; round < blob_rounds; round++)); do
    for server in $(in_turn "$round" "${hit_servers[@]}"); do
      ask load "$server" GET "$path" 4 "$blob_seconds"
      seconds=$(field seconds "$said")
      gigabytes=$(calculate "$(field bytes "$said") / 1e9")
      note "blob.cpu.$server" "$(calculate "$used / $gigabytes")"
      note "blob.rate.$server" "$(calculate "$gigabytes / $seconds")"
    done
  done
  local what="hit, $large_mb MB blob, 4 connections"
  compare 1a "$what: CPU s/GB" '' blob.cpu.entrepot blob.cpu.nginx nginx '<= 1.1'
  compare 1b "$what: CPU s/GB" '' blob.cpu.entrepot blob.cpu.registry docker-registry '<= 0.4'
  compare 2 "$what: GB/s" '' blob.rate.entrepot blob.rate.nginx nginx '>= 1'
}

# small_rounds SERIES TOOL METHOD PATH SERVER...: rounds of small answers; notes requests for a second and for a second of processor time.
small_rounds() {
  local series=$1 tool=$2 method=$3 path=$4 round server
  shift 4
  for server in "$@"; do
    fetch "$server" "$path" > /dev/null
    warm "$tool" "$server" "$method" "$path" 32
  done
  for ((round = 0; round < small_rounds; round++)); do
    for server in $(in_turn "$round" "$@"); do
      ask "$tool" "$server" "$method" "$path" 32 "$small_seconds"
      note "$series.cpu.$server" "$(calculate "$(field responses "$said") / ($used + 0.001)")"
      note "$series.rate.$server" "$(calculate "$(field responses "$said") / $(field seconds "$said")")"
    done
  done
}

# small_table ID FIGURE SERIES: its rows against both rivals.
small_table() {
  compare "$1a" "$2: requests per CPU second" '' "$3.cpu.entrepot" "$3.cpu.nginx" nginx '>= 0.9'
  compare "$1b" "$2: requests per CPU second" '' "$3.cpu.entrepot" "$3.cpu.registry" docker-registry '>= 50'
  table_row "$1c" "$2: requests/s, beside the generator" "$(summary < "$work/series/$3.rate.entrepot")" \
    "nginx: $(summary < "$work/series/$3.rate.nginx")" "$(calculate "$(median < "$work/series/$3.rate.entrepot") / $(median < "$work/series/$3.rate.nginx")")" - -
}

figure_hit_manifest() {
  local digest manifests=/$repository/manifests
  digest=$(make_manifest)
  start_hit_servers
  small_rounds digest wrk GET "$manifests/$digest" "${hit_servers[@]}"
  small_table 3.1 'hit, manifest by digest, 32 connections' digest
  small_rounds tag wrk GET "$manifests/latest" "${hit_servers[@]}"
  small_table 3.2 'hit, manifest by tag, 32 connections' tag
  small_rounds head load HEAD "$manifests/latest" "${hit_servers[@]}"
  small_table 3.3 'hit, HEAD by tag, 32 connections' head
}

figure_hit_small() {
  local paths
  mapfile -t paths < <(blobs 256 10000)
  start_upstream
  start_entrepot entrepot
  start_static nginx
  printf '%s\n' "${paths[@]}" > "$work/paths"
  fetch entrepot "${paths[@]}" > /dev/null
  settle entrepot
  PATHS=$work/paths small_rounds small wrk GET "${paths[0]}" entrepot nginx
  compare 4a 'hit, 256 blobs of 10 KB, 32 connections: requests per CPU second' '' small.cpu.entrepot small.cpu.nginx nginx '>= 0.9'
  compare 4b 'hit, 256 blobs of 10 KB, 32 connections: requests/s' '' small.rate.entrepot small.rate.nginx nginx '>= 0.9'
}

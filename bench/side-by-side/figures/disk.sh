# shellcheck shell=bash
# Blobs that do not fit into memory, beside answers that do.

# Makes a control group that has $limited_mb of memory, and has $limit start a server in it. Fails if this machine gives none.
make_limit() {
  local mounts=/sys/fs/cgroup own file
  if [ -e $mounts/cgroup.controllers ]; then
    group=$mounts/entrepot-bench.$$ file=memory.max
    as_root sh -c "echo +memory > $mounts/cgroup.subtree_control" 2> /dev/null || return 1
  else
    own=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
    [ -n "$own" ] || return 1
    group=$mounts/memory${own%/}/entrepot-bench.$$ file=memory.limit_in_bytes
  fi
  as_root mkdir "$group" 2> /dev/null || { group=; return 1; }
  as_root sh -c "echo $((limited_mb * 1024 * 1024)) > '$group/$file'" 2> /dev/null && as_root chmod a+w "$group/cgroup.procs" || return 1
  # shellcheck disable=SC2016 # for the shell in the group
  limit=(sh -c 'echo $$ > "$0" && exec "$@"' "$group/cgroup.procs")
}

# A group can be removed once its last process has been waited for.
remove_limit() {
  limit=()
  [ -z "${group:-}" ] || as_root rmdir "$group" 2> /dev/null || true
  group=
}

figure_disk() {
  local paths manifest path round what="manifest hits, p99, beside blobs of 4 x the memory ($limited_mb MiB) read from disk"
  if ! make_limit; then
    remove_limit
    unmeasured 5 "$what" '<= 3' 'no memory control group can be made here'
    return
  fi
  manifest=/$repository/manifests/$(make_manifest)
  mapfile -t paths < <(blobs 4 "$((limited_mb * 1024 * 1024))")
  start_upstream
  start_entrepot entrepot
  fetch entrepot "$manifest" "${paths[@]}" > /dev/null
  warm wrk entrepot GET "$manifest" 4
  for ((round = 0; round < disk_rounds; round++)); do
    ask wrk entrepot GET "$manifest" 4 "$disk_seconds"
    note disk.alone "$(calculate "$(field p99_us "$said") / 1000")"
    read_all_blobs "${paths[@]}" &
    local readers=$!
    ask wrk entrepot GET "$manifest" 4 "$disk_seconds"
    note disk.beside "$(calculate "$(field p99_us "$said") / 1000")"
    wait "$readers"
    note disk.rate "$(cat "$work/disk.rate")"
  done
  compare 5 "$what at $(summary MB/s < "$work/series/disk.rate")" ms disk.beside disk.alone 'the same without the blobs' '<= 3'
  stop entrepot
  remove_limit
}

# read_all_blobs PATH...: four readers, each beginning with another blob, for as long as a round takes; leaves how fast.
read_all_blobs() {
  local said
  said=$(printf '%s\n' "$@" | load loop "${url[entrepot]}" 4 "$disk_seconds")
  calculate "$(field bytes "$said") / $(field seconds "$said") / 1e6" > "$work/disk.rate"
}

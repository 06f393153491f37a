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
  local paths path manifest server round what="manifest hits, p99, beside blobs of 4 x the memory ($limited_mb MiB) read from disk"
  manifest=/$repository/manifests/$(make_manifest)
  mapfile -t paths < <(blobs 4 "$((limited_mb * 1024 * 1024))")
  start_upstream
  if ! make_limit; then
    remove_limit
    unmeasured 5a "$what" '<= 3' 'no memory control group can be made here'
    return
  fi
  for server in entrepot static; do
    "start_$server" "$server"
    fetch "$server" "$manifest" "${paths[@]}" > /dev/null
    # nginx has no files of its own: those that it serves are to come from the disk as well.
    sync -f "$content"
    for path in "${paths[@]}"; do dd if="$content$path" iflag=nocache count=0 status=none; done
    warm wrk "$server" GET "$manifest" 4
    for ((round = 0; round < disk_rounds; round++)); do disk_round "$server" "$manifest" "${paths[@]}"; done
    stop "$server"
  done
  remove_limit
  compare 5a "$what at $(summary MB/s < "$work/series/disk.rate.entrepot")" ms disk.beside.entrepot disk.alone.entrepot 'the same without the blobs' '<= 3'
  table_row 5b 'the same of nginx, which reads from the disk where it answers' - "with: $(summary ms < "$work/series/disk.beside.static"), without: $(summary ms < "$work/series/disk.alone.static"), at \
$(summary MB/s < "$work/series/disk.rate.static")" - - -
}

# disk_round SERVER MANIFEST PATH...: alone, then beside four readers, each of which begins with another blob.
disk_round() {
  local server=$1 manifest=$2 readers read
  shift 2
  ask wrk "$server" GET "$manifest" 4 "$disk_seconds"
  note "disk.alone.$server" "$(calculate "$(field p99_us "$said") / 1000")"
  printf '%s\n' "$@" | load loop "${url[$server]}" 4 "$disk_seconds" > "$work/read" &
  readers=$!
  ask wrk "$server" GET "$manifest" 4 "$disk_seconds"
  note "disk.beside.$server" "$(calculate "$(field p99_us "$said") / 1000")"
  wait "$readers"
  read=$(< "$work/read")
  note "disk.rate.$server" "$(calculate "$(field bytes "$read") / $(field seconds "$read") / 1e6")"
}

# shellcheck shell=bash
# shellcheck disable=SC2034 # read by figures
# How much of everything: sizes in MB, times in seconds, of which wrk takes whole ones only. $size is full, quick or dry.

large_mb=256 cold_mb=300 small_blobs=2000 limited_mb=256
herd_clients=500 herd_mb=100
slow_clients=1000 slow_mb=1000
slow_cold_clients=300 slow_cold_mb=50
many_blobs=1000000

case $size in
  full)
    warm_seconds=4
    blob_rounds=7 blob_seconds=2
    small_rounds=5 small_seconds=2
    disk_rounds=3 disk_seconds=4
    throttled_rounds=5 cold_rounds=5 crowd_rounds=3 herd_rounds=2
    slow_seconds=10
    start_rounds=7 idle_seconds=12
    ;;
  quick)
    warm_seconds=2
    blob_rounds=2 blob_seconds=1
    small_rounds=2 small_seconds=1
    disk_rounds=1 disk_seconds=2
    throttled_rounds=2 cold_rounds=2 crowd_rounds=1 herd_rounds=1
    small_blobs=500 herd_clients=50
    slow_seconds=3
    start_rounds=2 idle_seconds=3
    ;;
  dry)
    warm_seconds=0
    blob_rounds=1 blob_seconds=0.2
    small_rounds=1 small_seconds=1
    disk_rounds=1 disk_seconds=1
    throttled_rounds=1 cold_rounds=1 crowd_rounds=1 herd_rounds=1
    large_mb=4 cold_mb=4 small_blobs=50 limited_mb=160 herd_clients=20 herd_mb=4
    slow_clients=20 slow_mb=20 slow_cold_clients=10 slow_cold_mb=5 many_blobs=1000
    slow_seconds=1
    start_rounds=1 idle_seconds=0
    ;;
esac

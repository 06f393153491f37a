#!/usr/bin/env bash
# bench/bundles.sh [-s MIB] [-r ROUNDS] [-d] [PROGRAM]
#
# How fast bundle export writes and bundle import takes in, against what the disk and SHA-256 do in the same rounds, and how much
# processor time and memory the command and its server take. Publishes src/Entrepot.Server unless PROGRAM names an executable.
# Prints a page in Markdown: bench/results/bundles.md is one. Exits 1 if a ratio is below 0.7, or either side took more than 150 MB.
#
#   -s MIB      bytes of the image that is carried, in MiB (default 5120)
#   -r ROUNDS   rounds, of which medians are taken (default 5)
#   -d          dry: 64 MiB and one round, which finds out that it works, and measures nothing
#
# Needs Linux, bash, python3 and openssl, and five times the bytes on the disk of TMPDIR, which is the one that is measured.
set -euo pipefail

mib=5120 rounds=5 is_dry=
while getopts s:r:dh option; do
  case $option in
    s) mib=$OPTARG ;;
    r) rounds=$OPTARG ;;
    d) mib=64 rounds=1 is_dry=1 ;;
    h) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/entrepot-bundles.XXXXXX")
running=()
clean_up() {
  for process in "${running[@]}"; do kill -KILL "$process" 2> /dev/null && wait "$process" 2> /dev/null || true; done
  rm -rf "$work"
}
trap clean_up EXIT

program=${1:-}
if [ -z "$program" ]; then
  dotnet publish src/Entrepot.Server -c Release -v quiet -o "$work/program" > "$work/publish.log" || { cat "$work/publish.log" >&2; exit 1; }
  program=$work/program/entrepot
fi

# ---- what is measured with --------------------------------------------------------------------------------------------

# A registry that has one image, whose layers lie in one file.
cat > "$work/registry.py" << 'PY'
import hashlib, http.server, json, os, sys
work, mib = sys.argv[1], int(sys.argv[2])
layers, at = {}, 0
with open(os.path.join(work, "layers"), "wb") as file:
    piece = os.urandom(1 << 20)
    while at < mib:
        count, whole = min(max(1, mib // 5), mib - at), hashlib.sha256()
        for number in range(at, at + count):
            piece = number.to_bytes(8, "big") + piece[8:]
            file.write(piece)
            whole.update(piece)
        layers[whole.hexdigest()] = (at << 20, count << 20)
        at += count
config = b'{"architecture":"amd64","os":"linux"}'
def describe(kind, digest, size): return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": size}
manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": describe("config.v1+json", hashlib.sha256(config).hexdigest(), len(config)),
    "layers": [describe("layer.v1.tar", digest, size) for digest, (_, size) in layers.items()]}).encode()
name = "sha256:" + hashlib.sha256(manifest).hexdigest()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_HEAD(self): self.answer(False)
    def do_GET(self): self.answer(True)
    def answer(self, body):
        path = self.path.split("?")[0]
        kind, content, layer = "application/octet-stream", None, layers.get(path[-64:])
        if path in ("/v2/big/image/manifests/1", "/v2/big/image/manifests/" + name): kind, content = "application/vnd.oci.image.manifest.v1+json", manifest
        elif path.endswith(hashlib.sha256(config).hexdigest()): content = config
        elif layer is None:
            self.send_response(404); self.send_header("Content-Length", "0"); self.end_headers(); return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if content is manifest: self.send_header("Docker-Content-Digest", name)
        self.send_header("Content-Length", str(layer[1] if content is None else len(content)))
        self.end_headers()
        if not body: return
        if content is not None: self.wfile.write(content); return
        with open(os.path.join(work, "layers"), "rb") as file:
            file.seek(layer[0])
            for _ in range(layer[1] >> 20): self.wfile.write(file.read(1 << 20))
class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_): pass   # who asks for a part leaves in the middle of the whole
server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PY

# Runs a command; prints the seconds that it takes, those of processors, and the most memory that it had, in MiB.
cat > "$work/took.py" << 'PY'
import os, sys, time
began = time.monotonic()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
_, status, used = os.wait4(child, 0)
print(f"{time.monotonic() - began:.3f} {used.ru_utime + used.ru_stime:.2f} {used.ru_maxrss // 1024}")
sys.exit(os.waitstatus_to_exitcode(status))
PY
took() { python3 "$work/took.py" "$@"; }

# forget FILE...: has the page cache forget them, as if they had come on a disk just now.
forget() {
  sync
  python3 - "$@" << 'PY'
import os, sys
for path in sys.argv[1:]:
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)
PY
}

# note SERIES VALUE...: adds a round's values.
note() { local series=$1; shift; echo "$*" >> "$work/series.$series"; }

# with_server SERIES SERVER COMMAND...: runs it, and notes what it and the server took.
with_server() {
  local series=$1 server=$2 before peak
  shift 2
  before=$(used "$server")
  echo 5 > "/proc/$server/clear_refs" 2> /dev/null || true   # its peak begins anew
  note "$series" "$(took "$@")"
  peak=$(awk '$1 == "VmHWM:" { print int($2 / 1024) }' "/proc/$server/status")
  note "$series.server" "$(used "$server") $before $peak"
}
used() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print ($12 + $13) / 100 }'; }

# serve NAME LINE...: starts a server with these options besides; leaves its process in $process and its address in $admin.
serve() {
  local name=$1
  shift
  admin=127.0.0.1:$((20000 + RANDOM % 10000))
  printf '%s\n' 'listen: ["127.0.0.1:0"]' "admin: \"$admin\"" "storage: { root: $work/$name, quota: 90%, minFree: 0B }" "$@" > "$work/$name.yaml"
  admin=http://$admin
  "$program" serve --config "$work/$name.yaml" > "$work/$name.log" 2>&1 &
  process=$!
  running+=("$process")
  until "$program" status --server "$admin" > /dev/null 2>&1; do kill -0 "$process"; sleep 0.2; done
}

# ---- the rounds -------------------------------------------------------------------------------------------------------

python3 "$work/registry.py" "$work" "$mib" > "$work/port" &
registry=$!
running+=("$registry")
until [ -s "$work/port" ]; do kill -0 "$registry"; sleep 0.2; done

serve near "upstreams: [{ name: docker.io, urls: [\"http://127.0.0.1:$(cat "$work/port")\"] }]"
near=$process near_admin=$admin
serve far "offline: true"
far=$process far_admin=$admin
"$program" warm --no-referrers big/image:1 --server "$near_admin" > "$work/warm.log"
kill "$registry"

load=$(cut -d' ' -f1 /proc/loadavg)
for ((round = 0; round < rounds; round++)); do
  cat "$work/layers" > /dev/null
  sync
  note write "$(took dd "if=$work/layers" "of=$work/copy" bs=1M conv=fdatasync status=none)"
  note sha "$(took openssl dgst -sha256 "$work/layers")"
  rm "$work/copy"
  forget "$work/layers"
  note read "$(took dd "if=$work/layers" of=/dev/null bs=1M status=none)"

  rm -f "$work"/site.*
  # shellcheck disable=SC2046 # no blanks in the names of blobs
  forget $(find "$work/near/blobs" -type f)
  with_server export "$near" "$program" bundle export -o "$work/site.tar" --no-referrers big/image:1 --server "$near_admin"
  [ "$round" = 0 ] || "$program" remove --set site --server "$far_admin" > /dev/null
  forget "$work/site.tar"
  with_server import "$far" "$program" bundle import "$work/site.tar" --set site --server "$far_admin"
done
[ "$(sha256sum < "$work/site.tar" | cut -c1-64)" = "$(sed 's/.*"parts":.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' "$work/site.receipt.json")" ] || { echo "the receipt is wrong" >&2; exit 1; }

# ---- the page ---------------------------------------------------------------------------------------------------------

# summary FORMAT: prints "median (least to most)" of the numbers that come in.
summary() {
  sort -g | awk -v format="$1" '{ value[NR] = $1 }
    END { median = NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2; printf format " (" format " to " format ")", median, value[1], value[NR] }'
}
rates() { awk -v mib="$mib" '{ print mib / $1 }' "$work/series.$1"; }
ratios() { paste <(rates "$1") <(rates write) <(rates read) <(rates sha) | awk '{ least = $2 < $3 ? $2 : $3; if ($4 < least) least = $4; print $1 / least }'; }
used_by() { awk -v mib="$mib" '{ print $2 / mib * 1024 }' "$work/series.$1" | summary %.2f; }
used_by_server() { awk -v mib="$mib" '{ print ($1 - $2) / mib * 1024 }' "$work/series.$1.server" | summary %.2f; }
most() { awk '$3 > most { most = $3 } END { print most }' "$work/series.$1"; }
row() { echo "| \`bundle $1\` | $(ratios "$1" | summary %.2f) | $(rates "$1" | summary %.0f) | $(used_by "$1") | $(used_by_server "$1") | $(most "$1") MiB | $(most "$1.server") MiB |"; }
cat << PAGE
# Bundles

\`bench/bundles.sh -s $mib -r $rounds\` wrote this page: an image of $mib MiB in five layers, $rounds round$([ "$rounds" = 1 ] || echo s), commit $(git rev-parse --short HEAD), $(date -u +%F).
$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors, $(awk '$1 == "MemTotal:" { print int($2 / 1048576) }' /proc/meminfo) GiB memory, $(df --output=fstype "$work" | tail -n 1); load $load at the start, $(cut -d' ' -f1 /proc/loadavg) at the end.

Each round asks the disk and SHA-256 first. The page cache has nothing of the blobs that are exported, nor of the archive that is imported; both are written and flushed.
\`ratio\` is to the slowest of the three in the same round; at least 0.7 is wanted, and at most 150 MB of memory, which are 143 MiB. Cells have the median, then least and most.

| | MiB/s |
| --- | --- |
| disk, written: \`dd bs=1M conv=fdatasync\` from the page cache | $(rates write | summary %.0f) |
| disk, read: \`dd bs=1M\`, not in the page cache | $(rates read | summary %.0f) |
| \`openssl dgst -sha256\`, from the page cache | $(rates sha | summary %.0f) |

| | ratio | MiB/s | processor seconds a GiB | of its server | peak memory | of its server |
| --- | --- | --- | --- | --- | --- | --- |
$(row export)
$(row import)
PAGE

# ---- what is wanted ---------------------------------------------------------------------------------------------------

[ -z "$is_dry" ] || exit 0
status=0
# want WHAT VALUE CONDITION: complains unless awk finds that the condition holds of x, the value.
want() { awk -v x="$2" "BEGIN { exit !($3) }" || { echo "$1 is $2; wanted: $3" >&2; status=1; }; }
for command in export import; do
  want "the ratio of bundle $command, its median," "$(ratios "$command" | summary %.4f | cut -d' ' -f1)" "x >= 0.7"
  want "the memory of bundle $command, in MiB," "$(most "$command")" "x * 1.048576 <= 150"
  want "the memory of its server, in MiB," "$(most "$command.server")" "x * 1.048576 <= 150"
done
exit "$status"

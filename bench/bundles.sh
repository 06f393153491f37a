#!/usr/bin/env bash
# bench/bundles.sh [-s MIB] [PROGRAM]
#
# How fast bundle export writes, against what the disk and SHA-256 do in the same run, and how much memory it takes.
# Publishes src/Entrepot.Server unless PROGRAM names an executable. Prints a table in Markdown.
#
#   -s MIB   bytes of the image that is exported, in MiB (default 1024)
#
# Needs Linux, bash, python3, openssl and GNU time's /usr/bin/time or the shell's own; everything is on the disk of TMPDIR.
set -euo pipefail

mib=1024
while getopts s:h option; do
  case $option in
    s) mib=$OPTARG ;;
    h) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/entrepot-bundles.XXXXXX")
running=()
clean_up() {
  for process in "${running[@]}"; do kill -KILL "$process" 2> /dev/null || true; done
  rm -rf "$work"
}
trap clean_up EXIT

program=${1:-}
if [ -z "$program" ]; then
  dotnet publish src/Entrepot.Server -c Release -v quiet -o "$work/program" > "$work/publish.log" || { cat "$work/publish.log" >&2; exit 1; }
  program=$work/program/entrepot
fi

# An image of one layer as a layout, and a registry that has nothing else.
cat > "$work/registry.py" << 'PY'
import hashlib, http.server, json, os, sys
work, mib = sys.argv[1], int(sys.argv[2])
layer = os.path.join(work, "layer")
whole = hashlib.sha256()
with open(layer, "wb") as file:
    piece = os.urandom(1 << 20)
    for number in range(mib):
        piece = number.to_bytes(8, "big") + piece[8:]
        file.write(piece)
        whole.update(piece)
config = b'{"architecture":"amd64","os":"linux"}'
def describe(kind, digest, size): return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": size}
manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": describe("config.v1+json", hashlib.sha256(config).hexdigest(), len(config)),
    "layers": [describe("layer.v1.tar", whole.hexdigest(), mib << 20)]}).encode()
name = "sha256:" + hashlib.sha256(manifest).hexdigest()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_HEAD(self): self.answer(False)
    def do_GET(self): self.answer(True)
    def answer(self, body):
        path = self.path.split("?")[0]
        if path in ("/v2/big/image/manifests/1", "/v2/big/image/manifests/" + name): kind, content = "application/vnd.oci.image.manifest.v1+json", manifest
        elif path.endswith(hashlib.sha256(config).hexdigest()): kind, content = "application/octet-stream", config
        elif path.endswith(whole.hexdigest()): kind, content = "application/octet-stream", None
        else:
            self.send_response(404); self.send_header("Content-Length", "0"); self.end_headers(); return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Docker-Content-Digest", name if content is manifest else "")
        self.send_header("Content-Length", str(mib << 20 if content is None else len(content)))
        self.end_headers()
        if not body: return
        if content is not None: self.wfile.write(content)
        else:
            with open(layer, "rb") as file:
                while piece := file.read(1 << 20): self.wfile.write(piece)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 "$work/registry.py" "$work" "$mib" > "$work/port" &
running+=($!)
until [ -s "$work/port" ]; do sleep 0.2; done

cat > "$work/entrepot.yaml" << YAML
listen: ["127.0.0.1:0"]
admin: "127.0.0.1:$((20000 + RANDOM % 10000))"
storage: { root: $work/store, minFree: 0B }
upstreams: [{ name: docker.io, urls: ["http://127.0.0.1:$(cat "$work/port")"] }]
YAML
admin=http://$(sed -n 's/^admin: "\(.*\)"/\1/p' "$work/entrepot.yaml")
"$program" serve --config "$work/entrepot.yaml" > "$work/server.log" 2>&1 &
running+=($!)
server=$!
until "$program" status --server "$admin" > /dev/null 2>&1; do kill -0 "$server"; sleep 0.2; done
"$program" bundle export -o "$work/warm.tar" --no-referrers big/image:1 --server "$admin" > "$work/warm.log"   # fetches it
rm "$work"/warm.*

# took COMMAND...: prints the seconds that it takes.
took() { local began=${EPOCHREALTIME/./}; "$@" > /dev/null 2>> "$work/errors"; awk -v us=$((${EPOCHREALTIME/./} - began)) 'BEGIN { printf "%.3f", us / 1e6 }'; }
export_it() { rm -f "$work"/site.*; "$program" bundle export -o "$work/site.tar" --no-referrers --output json big/image:1 --server "$admin" & local process=$!
  local peak=0 now
  while kill -0 $process 2> /dev/null; do
    now=$(awk '$1 == "VmHWM:" { print $2 }' /proc/$process/status 2> /dev/null) && [ "${now:-0}" -gt "$peak" ] && peak=$now
    sleep 0.05
  done
  wait $process; echo $((peak / 1024)) >> "$work/peak"; }
copy() { rm -f "$work/copy"; dd if="$work/layer" of="$work/copy" bs=1M conv=fsync 2> /dev/null; rm -f "$work/copy"; }

for round in 1 2 3; do
  took copy >> "$work/disk"; echo >> "$work/disk"
  took openssl dgst -sha256 "$work/layer" >> "$work/sha"; echo >> "$work/sha"
  took export_it >> "$work/export"; echo >> "$work/export"
done

median() { sort -n "$1" | sed -n 2p; }
rate() { awk -v mib="$mib" -v s="$(median "$1")" 'BEGIN { printf "%.0f", mib / s }'; }
[ "$(sha256sum < "$work/site.tar" | cut -c1-64)" = "$(sed 's/.*"parts":.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' "$work/site.receipt.json")" ] || { echo "the receipt is wrong" >&2; exit 1; }
disk=$(rate "$work/disk") sha=$(rate "$work/sha") done=$(rate "$work/export")
least=$((disk < sha ? disk : sha))
cat << TABLE
# Bundles

Medians of three rounds, $mib MiB in one layer; bench/bundles.sh, $(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), load $(cut -d' ' -f1 /proc/loadavg), commit $(git rev-parse --short HEAD).

| what | MiB/s |
| --- | ---: |
| \`dd bs=1M conv=fsync\`, file to file | $disk |
| \`openssl dgst -sha256\` | $sha |
| \`entrepot bundle export\`, flushed | $done |

Export is at $(awk -v a="$done" -v b="$least" 'BEGIN { printf "%.2f", a / b }') of the slower of the two. Peak memory of the command: $(sort -n "$work/peak" | tail -n 1) MiB.
TABLE

# shellcheck shell=bash
# The servers that are compared, each on free ports of 127.0.0.1 and in a folder of its own, and what they serve.
# A server has a name; url[NAME] is where it listens, pids[NAME] its processes.

declare -A url pids folder

# ---- content --------------------------------------------------------------------------------------------------------

# $content is laid out as the paths of the registry API are, so that nginx serves it as it is.
readonly repository=v2/bench/app

# blobs COUNT BYTES: makes so many, of random bytes, and prints their paths.
blobs() {
  mkdir -p "$content/$repository/blobs"
  load make "$content/$repository/blobs" "$1" "$2" | sed "s|^|/$repository/blobs/|"
}

# Makes an image's manifest of some 1.5 KB, with the tag "latest", and prints its digest. Its layers are nowhere: none is asked for.
make_manifest() {
  local manifests=$content/$repository/manifests layer text digest
  mkdir -p "$manifests"
  for layer in 1 2 3 4 5 6 7; do
    text+=$(printf ',\n    {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 3000000%d, "digest": "sha256:%064d"}' "$layer" "$layer")
  done
  printf '{\n  "schemaVersion": 2,\n  "mediaType": "%s",\n  "config": {"mediaType": "%s", "size": 3000, "digest": "sha256:%064d"},\n  "layers": [%s\n  ]\n}\n' \
    application/vnd.oci.image.manifest.v1+json application/vnd.oci.image.config.v1+json 0 "${text#,}" > "$manifests/latest"
  digest=sha256:$(sha256sum < "$manifests/latest" | cut -d' ' -f1)
  cp "$manifests/latest" "$manifests/$digest"
  echo "$digest"
}

# ---- starting and stopping ------------------------------------------------------------------------------------------

# answers PORT: whether a GET of /v2/ is answered 200 there.
answers() {
  local status
  { exec 3<> "/dev/tcp/127.0.0.1/$1"; } 2> /dev/null || return 1
  printf 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
  read -r _ status _ <&3 || status=
  exec 3>&-
  [ "$status" = 200 ]
}

# launch NAME PORT COMMAND...: starts it in the folder of NAME, by way of $limit if that is set, and waits until it answers.
launch() {
  local name=$1 port=$2
  shift 2
  (cd "${folder[$name]}" && exec "${limit[@]+"${limit[@]}"}" setsid "$@" > "$work/$name.log" 2>&1) &
  pids[$name]=$!
  url[$name]=http://127.0.0.1:$port
  # With a pause: on two processors, asking without one takes the second from whoever starts.
  until answers "$port"; do
    sleep 0.005
    kill -0 "${pids[$name]}" 2> /dev/null || { echo "$name did not start:" >&2; tail -n 5 "$work/$name.log" >&2; return 1; }
  done
}

# prepare NAME: an empty folder for it.
prepare() {
  folder[$1]=$work/servers/$1
  mkdir -p "${folder[$1]}"
}

# end NAME: ends a server; what it stored stays.
end() {
  local first=${pids[$1]%% *}
  kill "$first" 2> /dev/null || true
  wait "$first" 2> /dev/null || true
  unset "pids[$1]"
}

# stop NAME...: ends servers and removes what they stored.
stop() {
  local name
  for name in "$@"; do
    [ -n "${pids[$name]:-}" ] || continue
    end "$name"
    rm -rf "${folder[$name]}"
  done
}

stop_all() { stop "${!pids[@]}"; }

# ---- Entrepot -------------------------------------------------------------------------------------------------------

# start_entrepot NAME [LINE...]: in front of the server "upstream", with default options but for addresses and upstream, and LINEs of the upstream's.
start_entrepot() {
  local name=$1 port
  port=$(free_port)
  prepare "$name"
  shift
  {
    printf 'upstreams:\n  - name: docker.io\n    urls: ["%s"]\n' "${url[upstream]}"
    [ $# = 0 ] || printf '    %s\n' "$@"
  } > "${folder[$name]}/entrepot.yaml"
  launch "$name" "$port" "$program/entrepot" --config entrepot.yaml --listen "127.0.0.1:$port" --admin "127.0.0.1:$(free_port)"
}

# ---- nginx ----------------------------------------------------------------------------------------------------------

# start_nginx NAME [LINE...]: with Debian's settings (sendfile, tcp_nopush, a process for each processor), no log of requests, connections that
# stay open, and LINEs for its http block, which have @port@ where the port belongs.
start_nginx() {
  local name=$1 port
  port=$(free_port)
  prepare "$name"
  shift
  cat > "${folder[$name]}/nginx.conf" <<CONF
daemon off;
worker_processes auto;
worker_rlimit_nofile 65536;
pid ${folder[$name]}/pid;
error_log stderr;
events { worker_connections 8192; }
http {
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  access_log off;
  default_type application/octet-stream;
  client_body_temp_path ${folder[$name]}/t1;
  proxy_temp_path ${folder[$name]}/t2;
  fastcgi_temp_path ${folder[$name]}/t3;
  uwsgi_temp_path ${folder[$name]}/t4;
  scgi_temp_path ${folder[$name]}/t5;
$(printf '  %s\n' "${@//@port@/127.0.0.1:$port}")
}
CONF
  launch "$name" "$port" "$nginx" -c "${folder[$name]}/nginx.conf"
  # grep fails for a process that ends meanwhile, whatever it finds.
  pids[$name]+=" $({ grep -ls "^PPid:[[:space:]]*${pids[$name]}\$" /proc/[0-9]*/status || true; } | tr -dc '0-9\n' | tr '\n' ' ')"
}

# The files themselves.
start_static() {
  start_nginx "$1" "server { listen @port@; root $content; location = /v2/ { return 200 '{}'; } }"
}

# The same as a registry, whose digests docker-registry wants as headers, with a log of what was sent: "bytes path". LINEs go into its server block.
start_upstream() {
  local lines=("$@") latest=$content/$repository/manifests/latest
  [ ! -e "$latest" ] || latest=sha256:$(sha256sum < "$latest" | cut -d' ' -f1)
  # shellcheck disable=SC2016 # nginx's variables
  start_nginx upstream \
    'map $uri $digest { ~/(?<named>sha256:[0-9a-f]+)$ $named; default "'"$latest"'"; }' \
    'log_format sent "$body_bytes_sent $uri";' \
    "server { listen @port@; root $content; access_log $work/upstream.sent sent;" \
    '  add_header Docker-Distribution-Api-Version registry/2.0; add_header Docker-Content-Digest $digest;' \
    "  location = /v2/ { return 200 '{}'; }" \
    "  location /$repository/manifests/ { types { } default_type application/vnd.oci.image.manifest.v1+json; }" \
    "  ${lines[*]-} }"
}

# A cache of the server "upstream" that checks nothing.
start_proxy_cache() {
  # shellcheck disable=SC2016 # nginx's variables
  start_nginx "$1" \
    "proxy_cache_path ${work}/servers/$1/cache levels=1:2 keys_zone=blobs:10m max_size=100g use_temp_path=off;" \
    "upstream registry { server ${url[upstream]#http://}; keepalive 64; }" \
    'server { listen @port@; location / { proxy_pass http://registry; proxy_http_version 1.1; proxy_set_header Connection "";' \
    '  proxy_cache blobs; proxy_cache_key $uri; proxy_cache_valid 200 1d; proxy_cache_lock on; proxy_cache_lock_timeout 5m; proxy_cache_lock_age 5m; } }'
}

# ---- docker-registry ------------------------------------------------------------------------------------------------

# start_registry NAME: in proxy mode, in front of the server "upstream", with Debian's settings but for accounts, and without a log of requests.
start_registry() {
  local name=$1 port
  port=$(free_port)
  prepare "$name"
  cat > "${folder[$name]}/config.yml" <<CONF
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  cache: { blobdescriptor: inmemory }
  filesystem: { rootdirectory: ${folder[$name]}/data }
  delete: { enabled: true }
http: { addr: "127.0.0.1:$port", headers: { X-Content-Type-Options: [nosniff] } }
health: { storagedriver: { enabled: true, interval: 10s, threshold: 3 } }
proxy: { remoteurl: "${url[upstream]}" }
CONF
  launch "$name" "$port" docker-registry serve config.yml
}

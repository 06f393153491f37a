# shellcheck shell=bash
# The table: on the terminal while it grows, then in a file.

# What the figures were taken on; no names of hosts or folders.
machine() {
  description="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors, Linux $(uname -r | cut -d. -f1,2), $(. /etc/os-release && echo "$PRETTY_NAME"), \
.NET $(dotnet --version), $(dpkg-query -W -f '${Package} ${Version}, ' nginx-light docker-registry wrk)load before: $(cut -d' ' -f1 /proc/loadavg)"
  echo "$description"
}

# write_table FILE: puts the rows into it, in order, in place of rows of the same figures that it has.
write_table() {
  local file=$1
  [ ! -e "$file" ] || grep '^| [0-9]' "$file" > "$work/rows.before" || true
  touch "$work/rows" "$work/rows.before"
  {
    cat "$here/preface.md"
    printf '\nLast run (%s): %s.\n\n' "$size" "$description"
    echo '| # | figure | Entrepot | rival | ratio | wanted | reached | commit, date |'
    echo '| --- | --- | --- | --- | --- | --- | --- | --- |'
    # The first of each number counts, and those of this run come first.
    cat "$work/rows" "$work/rows.before" | awk -F'|' '!seen[$2]++' | sort -t'|' -k2,2V
  } > "$work/table"
  cp "$work/table" "$file"
}

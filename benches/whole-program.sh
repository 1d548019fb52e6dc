#!/usr/bin/env bash
# The whole program beside a plain read of the same file in 256 KiB blocks, beside tcpdump with a filter, and on RPC beside
# ndpiReader, where they are installed. Run in turn, so that a noisy machine treats all alike; prints seconds and ratios of each round, and medians.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-9}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cargo build --release --locked --quiet
cargo run --release --locked --quiet --example make_capture sparse 3000000 "$folder/sparse.pcap"
cargo run --release --locked --quiet --example make_capture dense 600000 "$folder/dense.pcap"
cargo run --release --locked --quiet --example make_capture rpc 600000 "$folder/rpc.pcap"

seconds() { local start end; start=$(date +%s%N); "$@" >/dev/null 2>&1; end=$(date +%s%N); echo $(((end - start) / 1000)); }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

compare() {
  local file=$1 read_us gapwatch_us tcpdump_us=0
  cat "$file" >/dev/null # into the page cache
  : >"$folder/rows"
  for _ in $(seq "$rounds"); do
    read_us=$(seconds dd if="$file" of=/dev/null bs=256K)
    gapwatch_us=$(seconds target/release/gapwatch -q "$file")
    command -v tcpdump >/dev/null && tcpdump_us=$(seconds tcpdump -nr "$file" -w /dev/null port 817)
    echo "$read_us $gapwatch_us $tcpdump_us" >>"$folder/rows"
  done
  awk -v name="$(basename "$file")" '{ printf "%s: read %.3f s, gapwatch %.3f s (%.2f times), tcpdump %.3f s\n", name, $1/1e6, $2/1e6, $2/$1, $3/1e6 }' "$folder/rows"
  printf '%s: median ratio to the plain read %s\n' "$(basename "$file")" "$(awk '{ printf "%.3f\n", $2 / $1 }' "$folder/rows" | median)"
  printf '%s: median ratio to tcpdump %s\n' "$(basename "$file")" "$(awk '$3 > 0 { printf "%.3f\n", $2 / $3 }' "$folder/rows" | median)"
}
compare "$folder/sparse.pcap"
compare "$folder/dense.pcap"
compare "$folder/rpc.pcap"

if command -v ndpiReader >/dev/null; then
  : >"$folder/rows"
  for _ in $(seq "$rounds"); do
    gapwatch_us=$(seconds target/release/gapwatch -q "$folder/rpc.pcap")
    ndpi_us=$(seconds ndpiReader -q -i "$folder/rpc.pcap")
    echo "$gapwatch_us $ndpi_us" >>"$folder/rows"
  done
  printf 'rpc.pcap: median of gapwatch %s us, of ndpiReader %s us; ndpiReader takes %s times as long\n' \
    "$(cut -d' ' -f1 "$folder/rows" | median)" "$(cut -d' ' -f2 "$folder/rows" | median)" "$(awk '{ printf "%.2f\n", $2 / $1 }' "$folder/rows" | median)"
fi

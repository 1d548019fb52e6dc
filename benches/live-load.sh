#!/usr/bin/env bash
# Live capture under load, between two namespaces that this script makes and removes: a mixed capture replayed at top speed with
# and without the kernel's filter, beside tcpdump writing to /dev/null, and a dense one in which every packet is in scope at
# RATE packets a second. Prints packets, drops and processor time. Needs root, tcpreplay, tcpdump and iproute2.
set -euo pipefail
cd "$(dirname "$0")/.."
rate=${RATE:-200000} frames=${FRAMES:-1000000}
for tool in tcpreplay tcpdump ip python3; do command -v $tool >/dev/null || { echo "$tool is missing" >&2; exit 1; }; done
cargo build --release --locked --quiet
folder=$(mktemp -d)
a=gw-load-a b=gw-load-b
clean_up() { ip netns del $a 2>/dev/null || true; ip netns del $b 2>/dev/null || true; rm -rf "$folder"; }
trap clean_up EXIT
cargo run --release --locked --quiet --example make_capture sparse "$frames" "$folder/mixed.pcap"
cargo run --release --locked --quiet --example make_capture dense "$frames" "$folder/dense.pcap"
ip netns add $a; ip netns add $b
ip link add gw0 netns $a mtu 9000 type veth peer name gw0 netns $b
ip -n $b link set gw0 mtu 9000; ip -n $a link set gw0 up; ip -n $b link set gw0 up
sleep 1

# run NAME CAPTURE SPEED COMMAND…: starts the command on the far end, replays, ends it, and prints what it cost.
run() {
  local name=$1 capture=$2 speed=$3; shift 3
  ip netns exec $b "$@" >"$folder/out" 2>"$folder/err" &
  local pid=$!
  sleep 2
  ip netns exec $a timeout 60 tcpreplay -q -i gw0 $speed "$capture" >"$folder/replay" 2>&1 || true
  sleep 2
  echo "== $name: $(grep -o '[0-9.]* pps' "$folder/replay" | tail -1)"
  awk -v ticks="$(getconf CLK_TCK)" '{ printf "   processor seconds: user %.2f, system %.2f\n", $14 / ticks, $15 / ticks }' "/proc/$pid/stat"
  kill -TERM $pid
  wait $pid || true
}
gapwatch="$PWD/target/release/gapwatch"
report() {
  python3 - "$folder/out" <<'END'
import json, sys
report = json.load(open(sys.argv[1]))
notes = report["inputs"][0].get("notes", {})
print("   frames", report["totals"]["frames"], "observed", report["totals"]["observed"], {k: v for k, v in notes.items() if "dropped" in k} or "no drop")
END
}
run "mixed, kernel filter" "$folder/mixed.pcap" --topspeed "$gapwatch" live -i gw0 -q -f json; report
run "mixed, no kernel filter" "$folder/mixed.pcap" --topspeed "$gapwatch" live -i gw0 -q -f json --no-kernel-filter; report
run "mixed, tcpdump" "$folder/mixed.pcap" --topspeed tcpdump -i gw0 -B 65536 -w /dev/null; sed 's/^/   /' "$folder/err"
run "dense, $rate packets a second" "$folder/dense.pcap" "--pps=$rate" "$gapwatch" live -i gw0 -q -f json; report

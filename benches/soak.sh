#!/usr/bin/env bash
# Half an hour (MINUTES) of live capture in which every packet is in scope, RATE packets a second, between two namespaces that
# this script makes and removes. Prints resident memory every minute, and at the end what was lost. Needs root, tcpreplay and
# iproute2.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${MINUTES:-30} rate=${RATE:-60000}
for tool in tcpreplay ip python3; do command -v $tool >/dev/null || { echo "$tool is missing" >&2; exit 1; }; done
cargo build --release --locked --quiet
folder=$(mktemp -d)
a=gw-soak-a b=gw-soak-b
clean_up() { ip netns del $a 2>/dev/null || true; ip netns del $b 2>/dev/null || true; rm -rf "$folder"; }
trap clean_up EXIT
cargo run --release --locked --quiet --example make_capture dense 1000000 "$folder/dense.pcap"
ip netns add $a; ip netns add $b
ip link add gw0 netns $a mtu 9000 type veth peer name gw0 netns $b
ip -n $b link set gw0 mtu 9000; ip -n $a link set gw0 up; ip -n $b link set gw0 up
sleep 1
ip netns exec $b target/release/gapwatch live -i gw0 -q -f ndjson --window 1m >"$folder/out" &
pid=$!
sleep 2
ip netns exec $a timeout $((minutes * 60 + 60)) tcpreplay -q -i gw0 --pps="$rate" --loop=1000000 --duration=$((minutes * 60)) \
  "$folder/dense.pcap" >"$folder/replay" 2>&1 &
for minute in $(seq 0 "$minutes"); do
  echo "minute $minute: $(awk '/VmRSS/ { print $2, $3 }' "/proc/$pid/status")"
  sleep 60
done
kill -TERM $pid
wait $pid || echo "status $?"
tail -1 "$folder/out"

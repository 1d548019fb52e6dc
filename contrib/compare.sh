#!/bin/sh
# What gapwatch, tshark and nDPI call each service of the RPC fixtures, as a Markdown table: `contrib/compare.sh`; of the
# fixtures of other protocols: `contrib/compare.sh protocols`.
# Needs Debian's packages tshark, libndpi-bin and python3, and a release build; names what is missing.
set -eu
cd "$(dirname "$0")/.."
gapwatch=${GAPWATCH:-target/release/gapwatch}
for tool in "$gapwatch" tshark ndpiReader python3; do
  command -v "$tool" >/dev/null 2>&1 || { echo "$tool is missing: cargo build --release; apt-get install tshark libndpi-bin python3" >&2; exit 1; }
done
exec python3 - "$gapwatch" "${1:-rpc}" <<'END'
import json, os, re, subprocess, sys, tempfile

def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout

def version(command, pattern):
    return re.search(pattern, run(*command)).group(0)

def tshark(path, finding):
    """The highest protocols that tshark gives the packets between the finding's ports, with RPC programs by name."""
    port, transport, server = finding["port"], finding["transport"], finding["address"]
    rows = run("tshark", "-nr", path, "-Y", f"ip.addr == {server} && {transport}.port == {port} && !icmp", "-T", "fields",
               "-e", "_ws.col.Protocol", "-e", "rpc.program").splitlines()
    names = {row.split("\t")[0] for row in rows} - {"TCP", "UDP", "IPv4"}
    return ", ".join(sorted(names)) or "—"

def ndpi(path):
    """Protocol by (address, port, transport), from ndpiReader's list of flows."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as out:
        subprocess.run(["ndpiReader", "-q", "-i", path, "-C", out.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lines = open(out.name).read().splitlines()
    if not lines:
        return {}
    header = lines[0].lstrip("#").split(",")
    found = {}
    for line in lines[1:]:
        row = dict(zip(header, line.split(",")))
        transport = {"6": "tcp", "17": "udp"}.get(row.get("protocol", ""), "")
        for side in ("src", "dst"):
            key = (row.get(f"{side}_ip"), row.get(f"{side}_port"), transport)
            found.setdefault(key, set()).add(row.get("ndpi_proto", ""))
    return found

gapwatch, which = sys.argv[1:]
print(f"<!-- made by contrib/compare.sh with {version(['tshark', '--version'], r'TShark [^ ]+ [0-9.]+')} and nDPI {version(['ndpiReader', '-h'], r'[0-9]+[.][0-9]+[.][0-9]+')} -->")
print("| fixture | service | gapwatch | tshark | nDPI |\n|---|---|---|---|---|")
counts = {"services": 0, "gapwatch": 0, "tshark": 0, "ndpi": 0}
os.chdir("fixtures")
for path in sorted(name for name in os.listdir(".") if name.endswith(".pcap")):
    report = json.loads(run(os.path.join("..", gapwatch) if not os.path.isabs(gapwatch) else gapwatch, "-f", "json", path))
    wanted = (lambda f: f["protocol"] == "onc-rpc") if which == "rpc" else (lambda f: path.startswith("protocols-"))
    services = [f for f in report["findings"] if f["kind"] == "service" and wanted(f)]
    if not services:
        continue
    others = ndpi(path)
    for finding in services:
        by_tshark = tshark(path, finding)
        by_ndpi = ", ".join(sorted(others.get((finding["address"], str(finding["port"]), finding["transport"]), {"—"})))
        counts["services"] += 1
        rpc_names = r"RPC|Portmap|NFS|MOUNT|NLM|STAT|RQUOTA|RSTAT|RUSERS|RWALL|YP|AMD|SGI|CMSD|TTDB|SADMIND|NetInfo|Gluster"
        counts["gapwatch"] += bool(finding["protocol"])
        if which == "rpc":
            counts["tshark"] += bool(re.search(rpc_names, by_tshark, re.I))
            counts["ndpi"] += bool(re.search(r"NFS|RPC", by_ndpi, re.I))
        else:  # any name at all, right or wrong
            counts["tshark"] += by_tshark != "—"
            counts["ndpi"] += bool(set(by_ndpi.split(", ")) - {"—", "Unknown", ""})
        what = finding["what"].replace("|", "/")
        what = what if len(what) < 70 else what[:67] + "…"
        print(f"| {path.removesuffix('.pcap')} | {finding['address']}:{finding['port']}/{finding['transport']} | {finding['class']}: {what} | {by_tshark} | {by_ndpi} |")
if which == "rpc":
    print(f"\nOf {counts['services']} services, tshark calls {counts['tshark']} some RPC protocol, nDPI {counts['ndpi']}.")
else:
    print(f"\nOf {counts['services']} services, gapwatch names {counts['gapwatch']}, tshark gives {counts['tshark']} any name, nDPI {counts['ndpi']}.")
END

"""Reads back what gapwatch wrote, with libraries that others wrote. One argument: the folder with one file of each output."""

import csv
import json
import sys
from pathlib import Path

import stix2
from stix2patterns.validator import run_validator
from stix2validator import validate_file
from zat.zeek_log_reader import ZeekLogReader

folder = Path(sys.argv[1])
report = json.loads((folder / "r.json").read_text())
findings = report["findings"]
suspicious = [finding for finding in findings if finding["class"] == "suspicious"]
flows = {
    (flow["community_id"], flow["first_seen"]) for finding in findings for flow in finding["flows"]
}

# Zeek: every flow once, with the same times and counts in both forms.
rows = list(ZeekLogReader(str(folder / "r.log")).readrows())
lines = [json.loads(line) for line in (folder / "r.zeek.json").read_text().splitlines()]
assert len(rows) == len(lines) == len(flows), (len(rows), len(lines), len(flows))
transports = {flow["community_id"]: flow["transport"] for finding in findings for flow in finding["flows"]}
for row, line in zip(rows, lines):
    assert row["proto"] == transports[row["community_id"]]
    for field in ("uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "conn_state", "orig_bytes", "resp_pkts", "community_id"):
        assert row[field] == line[field], (field, row[field], line[field])
    if "duration" in line:
        assert abs(row["duration"].total_seconds() - line["duration"]) < 2e-6, (row["duration"], line["duration"])
assert len({row["uid"] for row in rows}) == len(rows)

# STIX: valid, nothing of our own invention, identifiers of observables as the specification computes them.
path = folder / "r.stix.json"
bundle = stix2.parse(path.read_text(), allow_custom=False)
verdict = validate_file(str(path))
assert verdict.is_valid, verdict.errors
kinds = {}
for item in bundle.objects:
    kinds[item.type] = kinds.get(item.type, 0) + 1
    if item.type in ("ipv4-addr", "ipv6-addr", "network-traffic"):
        values = json.loads(item.serialize())
        given = values.pop("id")
        assert stix2.parse(values, version="2.1").id == given, given
    if item.type == "indicator":
        faults = run_validator(item.pattern, stix_version="2.1")
        assert not faults, (item.pattern, faults)
assert kinds.get("indicator", 0) == len(suspicious), (kinds, len(suspicious))
known = {item.id for item in bundle.objects}
for item in bundle.objects:
    for name in ("source_ref", "target_ref", "created_by_ref", "src_ref", "dst_ref"):
        assert getattr(item, name, None) in known | {None}, (item.id, name)

# CSV and the lines of JSON: one for each finding.
with open(folder / "r.csv", newline="", encoding="utf-8") as file:
    table = list(csv.DictReader(file))
assert [row["wireshark"] for row in table] == [finding["wireshark"] for finding in findings]
documents = [json.loads(line) for line in (folder / "r.ecs.ndjson").read_text().splitlines()]
assert [document["gapwatch"]["what"] for document in documents] == [finding["what"] for finding in findings]
assert len({document["event"]["id"] for document in documents}) == len(documents)
for document in documents:
    assert document["ecs"]["version"] and document["@timestamp"] and document["event"]["kind"] in ("alert", "event")
print(f"{len(rows)} flows through zat, {len(bundle.objects)} STIX objects {kinds}, {len(table)} lines of CSV")

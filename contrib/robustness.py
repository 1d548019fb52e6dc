#!/usr/bin/env python3
"""Runs gapwatch on damaged captures until the time is over, and counts what must not happen.

    contrib/robustness.py BINARY MINUTES CAPTURE...

Each run takes a capture, damages it (bits, lengths, cuts, pieces of another capture, frames moved), and asks for a report in JSON.
What must not happen: a panic, a signal, a run of over 20 seconds, more than 2 GiB of memory, another exit status than those of the
documentation, a report that is no JSON, frames that are not accounted for, or another report with another number of threads.
The same seed makes the same damage. Needs Python's standard library only.
"""
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

SECONDS = 20
MEMORY = 2 << 30
STATUSES = {0, 3, 4}


def damaged(chance, whole, other):
    """A copy with some damage: mostly a little, behind the file's header."""
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16, 64))):
        if not data:
            break
        at = chance.randrange(len(data))
        kind = chance.randrange(8)
        if kind < 3:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 3:
            data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x80"))
        elif kind == 4:
            del data[at : at + chance.randrange(1, 64)]
        elif kind == 5:
            data[at:at] = data[max(0, at - chance.randrange(1, 512)) : at]
        elif kind == 6 and other:
            start = chance.randrange(len(other))
            data[at:at] = other[start : start + chance.randrange(1, 2048)]
        else:
            data[at : at + chance.randrange(1, 32)] = chance.randbytes(chance.randrange(1, 32))
    if chance.random() < 0.1:
        data = data[: chance.randrange(len(data) + 1)]
    return bytes(data)


def limits():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(binary, path, threads):
    command = [binary, "-q", "-f", "json", "--policy", "none", "--threads", str(threads), path]
    return subprocess.run(command, capture_output=True, timeout=SECONDS, preexec_fn=limits)


def fault(binary, path):
    """What is wrong with a run on this file; empty where nothing is."""
    try:
        one = run(binary, path, 1)
    except subprocess.TimeoutExpired:
        return "time"
    if one.returncode not in STATUSES:
        return f"status {one.returncode}"
    if b"panicked" in one.stderr:
        return "panic"
    if one.returncode == 3:
        return ""
    try:
        report = json.loads(one.stdout)
    except ValueError:
        return "JSON"
    totals = report["totals"]
    if totals["frames"] != totals["observed"] + totals["outside"] + sum(totals["skipped"].values()):
        return "account"
    for finding in report["findings"]:
        if finding["class"] != "custom" and not any(
            reason["class"] == finding["class"] and reason["frames"] for reason in finding["evidence"]
        ):
            return "class without evidence"
    try:
        two = run(binary, path, 2)
    except subprocess.TimeoutExpired:
        return "time with two threads"
    return "" if two.stdout == one.stdout else "threads"


def main():
    binary, minutes, *paths = sys.argv[1:]
    captures = [open(path, "rb").read() for path in paths if os.path.getsize(path) < 1 << 20]
    end = time.monotonic() + float(minutes) * 60
    runs, faults = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "damaged.pcap")
        while time.monotonic() < end:
            chance = random.Random(runs)
            data = damaged(chance, chance.choice(captures), chance.choice(captures))
            with open(path, "wb") as file:
                file.write(data)
            wrong = fault(binary, path)
            if wrong:
                faults.setdefault(wrong, []).append(runs)
                with open(f"fault-{runs}.pcap", "wb") as file:
                    file.write(data)
            runs += 1
    print(f"{runs} captures damaged, each read once or twice; faults: {faults or 'none'}")
    sys.exit(bool(faults))


main()

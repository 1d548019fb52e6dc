#!/usr/bin/env bash
# Prints what gapwatch makes of the labelled fixtures, as docs/verdicts.md shows it. `--write` also writes it there.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1:-}" != --write ] || export GAPWATCH_BLESS=1
cargo test --locked --quiet --test verdicts the_documented -- --nocapture | grep '^|'

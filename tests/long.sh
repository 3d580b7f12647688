#!/usr/bin/env bash
# Runs what takes longer than CI allows: the attacks on a node that is optimized, several times over, those among them that
# are ignored without optimization.
#   tests/long.sh           three times
#   tests/long.sh COUNT     so often
# Needs Rust and a C compiler, as tests/run.sh does. The first failure ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-3}

fail() { printf 'tests/long.sh: %s\n' "$*" >&2; exit 1; }
[[ $count =~ ^[1-9][0-9]*$ ]] || fail "'$count' is no number of times"
command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs, then run this again"

cargo test --release --quiet -p hubward-tests --test attack --no-run
for ((run = 1; run <= count; run++)); do
  printf '== attacks, run %s of %s\n' "$run" "$count"
  cargo test --release --quiet -p hubward-tests --test attack
done
printf '\n== all passed in %s s\n' "$SECONDS"

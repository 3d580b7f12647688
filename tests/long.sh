#!/usr/bin/env bash
# Runs what takes longer than CI allows: the attacks on a node that is optimized, several times over, those among them that
# are ignored without optimization; and three nodes over Redis, of which one is away for longer than its lease.
#   tests/long.sh           three times
#   tests/long.sh COUNT     so often
# Needs Rust, a C compiler and Redis, as tests/run.sh does, which installs the last. The first failure ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-3}

fail() { printf 'tests/long.sh: %s\n' "$*" >&2; exit 1; }
[[ $count =~ ^[1-9][0-9]*$ ]] || fail "'$count' is no number of times"
command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs, then run this again"
for each in redis-server redis-cli; do
  command -v "$each" >/dev/null || fail "$each is missing; install Redis (Debian: apt-get install redis-server), then run this again"
done

cargo test --release --quiet -p hubward-tests --test attack --no-run
cargo test --release --quiet -p hubward-conformance-server --test redis --no-run
for ((run = 1; run <= count; run++)); do
  printf '== attacks, run %s of %s\n' "$run" "$count"
  cargo test --release --quiet -p hubward-tests --test attack
  printf '== nodes over Redis, run %s of %s\n' "$run" "$count"
  cargo test --release --quiet -p hubward-conformance-server --test redis -- --include-ignored
done
printf '\n== all passed in %s s\n' "$SECONDS"

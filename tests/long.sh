#!/usr/bin/env bash
# Runs what takes longer than CI allows: the attacks on a node that is optimized, several times over, those among them that
# are ignored without optimization; three nodes over Redis, of which one is away for longer than its lease; and once the tests of
# a cluster from outside with as many clients, cuts and requests as they are meant for.
#   tests/long.sh           three times
#   tests/long.sh COUNT     so often
# Needs Rust, a C compiler, Redis, nginx, HAProxy, Node.js and npm, as tests/run.sh does, which installs them. The first failure
# ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-3}

fail() { printf 'tests/long.sh: %s\n' "$*" >&2; exit 1; }
[[ $count =~ ^[1-9][0-9]*$ ]] || fail "'$count' is no number of times"
command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs, then run this again"
PATH="$PATH:/usr/sbin"
for each in redis-server redis-cli nginx haproxy node npm; do
  command -v "$each" >/dev/null || fail "$each is missing; run tests/run.sh once, which installs it"
done

cargo test --release --quiet -p hubward-tests --test attack --no-run
cargo test --release --quiet -p hubward-conformance-server --test redis --no-run
for ((run = 1; run <= count; run++)); do
  printf '== attacks, run %s of %s\n' "$run" "$count"
  cargo test --release --quiet -p hubward-tests --test attack
  printf '== nodes over Redis, run %s of %s\n' "$run" "$count"
  cargo test --release --quiet -p hubward-conformance-server --test redis -- --include-ignored
done

npm ci --prefix tests/js --silent --no-audit --no-fund
cargo build --release --quiet --bin conformance-server
printf '== a cluster from outside\n'
HUBWARD_LONG=1 HUBWARD_BALANCERS=nginx,haproxy HUBWARD_CLIENTS=300 HUBWARD_RATE=50 HUBWARD_CUT_SECONDS=60 HUBWARD_CUT_EVERY_SECONDS=5 \
  HUBWARD_ROUNDS=1000 HUBWARD_NEGOTIATES=1000000 npm run --prefix tests/js --silent cluster
printf '\n== all passed in %s s\n' "$SECONDS"

#!/usr/bin/env bash
# Runs every test of Hubward, and installs what they need where it is missing.
#   tests/run.sh            everything
#   tests/run.sh rust|conformance|clients|browser    one part
# Needs Rust (https://rustup.rs, version in Cargo.toml) and a C compiler. Node.js, npm and Chromium are installed with
# apt-get where they are missing and that is allowed; where it is not, the script says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."
part=${1:-all}
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

step() { printf '\n== %s\n' "$*"; }
fail() { printf 'tests/run.sh: %s\n' "$*" >&2; exit 1; }

# need COMMAND PACKAGE…: installs Debian packages when a command is missing.
need() {
  local command=$1; shift
  command -v "$command" >/dev/null && return
  local sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo -n)
  command -v apt-get >/dev/null || fail "'$command' is missing; install it with your package manager, then run this again"
  step "installing $* (for '$command')"
  "${sudo[@]}" apt-get update -qq || true
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$work/apt.log" 2>&1 \
    || { tail -n 5 "$work/apt.log" >&2; fail "'$command' is missing and could not be installed; install it (Debian: apt-get install $*), then run this again"; }
}

# await URL NAME LOG: waits until something answers.
await() {
  for _ in $(seq 300); do
    curl -s -o /dev/null "$1" && return
    sleep 0.1
  done
  tail -n 20 "$3" >&2
  fail "$2 did not come up at $1"
}

# port: a free TCP port of this machine.
port() { node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }

command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs, then run this again"
need cc gcc libc6-dev
case $part in all|rust|conformance|clients|browser) ;; *) fail "unknown part '$part': all, rust, conformance, clients or browser" ;; esac

if [ "$part" = all ] || [ "$part" = rust ]; then
  step "format"
  cargo fmt --all --check
  step "lints"
  cargo clippy --workspace --all-targets --quiet -- -D warnings
  step "Rust tests"
  cargo test --workspace --quiet
fi
[ "$part" = rust ] && exit 0

need curl curl
need node nodejs npm
need npm npm
step "building the conformance server and the node"
cargo build --release --quiet --bin conformance-server --bin hubward
step "Node packages"
(cd tests/js && npm ci --silent --no-audit --no-fund)

# serve NAME PORT…: starts the conformance server on these ports and waits for it.
serve() {
  local listen=() p
  for p in "$@"; do listen+=("127.0.0.1:$p"); done
  local log="$work/server-$1.log"
  HUBWARD_LOG=warn target/release/conformance-server --listen "$(IFS=,; echo "${listen[*]}")" >"$log" 2>&1 &
  pids+=($!)
  for p in "$@"; do await "http://127.0.0.1:$p/" "the conformance server" "$log"; done
}

if [ "$part" != browser ]; then
  one=$(port); serve "$one"
  first=$(port); second=$(port); serve "$first" "$second"
  single="http://127.0.0.1:$one"
  cluster="http://127.0.0.1:$first,http://127.0.0.1:$second"
fi
if [ "$part" = all ] || [ "$part" = conformance ]; then
  step "recorded answers of ASP.NET Core, on one node"
  (cd tests/js && node conformance/check.mjs --url "$single")
  step "recorded answers of ASP.NET Core, on two nodes"
  (cd tests/js && node conformance/check.mjs --url "$cluster")
fi
if [ "$part" = all ] || [ "$part" = clients ]; then
  step "official clients, on one node"
  (cd tests/js && HUBWARD_URLS="$single" npm run --silent clients)
  step "official clients, on two nodes"
  (cd tests/js && HUBWARD_URLS="$cluster" npm run --silent clients)
fi
if [ "$part" = all ] || [ "$part" = browser ]; then
  need chromium chromium
  base=$(( 20000 + RANDOM % 10000 ))
  step "the demo in a browser"
  HUBWARD_LOG=warn target/release/hubward demo --nodes 2 --port "$base" >"$work/demo.log" 2>&1 &
  pids+=($!)
  await "http://127.0.0.1:$base/" "the demo" "$work/demo.log"
  (cd tests/js && HUBWARD_DEMO_URLS="http://127.0.0.1:$base,http://127.0.0.1:$((base + 1))" npm run --silent browser)
fi
step "all passed"

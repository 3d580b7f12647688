#!/usr/bin/env bash
# Runs every test of Hubward, and installs what they need where it is missing.
#   tests/run.sh            everything
#   tests/run.sh rust|conformance|clients|cluster|browser    one part
# Needs Rust (https://rustup.rs, version in rust-toolchain.toml) and a C compiler. Redis 7, nginx, HAProxy, openssl, Node.js, npm and
# Chromium are installed with apt-get where they are missing and that is allowed; where it is not, the script says what to
# install. cargo-deny and cargo-machete are run where they are installed.
# What drives nodes from outside runs beside the Rust tests; a step's output is kept together and shown when it ends.
set -euo pipefail
cd "$(dirname "$0")/.."
part=${1:-all}
work=$(mktemp -d)

fail() { printf 'tests/run.sh: %s\n' "$*" >&2; exit 1; }
case $part in
  all|rust|conformance|clients|cluster|browser) ;;
  *) fail "unknown part '$part': all, rust, conformance, clients, cluster or browser" ;;
esac
# Where Debian has nginx and HAProxy.
PATH="$PATH:/usr/sbin"

# Each lane is a process group of its own, so that one signal ends it with all that it started, servers too.
set -m
lanes=()
lane() { ("$@") & lanes+=($!); }
finish() {
  local group
  allow_services
  for group in "${lanes[@]}"; do kill -TERM -- "-$group" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

# step NAME COMMAND…: runs a command and shows its output when it has ended.
step() {
  local name=$1 began=$SECONDS log result=0; shift
  log=$(mktemp -p "$work")
  printf '== %s\n' "$name"
  "$@" >"$log" 2>&1 </dev/null || result=$?
  if [ "$result" = 0 ]; then
    printf '\n== %s: passed in %s s\n%s\n' "$name" "$((SECONDS - began))" "$(cat "$log")"
  else
    printf '\n== %s: FAILED\n%s\n' "$name" "$(cat "$log")"
  fi
  return "$result"
}

sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo -n)

# need COMMAND PACKAGE…: installs Debian packages when a command is missing.
need() {
  local command=$1; shift
  command -v "$command" >/dev/null && return
  command -v apt-get >/dev/null || fail "'$command' is missing; install it with your package manager, then run this again"
  printf '== installing %s\n' "$*"
  "${sudo[@]}" apt-get update -qq || true
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$work/apt.log" 2>&1 \
    || { tail -n 5 "$work/apt.log" >&2; fail "'$command' is missing and could not be installed; install it (Debian: apt-get install $*), then run this again"; }
}

# Debian starts a server when it is installed, unless this file forbids it. The tests start theirs on ports of their own.
policy=/usr/sbin/policy-rc.d
is_forbidden=
forbid_services() {
  [ ! -e "$policy" ] || return 0
  is_forbidden=1
  printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null && "${sudo[@]}" chmod +x "$policy" || true
}
allow_services() {
  [ -z "$is_forbidden" ] || "${sudo[@]}" rm -f "$policy" || true
  is_forbidden=
}

need_servers() {
  forbid_services
  need redis-server redis-server
  need redis-cli redis-tools
  case $part in all|clients|cluster) need nginx nginx-light; need haproxy haproxy ;; esac
  allow_services
}

# ---- the workspace

# The commands of the justfile's recipes, and those of CONTRIBUTING.md's shell blocks, must be the same.
# shellcheck disable=SC2016 # the backquotes are Markdown's
recipes_are_documented() {
  diff <(sed -n 's/^    \([^@]\)/\1/p' justfile | sort -u) \
    <(sed -n '/^```sh$/,/^```$/{/^```/d;s/  *#.*//;p;}' CONTRIBUTING.md | sort -u) \
    || { echo "the recipes of the justfile (<) are not the commands of CONTRIBUTING.md (>)"; return 1; }
}

dependencies_are_allowed() {
  if ! cargo deny --version >/dev/null 2>&1; then
    echo "skipped: cargo-deny is not installed (cargo install --locked cargo-deny)"
  elif timeout 120 cargo deny fetch db >/dev/null 2>&1; then
    cargo deny check --hide-inclusion-graph
  else
    echo "the advisory database cannot be fetched: advisories are not checked"
    cargo deny check --hide-inclusion-graph bans licenses sources
  fi
}

dependencies_are_used() {
  if cargo machete --version >/dev/null 2>&1; then cargo machete
  else echo "skipped: cargo-machete is not installed (cargo install --locked cargo-machete)"; fi
}

rust() {
  step "format" cargo fmt --all --check
  step "the justfile and CONTRIBUTING.md" recipes_are_documented
  step "lints" cargo clippy --workspace --all-targets --quiet -- -D warnings
  step "Rust tests" cargo test --workspace --quiet
  step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
  step "dependencies: cargo deny" dependencies_are_allowed
  step "dependencies: cargo machete" dependencies_are_used
}

# ---- what drives running nodes from outside

build() {
  need curl curl
  need node nodejs npm
  need npm npm
  step "Node packages" npm ci --prefix tests/js --silent --no-audit --no-fund
  step "the conformance server and the node" cargo build --release --quiet --bin conformance-server --bin hubward
}

# await URL NAME LOG: waits until something responds.
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

# serve [--OPTION VALUE]… PORT…: starts a conformance server with a node on each of these ports, and waits for it.
serve() {
  local options=() listen=() p
  while [[ ${1:-} == --* ]]; do options+=("$1" "$2"); shift 2; done
  for p in "$@"; do listen+=("127.0.0.1:$p"); done
  local log="$work/server-$1.log"
  HUBWARD_LOG=warn target/release/conformance-server --listen "$(IFS=,; echo "${listen[*]}")" "${options[@]}" >"$log" 2>&1 &
  for p in "$@"; do await "http://127.0.0.1:$p/" "the conformance server" "$log"; done
}

# serve_all: one server with one node ($single), one with two ($in_memory), and three with one each, joined by a Redis
# ($redis), unless they run already.
serve_all() {
  [ -z "${redis:-}" ] || return 0
  local one first second third broker
  one=$(port); serve "$one"
  single="http://127.0.0.1:$one"
  first=$(port); second=$(port); serve "$first" "$second"
  in_memory="http://127.0.0.1:$first,http://127.0.0.1:$second"
  broker=$(port); serve_redis "$broker"
  first=$(port); serve --redis "redis://127.0.0.1:$broker" "$first"
  second=$(port); serve --redis "redis://127.0.0.1:$broker" "$second"
  third=$(port); serve --redis "redis://127.0.0.1:$broker" "$third"
  redis="http://127.0.0.1:$first,http://127.0.0.1:$second,http://127.0.0.1:$third"
}

# serve_redis PORT: starts a Redis that keeps nothing on disk, and waits for it.
serve_redis() {
  redis-server --bind 127.0.0.1 --port "$1" --save "" --dir "$work" >"$work/redis-$1.log" 2>&1 &
  for _ in $(seq 300); do
    [ "$(redis-cli -p "$1" ping 2>/dev/null)" = PONG ] && return
    sleep 0.1
  done
  tail -n 20 "$work/redis-$1.log" >&2
  fail "Redis did not come up at 127.0.0.1:$1"
}

# on_each NAME COMMAND…: runs a step for each of the servers, whose addresses are put after the command.
on_each() {
  local name=$1; shift
  serve_all
  step "$name, on one node" "$@" "$single"
  step "$name, on two nodes of one process" "$@" "$in_memory"
  step "$name, on three nodes joined by Redis" "$@" "$redis"
}

conformance() {
  on_each "recorded answers of ASP.NET Core" node tests/js/conformance/check.mjs --url
  step "recorded answers of ASP.NET Core, each request to another node" \
    node tests/js/conformance/check.mjs --spread requests --url "$redis"
}

official_clients() { HUBWARD_URLS=$1 npm run --prefix tests/js --silent clients; }
clients() {
  on_each "official clients" official_clients
  for balancer in nginx haproxy; do
    step "recorded answers of ASP.NET Core, on three nodes behind $balancer" \
      node tests/js/cluster/behind.mjs "$balancer" node tests/js/conformance/check.mjs
    step "official clients, on three nodes behind $balancer" \
      node tests/js/cluster/behind.mjs "$balancer" npm run --prefix tests/js --silent clients
  done
}

cluster() { step "a cluster from outside" npm run --prefix tests/js --silent cluster; }

browser() {
  local base=$((20000 + RANDOM % 10000)) found
  found=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
  [ -n "$found" ] || { need chromium chromium; found=$(command -v chromium); }
  HUBWARD_LOG=warn target/release/hubward demo --nodes 2 --port "$base" >"$work/demo.log" 2>&1 &
  await "http://127.0.0.1:$base/" "the demo" "$work/demo.log"
  step "the demo in a browser" env CHROMIUM="$found" \
    HUBWARD_DEMO_URLS="http://127.0.0.1:$base,http://127.0.0.1:$((base + 1))" npm run --prefix tests/js --silent browser
}

outside() { build; conformance; clients; cluster; browser; }
one_suite() { build; "$part"; }

# ---- which parts

command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs, then run this again"
# Before the lanes, since only one apt-get can run at a time.
need cc gcc libc6-dev
need openssl openssl
need_servers
if ! cargo --version >/dev/null 2>&1; then
  printf '== installing the toolchain of rust-toolchain.toml\n'
  rustup toolchain install || { printf 'not installed: using the stable toolchain\n'; export RUSTUP_TOOLCHAIN=stable; }
fi
case $part in
  all) lane outside; lane rust; wait -n ;; # the first to end; if it has failed, so does the script
  rust) lane rust ;;
  *) lane one_suite ;;
esac
for each in "${lanes[@]}"; do wait "$each"; done
printf '\n== all passed in %s s\n' "$SECONDS"

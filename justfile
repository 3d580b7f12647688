# The commands of CONTRIBUTING.md by name (https://just.systems). tests/run.sh checks that the two are the same.

# Lists the recipes
list:
    @{{just_executable()}} --list --unsorted

# Builds everything
build:
    cargo build --workspace

# Unit, property, documentation and socket tests
test:
    cargo test --workspace

# All tests and checks, with the official clients and a browser
all:
    tests/run.sh

# Three nodes, and a page to try them
demo:
    cargo run --release --bin hubward -- demo --nodes 3

# What must be clean, besides the tests, before a change is merged
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    cargo deny check
    cargo machete

# Benchmarks of the codecs
bench:
    cargo bench -p hubward-proto -p hubward-backplane

# What Redis and the way between nodes cost, and what grows with what; on a machine that does nothing else (loadtest/README.md).
bench-redis:
    cargo bench -p hubward-conformance-server --bench redis
    cargo bench -p hubward-conformance-server --bench hop
    cargo bench -p hubward-redis --bench growth

# Fuzzes each decoder and the session for a minute
fuzz:
    cargo +nightly fuzz run --fuzz-dir crates/hubward-proto/fuzz handshake -- -max_total_time=60
    cargo +nightly fuzz run --fuzz-dir crates/hubward-proto/fuzz json -- -max_total_time=60
    cargo +nightly fuzz run --fuzz-dir crates/hubward-proto/fuzz messagepack -- -max_total_time=60
    cargo +nightly fuzz run --fuzz-dir crates/hubward-proto/fuzz session -- -max_total_time=60

//! What a deadline costs in an index of up to a million: moved, as with each renewal, and handed out when it is due.

use std::time::Duration;

use divan::Bencher;
use hubward_expiry::DeadlineIndex;
use tokio::time::Instant;

fn main() {
    divan::main();
}

fn index(entries: u64) -> (DeadlineIndex<u64>, Instant) {
    let (mut index, start) = (DeadlineIndex::new(), Instant::now());
    for key in 0..entries {
        // In an order that is not that of the keys.
        index.set(key, start + Duration::from_millis(key.wrapping_mul(0x9E37_79B9) % 3_600_000));
    }
    (index, start)
}

#[divan::bench(args = [1_000, 1_000_000])]
fn move_one(bencher: Bencher, entries: u64) {
    let (mut index, start) = index(entries);
    let mut key = 0;
    bencher.bench_local(|| {
        key = (key + 7919) % entries;
        index.set(key, start + Duration::from_secs(3_600 + key));
    });
}

#[divan::bench(args = [1_000, 1_000_000])]
fn take_all_in_portions(bencher: Bencher, entries: u64) {
    let end = Duration::from_secs(3_600);
    bencher
        .with_inputs(|| index(entries))
        .bench_local_values(|(mut index, start)| while !index.take_due(start + end, 256).is_empty() {});
}

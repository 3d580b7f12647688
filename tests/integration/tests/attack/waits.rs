//! Waiting for what takes long where tests are not optimized and processors are shared.

use std::time::Duration;

/// How long an attack may take to have its effect. Only what never comes fails a test.
const LONG: Duration = Duration::from_secs(90);

/// How often a condition is checked that nothing notifies of.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Waits for `future`, and fails the test where it never comes.
pub(crate) async fn at_last<F: IntoFuture>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(LONG, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Waits until `holds`.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    at_last(what, async {
        let mut checks = tokio::time::interval(CHECK_INTERVAL);
        loop {
            checks.tick().await;
            if holds().await {
                return;
            }
        }
    })
    .await;
}

/// Shows a size to people.
pub(crate) fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Fails where the node holds more than it may.
pub(crate) fn assert_held(what: &str, held: usize, before: usize, may_hold: usize) {
    let grown = held.saturating_sub(before);
    eprintln!("{what}: {:.1} MiB more than before", mebibytes(grown));
    assert!(
        grown <= may_hold,
        "{what}: the node held {:.1} MiB more than before; {:.1} would do",
        mebibytes(grown),
        mebibytes(may_hold)
    );
}

//! Waiting that ends: for something to happen, or for a condition to hold.

use std::time::Duration;

/// How long anything may take. Far above what it does take, so that only what never comes fails a test.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a condition is checked that nothing notifies of.
const CHECK_INTERVAL: Duration = Duration::from_millis(2);

/// Waits for `future`, and fails the test where that takes too long.
pub async fn within<F: IntoFuture>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(TIMEOUT, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited too long for {what}"),
    }
}

/// Waits until `holds`, and fails the test where that takes too long.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    within(what, async {
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

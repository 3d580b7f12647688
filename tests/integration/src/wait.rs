//! Waiting that ends: for something to happen, or for a condition to hold.

use std::time::Duration;

/// How long anything may take. Far above what it does take, so that only what never comes fails a test.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How often a condition is looked at that nobody tells about.
const LOOKING_INTERVAL: Duration = Duration::from_millis(2);

/// Waits for `future`, and fails the test where that takes too long.
pub async fn within<F: IntoFuture>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited too long for {what}"),
    }
}

/// Waits until `holds`, and fails the test where that takes too long.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    within(what, async {
        let mut looks = tokio::time::interval(LOOKING_INTERVAL);
        loop {
            looks.tick().await;
            if holds().await {
                return;
            }
        }
    })
    .await;
}

//! Waiting for a condition, with a bound.

use std::time::Duration;

/// How long a condition may take to come true: far longer than it does even on a machine under load.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Waits until a condition is true.
///
/// # Panics
///
/// Panics if it does not come true within [`TIMEOUT`].
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}: it did not come true in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

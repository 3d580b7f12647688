//! The group store, the node registry and the backplane with a deadline for each of their calls: whatever an
//! implementation waits for, nothing of a node waits for it without end. Where something is more urgent, such as opening a
//! connection, it has a shorter deadline of its own beside.

pub(crate) mod backplane;
pub(crate) mod group_store;
pub(crate) mod node_registry;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::poll;

/// How long a call may take: as long as another node has to confirm a change. Whatever waits for one holds up the changes
/// behind it.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a backplane may take to start: it may have to find and join a cluster of brokers.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A call that took too long. It may have had its effect.
#[derive(Debug, thiserror::Error)]
#[error("no answer came within {} s", .0.as_secs())]
pub(crate) struct TooSlow(Duration);

/// Waits for a call, but not for ever.
pub(crate) async fn in_call_time<T>(call: impl Future<Output = T>) -> Result<T, TooSlow> {
    in_time(CALL_TIMEOUT, call).await
}

/// Waits for a call. One that is ready at once costs no look at the clock.
async fn in_time<T>(limit: Duration, call: impl Future<Output = T>) -> Result<T, TooSlow> {
    let mut call = pin!(call);
    if let std::task::Poll::Ready(done) = poll!(&mut call) {
        return Ok(done);
    }
    tokio::time::timeout(limit, call).await.map_err(|_| TooSlow(limit))
}

#[cfg(test)]
mod tests;

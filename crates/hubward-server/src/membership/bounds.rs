//! Bounds of calls to the store and the backplane. Whatever waits for one holds up the changes behind it, so that a call
//! that is never answered must not last for ever. Both may be given up at any time.

use std::time::Duration;

use hubward_backplane::{BackplaneError, StoreError, Topic};

use crate::context::NodeContext;

/// How long a call may take: as long as another node has to confirm a change.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

const SLOW: &str = "no answer came in time";

/// Waits for the store.
pub(crate) async fn stored<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answered = tokio::time::timeout(CALL_TIMEOUT, call).await;
    answered.unwrap_or_else(|_| Err(StoreError::Unavailable(Some(SLOW.into()))))
}

/// Subscribes to topics; one result for each.
pub(crate) async fn subscribed(context: &NodeContext, topics: Vec<Topic>) -> Vec<Result<(), BackplaneError>> {
    let count = topics.len();
    let answered = tokio::time::timeout(CALL_TIMEOUT, context.subscriptions.add(topics)).await;
    let slow = || Err(BackplaneError::Unavailable(Some(SLOW.into())));
    answered.unwrap_or_else(|_| std::iter::repeat_with(slow).take(count).collect())
}

#[cfg(test)]
mod tests;

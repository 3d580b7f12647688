//! An outage of the store or the backplane, as connections that open meet it.

use hubward_backplane::{BackplaneError, StoreError};
use hubward_types::brief_causes;
use tokio::time::Instant;

use super::unrecorded::OutageState;
use crate::bounded::CALL_TIMEOUT;
use crate::engine::Engine;

/// Why something could not be done while a connection opens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The store refuses the connection, and will.
    #[error(transparent)]
    Refused(StoreError),
    /// The store cannot be reached, or what it has of this node is out of date.
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Backplane(#[from] BackplaneError),
    #[error("the group store or the backplane takes too long")]
    Slow,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Fenced | StoreError::NotOwner => Self::Store(error),
            refused => Self::Refused(refused),
        }
    }
}

/// Waits for the store or the backplane, but not for ever.
pub(crate) async fn in_time<T, E>(future: impl Future<Output = Result<T, E>>) -> Result<T, Failed>
where
    Failed: From<E>,
{
    match tokio::time::timeout(CALL_TIMEOUT, future).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Failed::Slow),
    }
}

/// Logs the cause of an outage: once, however many connections meet it.
pub(crate) fn begins(engine: &Engine, failed: &Failed) {
    if !engine.unrecorded.outage_begins() {
        return;
    }
    let hub = engine.name();
    let accepted = engine.definition.options.accept_during_outage;
    if !engine.context.is_announced() {
        tracing::warn!(%hub, accepted, "The node has not been started, so that other nodes do not know its connections: call Hubward::start.");
        return;
    }
    tracing::warn!(%hub, error = %brief_causes(failed), accepted, "Connections that open cannot be made known to other nodes.");
}

/// Logs that connections can be made known to other nodes again, if that is certain; otherwise returns when it may be.
pub(crate) fn might_have_ended(engine: &Engine) -> Option<Instant> {
    match engine.unrecorded.outage() {
        OutageState::NothingToLog => None,
        OutageState::Unclear(until) => Some(until),
        OutageState::Over => {
            tracing::info!(hub = %engine.name(), "All open connections are known to other nodes again.");
            None
        }
    }
}

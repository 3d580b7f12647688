//! Panics of hub code: caught wherever it is called, and made into errors. Nothing is logged here, since the one that
//! called knows more: `failures.rs` has the log lines.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use hubward_hub::HubError;

/// A panic as an error. Clients are sent no more than its text; the message is for the log.
#[derive(Debug, thiserror::Error)]
#[error("the hub method panicked")]
pub(crate) struct Panic {
    pub(crate) message: String,
}

/// The message of what [`panicked`] made.
pub(crate) fn message(error: &HubError) -> &str {
    error.hidden_error().and_then(|hidden| hidden.downcast_ref()).map_or("", |Panic { message }| message)
}

/// Runs hub code; its panic is an error.
pub(crate) fn catch<R>(run: impl FnOnce() -> R) -> Result<R, HubError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(panicked)
}

/// Makes a panic of the future into an error.
pub(crate) fn catch_panic<F, T>(run: F) -> impl Future<Output = Result<T, HubError>> + Send
where
    F: Future<Output = Result<T, HubError>> + Send,
{
    AssertUnwindSafe(run).catch_unwind().map(|outcome| outcome.unwrap_or_else(|panic| Err(panicked(panic))))
}

/// Makes what was caught into an error.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> HubError {
    let message = panic
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    // A value of the hub's own may panic again when it is dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    HubError::from(Panic { message })
}

#[cfg(test)]
mod tests;

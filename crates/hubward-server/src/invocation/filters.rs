//! How hub code is run: with the hub's filters around it, and with its panics caught.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use hubward_hub::{BoxFuture, FilterCall, HubError, Next, Outcome};

use crate::engine::Engine;

/// Wraps a call in the hub's filters, the first one outermost.
pub(crate) fn filtered(
    engine: &Engine,
    run: BoxFuture<'static, Result<Outcome, HubError>>,
    call: impl Fn() -> FilterCall,
) -> BoxFuture<'static, Result<Outcome, HubError>> {
    engine.definition.filters.iter().rev().fold(run, |run, filter| filter(call(), Next::new(run)))
}

/// Turns a panic of the future into an error.
pub(crate) fn catch_panic<F>(run: F) -> impl Future<Output = Result<Outcome, HubError>> + Send + Unpin
where
    F: Future<Output = Result<Outcome, HubError>> + Send + Unpin,
{
    AssertUnwindSafe(run).catch_unwind().map(|outcome| outcome.unwrap_or_else(|panic| Err(panicked(&*panic))))
}

/// Logs a panic in hub code, and returns it as an error. The message is for the log alone.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> HubError {
    let message = panic
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    tracing::error!(panic = message, "A hub method panicked.");
    HubError::from(Panic)
}

#[derive(Debug, thiserror::Error)]
#[error("the hub method panicked")]
struct Panic;

#[cfg(test)]
mod tests;

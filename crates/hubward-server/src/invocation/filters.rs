//! The hub's filters around its methods and callbacks.

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

#[cfg(test)]
mod tests;

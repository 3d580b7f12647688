//! What a hub does when a client connects or disconnects, with its filters around it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use hubward_hub::{BoxFuture, CallKind, FilterCall, HubContext, HubError, Method, Outcome};
use hubward_proto::{Protocol, RawArguments};

use crate::hub::Engine;
use crate::invocation::dispatch;

/// Runs a callback. A hub that has none still runs its filters.
pub(crate) async fn run(
    engine: &Engine,
    method: Option<&Arc<dyn Method>>,
    context: HubContext,
    protocol: Protocol,
    kind: CallKind,
) -> Result<(), HubError> {
    let run: BoxFuture<Result<Outcome, HubError>> = match method {
        Some(method) => method.start(&dispatch::callback(context.clone(), protocol))?.run,
        None => Box::pin(async { Ok(Outcome::Done(None)) }),
    };
    let run = dispatch::filtered(engine, run, || {
        FilterCall::new(context.clone(), kind, "".into(), RawArguments::default(), None)
    });
    let outcome = AssertUnwindSafe(run).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(dispatch::panicked(&*panic))).map(|_| ())
}

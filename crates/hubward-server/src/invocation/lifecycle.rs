//! A connection's lifecycle as its hub sees it: `on_connected` and `on_disconnected`, with the hub's filters around
//! them.

use std::borrow::Cow;
use std::sync::Arc;

use hubward_hub::{
    BoxFuture, CallKind, FilterCall, HubContext, HubError, IncomingInvocation, Method, Outcome,
};
use hubward_proto::{Protocol, RawArguments};

use super::filters;
use crate::engine::Engine;

/// Runs a callback. A hub that has none still runs its filters.
pub(crate) async fn run(
    engine: &Engine,
    method: Option<&Arc<dyn Method>>,
    context: HubContext,
    protocol: Protocol,
    kind: CallKind,
) -> Result<(), HubError> {
    let run: BoxFuture<'static, Result<Outcome, HubError>> = match method {
        Some(method) => method.start(&without_arguments(context.clone(), protocol))?.run,
        None => Box::pin(async { Ok(Outcome::Done(None)) }),
    };
    let run = filters::filtered(engine, run, || {
        FilterCall::new(context.clone(), kind, "".into(), RawArguments::default(), None)
    });
    filters::catch_panic(run).await.map(|_| ())
}

/// The invocation of a callback, which has no arguments and expects no result.
fn without_arguments(context: HubContext, protocol: Protocol) -> IncomingInvocation<'static> {
    const NO_STREAMS: &[Cow<'static, str>] = &[];
    IncomingInvocation {
        context,
        protocol,
        invocation_id: None,
        arguments: RawArguments::default(),
        stream_ids: NO_STREAMS,
        upload_capacity: 1,
    }
}

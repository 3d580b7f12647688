//! A connection's lifecycle as its hub sees it: `on_connected` and `on_disconnected`, with the hub's filters around
//! them.

use std::borrow::Cow;
use std::sync::Arc;

use hubward_hub::{
    BoxFuture, CallKind, FilterCall, HubContext, HubError, IncomingInvocation, Method, Outcome,
};
use hubward_proto::{Protocol, RawArguments};

use super::{filters, panics};
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
        Some(method) => {
            let call = without_arguments(context.clone(), protocol);
            panics::catch(|| method.start(&call))??.run
        }
        None => Box::pin(async { Ok(Outcome::Done(None)) }),
    };
    let run = filters::filtered(engine, run, || {
        FilterCall::new(context.clone(), kind, "".into(), RawArguments::default(), None)
    });
    panics::catch_panic(run).await.map(|_| ())
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

#[cfg(test)]
mod tests {
    use hubward_hub::{DisconnectReason, Disconnected, Hub};

    use super::*;
    use crate::testing::{Journal, engine, handle};

    /// Runs a hub's `on_disconnected` with a filter around it; returns the error, and what was noted.
    async fn run_noted(hub: Hub, journal: &Journal) -> (Option<String>, Vec<String>) {
        let noted = journal.clone();
        let engine = engine(hub.filter(move |call, next| {
            noted.note(format!("{:?}", call.kind()));
            next.run()
        }));
        let context = HubContext::new(handle("c1"), engine.clone().facade(), 0)
            .with_disconnect_reason(DisconnectReason::Aborted);
        let method = engine.definition.on_disconnected.as_ref();
        let outcome = run(&engine, method, context, Protocol::Json, CallKind::Disconnected).await;
        (outcome.err().map(|error| error.to_string()), journal.take())
    }

    #[tokio::test]
    async fn a_callback_learns_what_its_context_knows_behind_the_filters() {
        let journal = Journal::default();
        let noted = journal.clone();
        let hub = Hub::new("hub").on_disconnected(move |cx: HubContext, end: Disconnected| {
            noted.noting(format!("{} {:?}", cx.connection_id(), end.reason))
        });
        let expected = ["Disconnected".to_owned(), "c1 Aborted".to_owned()].to_vec();
        assert_eq!(run_noted(hub, &journal).await, (None, expected));
    }

    #[tokio::test]
    async fn a_hub_without_a_callback_still_runs_its_filters() {
        let outcome = run_noted(Hub::new("hub"), &Journal::default()).await;
        assert_eq!(outcome, (None, vec!["Disconnected".to_owned()]));
    }

    #[tokio::test]
    async fn an_error_of_a_callback_is_passed_on_and_a_panic_is_one() {
        let fails = async || Err::<(), _>(HubError::shown("The ward is full."));
        let (error, _) = run_noted(Hub::new("hub").on_disconnected(fails), &Journal::default()).await;
        assert_eq!(error.as_deref(), Some("The ward is full."));
        let panics = async || -> () { panic!("a test's panic") };
        let (error, _) = run_noted(Hub::new("hub").on_disconnected(panics), &Journal::default()).await;
        assert_eq!(error.as_deref(), Some("Panic: the hub method panicked"));
    }
}

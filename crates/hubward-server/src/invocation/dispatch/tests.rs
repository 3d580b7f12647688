//! Which calls are refused, with which text and in which order of checks, in both protocols; and which call waits for
//! its permit.

use std::task::{Context, Waker};

use futures_util::stream;
use hubward_hub::{HandlerExt, Hub, HubOptions, Upload};
use hubward_proto::{CompletionResult, Limits, List, Message, decode, split};
use serde_json::{Value, json};

use super::*;
use crate::testing::{Journal, engine, handle_speaking};

/// A client's call.
struct Call {
    target: &'static str,
    arguments: Value,
    id: Option<&'static str>,
    stream_ids: &'static [&'static str],
    streaming: bool,
}

fn call(target: &'static str, arguments: Value) -> Call {
    Call { target, arguments, id: Some("1"), stream_ids: &[], streaming: false }
}

fn stream_call(target: &'static str, arguments: Value) -> Call {
    Call { streaming: true, ..call(target, arguments) }
}

/// One client's calls, without a connection's task.
struct Caller {
    engine: Arc<Engine>,
    hub: Arc<dyn HubEngine>,
    handle: Arc<ConnectionHandle>,
    calls: RunningCalls,
}

impl Caller {
    fn new(hub: Hub, protocol: Protocol) -> Self {
        let engine = engine(hub);
        let handle = handle_speaking("c1", protocol);
        Self { hub: engine.clone().facade(), engine, handle, calls: RunningCalls::default() }
    }

    /// Makes a call; true where it waits for a permit.
    fn invoke(&mut self, call: &Call) -> bool {
        let (protocol, arguments) = (self.handle.protocol, call.arguments.as_array().unwrap().clone());
        let frame = encode::invocation_with_streams(
            protocol,
            call.id,
            call.target,
            &List(arguments),
            call.stream_ids,
        );
        let frame = frame.unwrap();
        let (record, _) = split(protocol, frame.message(), &Limits::default()).unwrap().unwrap();
        self.invoke_record(record, call.streaming)
    }

    /// Makes a call of a message without its separator or length; true where it waits for a permit.
    fn invoke_record(&mut self, record: &[u8], streaming: bool) -> bool {
        let decoded = decode(self.handle.protocol, record, &Limits::default());
        let Some(Message::Invocation(invocation)) = decoded.unwrap() else { panic!() };
        let (engine, hub, handle) = (&self.engine, &self.hub, &self.handle);
        let mut dispatch = Dispatch { engine, hub, handle, calls: &mut self.calls };
        let mut cx = Context::from_waker(Waker::noop());
        dispatch.invoke(&mut cx, invocation, streaming).is_some()
    }

    /// Takes the completions that wait for the client: ids and results.
    fn completions(&self) -> Vec<(String, Result<Value, String>)> {
        let (mut frames, limits) = (std::collections::VecDeque::new(), Limits::default());
        self.handle.mailbox.take(usize::MAX, &mut frames, &mut Vec::new(), None);
        let completion = |frame: hubward_proto::Frame| {
            let protocol = self.handle.protocol;
            let (record, _) = split(protocol, frame.message(), &limits).unwrap().unwrap();
            let message = decode(protocol, record, &limits).unwrap();
            let Some(Message::Completion(completion)) = message else { panic!("{message:?}") };
            let result = match completion.result {
                CompletionResult::Value(value) => Ok(value.deserialize().unwrap()),
                CompletionResult::Void => Ok(json!("void")),
                CompletionResult::Error(error) => Err(error.into_owned()),
            };
            (completion.invocation_id.into_owned(), result)
        };
        frames.into_iter().map(completion).collect()
    }
}

fn hub(detailed_errors: bool) -> Hub {
    Hub::new("hub")
        .options(HubOptions { detailed_errors, streams_per_connection: 2, ..HubOptions::default() })
        .method("Add", async |a: i32, b: i32| a + b)
        .method("Guarded", (async |_: i32| ()).authorize("Nobody"))
        .stream("Count", async |n: u32| stream::iter(0..n))
        .stream("Endless", async || stream::pending::<u32>())
        .method("Sum", async |mut items: Upload<i32>| {
            let mut sum = 0;
            while let Some(item) = items.next_item().await {
                sum += item?;
            }
            Ok::<_, HubError>(sum)
        })
        .method("Cancellable", async |cancelled: CancellationToken| cancelled.cancelled().await)
}

/// What comes of a call in each protocol.
fn results(detailed_errors: bool, call: &Call) -> [Result<Value, String>; 2] {
    Protocol::ALL.map(|protocol| {
        let mut caller = Caller::new(hub(detailed_errors), protocol);
        assert!(!caller.invoke(call), "{} waits", call.target);
        let mut completions = caller.completions();
        assert_eq!(completions.len(), 1, "{}", call.target);
        let (id, result) = completions.remove(0);
        assert_eq!(Some(&*id), call.id);
        result
    })
}

/// Checks that a call is refused with a text, in both protocols and however detailed errors are.
fn check(call: &Call, text: &str) {
    let refused = [Err(text.to_owned()), Err(text.to_owned())];
    assert_eq!(results(false, call), refused);
    assert_eq!(results(true, call), refused);
}

/// Checks that a call does not fit its method, and the details that JSON and MessagePack give.
fn check_binding(call: &Call, details: [&str; 2]) {
    let base = format!("Failed to invoke '{}' due to an error on the server.", call.target);
    assert_eq!(results(false, call), [Err(base.clone()), Err(base.clone())]);
    assert_eq!(
        results(true, call),
        details.map(|detail| Err(format!("{base} InvalidDataException: {detail}")))
    );
}

#[test]
fn a_method_is_found_without_regard_to_case() {
    for target in ["Add", "add", "ADD"] {
        assert_eq!(results(false, &call(target, json!([2, 3]))), [Ok(json!(5)), Ok(json!(5))]);
    }
}

#[test]
fn an_unknown_method_is_refused_under_the_name_that_the_client_used() {
    let text = |name: &str| {
        format!(
            "Failed to invoke '{name}' due to an error on the server. HubException: Method does not exist."
        )
    };
    check(&call("nothing", json!([])), &text("nothing"));
    check(&stream_call("Nothing", json!([1])), &text("Nothing"));
}

#[test]
fn arguments_must_be_as_many_and_of_the_types_that_the_method_takes() {
    let count = |given: u32| format!("Invocation provides {given} argument(s) but target expects 2.");
    let (one, three) = (count(1), count(3));
    check_binding(&call("Add", json!([1])), [&one, &one]);
    check_binding(&call("Add", json!([1, 2, 3])), [&three, &three]);
    let types = "Error binding arguments. Make sure that the types of the provided values match the types of the \
                 hub method being invoked.";
    check_binding(&call("add", json!([1, "two"])), [types, types]);
    check_binding(&call("Add", json!([1, null])), [types, types]);
    // Where both are wrong, JSON reports the types and MessagePack the count.
    check_binding(&call("Add", json!(["one"])), [types, &one]);
    check_binding(&call("Add", json!(["one", 2, 3])), [types, &three]);
}

#[test]
fn a_caller_that_does_not_meet_the_policy_is_refused_under_the_methods_own_name() {
    check(&call("guarded", json!([1])), "Failed to invoke 'Guarded' because user is unauthorized");
}

#[test]
fn arguments_are_bound_before_policies_are_checked_and_policies_before_the_kind_of_call() {
    let base = "Failed to invoke 'Guarded' due to an error on the server.";
    assert_eq!(results(false, &call("Guarded", json!([]))), [Err(base.into()), Err(base.into())]);
    check(&stream_call("Guarded", json!([1])), "Failed to invoke 'Guarded' because user is unauthorized");
}

#[test]
fn a_call_and_its_method_must_both_stream_or_both_not() {
    check(
        &stream_call("add", json!([1, 2])),
        "The client attempted to invoke the non-streaming 'Add' method with a streaming invocation.",
    );
    check(
        &call("count", json!([3])),
        "The client attempted to invoke the streaming 'Count' method with a non-streaming invocation.",
    );
}

#[test]
fn a_call_must_name_as_many_streams_as_its_method_takes() {
    let text = |method: &str, sent: u32, expected: u32| {
        format!(
            "An unexpected error occurred invoking '{method}' on the server. HubException: Client sent {sent} \
             stream(s), Hub method expects {expected}."
        )
    };
    check(&call("sum", json!([])), &text("Sum", 0, 1));
    check(&Call { stream_ids: &["a", "b"], ..call("Sum", json!([])) }, &text("Sum", 2, 1));
    check(&Call { stream_ids: &["a"], ..call("Add", json!([1, 2])) }, &text("Add", 1, 0));
}

/// Checks that a second call is refused while the first one runs, and that it would run alone.
async fn check_second(first: Call, second: Call, text: &str) {
    for protocol in Protocol::ALL {
        let mut caller = Caller::new(hub(false), protocol);
        assert!(!caller.invoke(&first));
        assert_eq!(caller.completions(), []);
        assert!(!caller.invoke(&second));
        assert_eq!(caller.completions(), [(second.id.unwrap().to_owned(), Err(text.to_owned()))]);
        let mut alone = Caller::new(hub(false), protocol);
        assert!(!alone.invoke(&second));
        assert_eq!(alone.completions(), []);
    }
}

#[tokio::test]
async fn a_stream_id_is_taken_until_its_upload_ends() {
    let upload = |id| Call { id: Some(id), stream_ids: &["s"], ..call("Sum", json!([])) };
    let text = "An unexpected error occurred invoking 'Sum' on the server. HubException: Stream ID 's' is already in \
                use.";
    check_second(upload("1"), upload("2"), text).await;
}

#[tokio::test]
async fn an_invocation_id_is_taken_while_its_call_can_be_cancelled() {
    let text = "Invocation ID '1' is already in use.";
    check_second(stream_call("Endless", json!([])), stream_call("Endless", json!([])), text).await;
    check_second(stream_call("Endless", json!([])), call("Cancellable", json!([])), text).await;
    check_second(call("Cancellable", json!([])), stream_call("Endless", json!([])), text).await;
}

#[tokio::test]
async fn streams_of_both_directions_are_bounded_together() {
    let mut caller = Caller::new(hub(false), Protocol::Json);
    caller.invoke(&stream_call("Endless", json!([])));
    caller.invoke(&Call { id: Some("2"), stream_ids: &["a"], ..call("Sum", json!([])) });
    assert_eq!(caller.completions(), []);
    let refused = |method| {
        format!(
            "An unexpected error occurred invoking '{method}' on the server. HubException: A connection may have 2 \
             streams at once."
        )
    };
    caller.invoke(&Call { id: Some("3"), ..stream_call("Endless", json!([])) });
    assert_eq!(caller.completions(), [("3".to_owned(), Err(refused("Endless")))]);
    caller.invoke(&Call { id: Some("4"), stream_ids: &["b"], ..call("Sum", json!([])) });
    assert_eq!(caller.completions(), [("4".to_owned(), Err(refused("Sum")))]);
    // A call without streams is not concerned.
    caller.invoke(&Call { id: Some("5"), ..call("Add", json!([1, 2])) });
    assert_eq!(caller.completions(), [("5".to_owned(), Ok(json!(3)))]);
}

#[tokio::test]
async fn calls_without_streams_are_not_bounded_with_them() {
    let options =
        HubOptions { streams_per_connection: 2, maximum_parallel_invocations: 10, ..HubOptions::default() };
    let mut caller = Caller::new(hub(false).options(options), Protocol::Json);
    for id in ["1", "2", "3"] {
        caller.invoke(&Call { id: Some(id), ..call("Cancellable", json!([])) });
    }
    caller.invoke(&Call { id: Some("4"), ..call("Add", json!([1, 2])) });
    assert_eq!(caller.completions(), [("4".to_owned(), Ok(json!(3)))]);
}

#[test]
fn a_call_without_an_id_is_run_and_not_answered_and_a_refused_one_is_not_answered_either() {
    let journal = Journal::default();
    let noted = journal.clone();
    let note = move |what: String| noted.noting(what);
    let mut caller = Caller::new(Hub::new("hub").method("Note", note), Protocol::Json);
    caller.invoke(&Call { id: None, ..call("Note", json!(["run"])) });
    caller.invoke(&Call { id: None, ..call("Note", json!([])) });
    caller.invoke(&Call { id: None, ..call("Nothing", json!([])) });
    assert_eq!(journal.take(), ["run"]);
    assert_eq!(caller.completions(), []);
}

#[tokio::test]
async fn only_a_call_that_neither_streams_nor_uploads_waits_for_a_permit() {
    let hub = hub(false).method("Wait", async || std::future::pending::<()>().await);
    let mut caller = Caller::new(hub, Protocol::Json);
    assert!(!caller.invoke(&call("Wait", json!([]))));
    assert!(caller.invoke(&call("Add", json!([1, 2]))));
    assert!(!caller.invoke(&Call { stream_ids: &["a"], ..call("Sum", json!([])) }));
    // What the method is decides, not what the client sent with it.
    assert!(caller.invoke(&Call { stream_ids: &["b"], ..call("Add", json!([1, 2])) }));
    assert!(!caller.invoke(&stream_call("Count", json!([3]))));
}

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A call of `Trace` with these headers, in each protocol.
fn with_headers(headers: &[(&str, &str)]) -> [(Protocol, Vec<u8>); 2] {
    let fields: serde_json::Map<_, _> =
        headers.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    let call =
        json!({ "type": 1, "invocationId": "1", "target": "Trace", "arguments": [], "headers": fields });
    let text = |text: &str| [&[0xda][..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
    let mut array = vec![0x96, 1, 0x80 | headers.len() as u8];
    headers.iter().for_each(|(name, value)| array.extend([text(name), text(value)].concat()));
    array.extend(b"\xa11\xa5Trace\x90\x90");
    [(Protocol::Json, call.to_string().into_bytes()), (Protocol::MessagePack, array)]
}

#[test]
fn a_call_belongs_to_the_trace_that_its_headers_name_in_both_protocols() {
    async fn trace(cx: HubContext) -> Vec<Option<String>> {
        let trace = cx.trace_context();
        vec![trace.map(ToString::to_string), trace.and_then(|trace| trace.state().map(str::to_owned))]
    }
    let check = |headers: &[(&str, &str)], expected: Value| {
        for (protocol, record) in with_headers(headers) {
            let mut caller = Caller::new(Hub::new("hub").method("Trace", trace), protocol);
            assert!(!caller.invoke_record(&record, false));
            assert_eq!(caller.completions(), [("1".to_owned(), Ok(expected.clone()))], "{headers:?}");
        }
    };
    let (state, long) = ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "x".repeat(5000));
    check(&[], json!([null, null]));
    check(&[("traceparent", TRACEPARENT)], json!([TRACEPARENT, null]));
    check(
        &[("other", "x"), ("tracestate", state), ("traceparent", TRACEPARENT)],
        json!([TRACEPARENT, state]),
    );
    // What is malformed is no context, and never an error.
    check(&[("tracestate", state)], json!([null, null]));
    check(&[("traceparent", "-")], json!([null, null]));
    check(&[("traceparent", &long), ("tracestate", state)], json!([null, null]));
    check(&[("traceparent", &TRACEPARENT.to_uppercase())], json!([null, null]));
    check(&[("traceparent", TRACEPARENT), ("tracestate", &long)], json!([TRACEPARENT, null]));
    check(&[("traceparent", TRACEPARENT), ("tracestate", "a=\u{1b}[2J")], json!([TRACEPARENT, null]));
}

//! The conformance hub: one of each kind of method, and its variants, which differ in their options.

use std::time::Duration;

use hubward::{Binary, ClientResultError, Hub, HubContext, HubError, HubOptions, TransportOptions};

use crate::nullable::{
    ArgumentOutOfRangeException, HUB_EXCEPTION, InvalidOperationException, NullableString, not_null,
};
use crate::reading::Reading;
use crate::string_result::StringResult;
use crate::{sends, streams};

/// Returns the hubs that need no principal, each with its path.
pub(crate) fn variants() -> Vec<(&'static str, Hub)> {
    let fast = HubOptions {
        keep_alive_interval: Duration::from_secs(1),
        client_timeout: Duration::from_millis(2500),
        handshake_timeout: Duration::from_millis(1500),
        ..HubOptions::default()
    };
    vec![
        ("/conformance", named("plain")),
        (
            "/conformance-detailed",
            named("detailed").options(HubOptions { detailed_errors: true, ..HubOptions::default() }),
        ),
        ("/conformance-fast", named("fast").options(fast)),
        (
            "/conformance-parallel",
            named("parallel")
                .options(HubOptions { maximum_parallel_invocations: 4, ..HubOptions::default() }),
        ),
        ("/conformance-nowebsockets", named("nowebsockets")),
    ]
}

/// Returns the transports of the variant at a path.
pub(crate) fn transports(path: &str) -> TransportOptions {
    TransportOptions {
        allow_stateful_reconnects: path == "/conformance",
        web_sockets: path != "/conformance-nowebsockets",
        ..TransportOptions::default()
    }
}

/// Returns a hub with the methods that every variant has.
pub(crate) fn named(name: &str) -> Hub {
    let hub = Hub::new(name)
        .on_connected(greet)
        .method("Echo", async |text: NullableString| text)
        .method("Add", async |a: i32, b: i32| a.wrapping_add(b))
        .method("Half", async |x: f64| x / 2.0)
        .method("Not", async |b: bool| !b)
        .method("Nothing", async || ())
        .method("Null", async || None::<String>)
        .method("Reverse", reverse)
        .method("EchoBytes", async |bytes: Option<Binary>| bytes)
        .method("EchoReading", async |reading: Option<Reading>| reading)
        .method("Large", large)
        .method("Slow", slow)
        .method("HubError", async |text: NullableString| {
            Err::<String, _>(HubError::shown(text.unwrap_or_else(|| HUB_EXCEPTION.into())))
        })
        .method("Crash", async |text: NullableString| {
            let text = text
                .unwrap_or_else(|| "Operation is not valid due to the current state of the object.".into());
            Err::<String, _>(InvalidOperationException(text))
        })
        .method("WhoAmI", async |cx: HubContext| cx.principal().user_id().cloned())
        .method("MyConnectionId", async |cx: HubContext| cx.connection_id().clone())
        .method("Transport", async |cx: HubContext| cx.request().transport().to_owned())
        .method("Query", query)
        .method("Abort", async |cx: HubContext| cx.abort())
        .method("Ask", invoke_client);
    streams::add(sends::add(hub))
}

async fn greet(cx: HubContext) -> Result<(), HubError> {
    let is_set = |name: &str| cx.request().query(name) == Some("1");
    if is_set("greet") {
        cx.clients().caller().send("Greeting", ("welcome",)).await?;
    }
    if is_set("refuse") {
        return Err(HubError::shown("refused"));
    }
    Ok(())
}

async fn query(cx: HubContext, name: NullableString) -> Result<NullableString, HubError> {
    let name = not_null(name, "key")?;
    Ok(cx.request().query(&name).filter(|value| !value.is_empty()).map(str::to_owned))
}

async fn reverse(values: Option<Vec<i32>>) -> Result<Vec<i32>, HubError> {
    let mut values = not_null(values, "array")?;
    values.reverse();
    Ok(values)
}

async fn large(n: i32) -> Result<String, ArgumentOutOfRangeException> {
    let refused = || {
        let text = "must be a non-negative value. (Parameter 'count')\nActual value was";
        ArgumentOutOfRangeException(format!("count ('{n}') {text} {n}."))
    };
    let n = usize::try_from(n).map_err(|_| refused())?;
    Ok("x".repeat(n.min(16 << 20)))
}

pub(crate) async fn slow(
    ms: i32,
    text: NullableString,
) -> Result<NullableString, ArgumentOutOfRangeException> {
    match u64::try_from(ms) {
        Ok(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        Err(_) if ms == -1 => std::future::pending().await,
        Err(_) => {
            let text = "The value needs to be either -1 (signifying an infinite timeout), 0 or a positive integer. (Parameter 'millisecondsDelay')";
            return Err(ArgumentOutOfRangeException(text.into()));
        }
    }
    Ok(text)
}

pub(crate) async fn invoke_client(
    cx: HubContext,
    id: NullableString,
    question: NullableString,
) -> Result<String, HubError> {
    let id = not_null(id, "connectionId")?;
    let result = cx.clients().connection(id).invoke::<StringResult>("Question", (question,)).await;
    Ok(match result {
        Ok(StringResult::String(text)) => format!("answer: {}", text.unwrap_or_default()),
        Ok(StringResult::Other(why)) => {
            format!("failed: Error trying to deserialize result to String. {why}")
        }
        Err(ClientResultError::NoResult) => format!("failed: {HUB_EXCEPTION}"),
        Err(ClientResultError::Failed(text)) => format!("failed: {text}"),
        Err(ClientResultError::NotFound(_)) => "gone: does not exist".to_owned(),
        Err(ClientResultError::Disconnected(_)) => "gone: disconnected".to_owned(),
        Err(other) => return Err(other.into()),
    })
}

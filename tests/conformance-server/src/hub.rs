//! The conformance hub: one of each kind of method, and the variants that differ in their settings.

use std::time::Duration;

use hubward::{AskError, Binary, Hub, HubContext, HubError, HubOptions};

use crate::reading::Reading;
use crate::{sending, streams};

/// An error that is not meant for clients, under the name that .NET gives it.
#[derive(Debug)]
pub(crate) struct InvalidOperationException(pub(crate) String);

impl std::fmt::Display for InvalidOperationException {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidOperationException {}

/// The hub under each path that is open to all.
pub(crate) fn variants() -> Vec<(&'static str, Hub)> {
    let plain = || HubOptions { allow_stateful_reconnects: true, ..HubOptions::default() };
    let fast = HubOptions {
        keep_alive_interval: Duration::from_secs(1),
        client_timeout: Duration::from_millis(2500),
        handshake_timeout: Duration::from_millis(1500),
        ..HubOptions::default()
    };
    vec![
        ("/conformance", named("plain").options(plain())),
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
        (
            "/conformance-nowebsockets",
            named("nowebsockets").options(HubOptions { web_sockets: false, ..HubOptions::default() }),
        ),
    ]
}

/// The hub with all methods that each variant has.
pub(crate) fn named(name: &str) -> Hub {
    let hub = Hub::new(name)
        .on_connected(greet)
        .method("Echo", async |text: Option<String>| text)
        .method("Add", async |a: i32, b: i32| a.wrapping_add(b))
        .method("Half", async |x: f64| x / 2.0)
        .method("Not", async |b: bool| !b)
        .method("Nothing", async || ())
        .method("Null", async || None::<String>)
        .method("Reverse", reverse)
        .method("EchoBytes", async |bytes: Binary| bytes)
        .method("EchoReading", async |reading: Reading| reading)
        .method("Large", async |n: usize| "x".repeat(n.min(16 << 20)))
        .method("Slow", slow)
        .method("HubError", async |text: String| Err::<String, _>(HubError::shown(text)))
        .method("Crash", async |text: String| Err::<String, _>(InvalidOperationException(text)))
        .method("WhoAmI", async |cx: HubContext| cx.user().user().cloned())
        .method("MyConnectionId", async |cx: HubContext| cx.connection_id().clone())
        .method("Transport", async |cx: HubContext| cx.request().transport().to_owned())
        .method("Query", async |cx: HubContext, name: String| {
            cx.request().query(&name).filter(|value| !value.is_empty()).map(str::to_owned)
        })
        .method("Abort", async |cx: HubContext| cx.abort())
        .method("Ask", ask);
    streams::add(sending::add(hub))
}

async fn greet(cx: HubContext) -> Result<(), HubError> {
    let asked = |name: &str| cx.request().query(name) == Some("1");
    if asked("greet") {
        cx.clients().caller().send("Greeting", ("welcome",)).await?;
    }
    if asked("refuse") {
        return Err(HubError::shown("refused"));
    }
    Ok(())
}

async fn reverse(mut values: Vec<i32>) -> Vec<i32> {
    values.reverse();
    values
}

async fn slow(ms: u64, text: Option<String>) -> Option<String> {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    text
}

async fn ask(cx: HubContext, id: String, question: String) -> Result<String, HubError> {
    let answer = cx.clients().connection(id).ask::<Option<String>>("Question", (question,)).await;
    Ok(match answer {
        Ok(answer) => format!("answer: {}", answer.unwrap_or_default()),
        Err(AskError::Failed(text)) => format!("failed: {text}"),
        Err(AskError::NotFound(_)) => "gone: does not exist".to_owned(),
        Err(AskError::Disconnected(_)) => "gone: disconnected".to_owned(),
        Err(other) => return Err(other.into()),
    })
}

//! The hubs of the node that is attacked: what a client needs in order to attack, and what it counts afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use hubward::auth::Policy;
use hubward::transport::PipeError;
use hubward::transport::raw::{self, RawConnection};
use hubward::{Builder, Hub, HubContext, HubError, HubOptions, TransportOptions, Upload};

use super::counted::counted;
use super::{never, poison};

/// Time after which the quick hubs see that a client does not read, write or return.
const QUICK: Duration = Duration::from_secs(2);

/// What a group's expired membership would wait for: longer than any test.
const LONG_LIFETIME: Duration = Duration::from_secs(3600);

/// Mounts all hubs.
pub(super) fn add(builder: Builder) -> Builder {
    let quick = TransportOptions {
        allow_stateful_reconnects: true,
        send_timeout: QUICK,
        close_timeout: QUICK,
        disconnect_timeout: QUICK,
        ..TransportOptions::default()
    };
    let stateful = TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
    never::add(builder)
        .hub_with_options("/hub", common("hub"), stateful)
        .hub_with_options("/quick", common("quick"), quick)
        .hub("/alive", common("alive").options(keep_alive()))
        .hub("/boundless", common("boundless").options(boundless()))
        .policy("Staff", Policy::authenticated())
        .hub("/secure", common("secure").authorize("Staff"))
        .policy(poison::POLICY, Policy::custom(|_| panic!("a policy panics")))
        .hub("/poison", poison::hub())
        .hub("/poison-guarded", poison::guarded_hub())
        .raw("/raw", raw::handler(relay))
}

fn keep_alive() -> HubOptions {
    HubOptions { keep_alive_interval: Duration::from_secs(1), client_timeout: QUICK, ..HubOptions::default() }
}

fn boundless() -> HubOptions {
    HubOptions {
        maximum_receive_message_bytes: None,
        mailbox_messages: usize::MAX,
        mailbox_bytes: usize::MAX,
        ..HubOptions::default()
    }
}

fn common(name: &str) -> Hub {
    let calls = Arc::new(AtomicU64::new(0));
    let counter = calls.clone();
    counted(Hub::new(name))
        .method("Large", async |bytes: usize| "x".repeat(bytes))
        .method("Count", move || {
            counter.fetch_add(1, Ordering::Relaxed);
            async {}
        })
        .method("Counted", move || {
            let calls = calls.load(Ordering::Relaxed);
            async move { calls }
        })
        .method("Fail", async || Err::<(), _>(std::io::Error::other("the disk is gone")))
        .method("Length", async |text: String| text.len())
        .method("Sleep", async |ms: u64| tokio::time::sleep(Duration::from_millis(ms)).await)
        .method("Header", async |cx: HubContext, name: String| cx.request().header(&name).map(str::to_owned))
        .method("ToAll", async |cx: HubContext, text: String| cx.clients().all().send("N", (text,)).await)
        .method("ToGroup", async |cx: HubContext, group: String, text: String| {
            cx.clients().group(group).send("N", (text,)).await
        })
        .method("Flood", flood)
        .method("FloodAll", flood_all)
        .method("SendLoop", send_loop)
        .method("AskMe", async |cx: HubContext| cx.clients().caller().invoke::<i32>("Question", ()).await)
        .method("AskTwice", ask_twice)
        .method("Renew", renew)
        .method("AddAndRemove", add_and_remove)
        .method("Sum", sum)
        .stream("Numbers", numbers)
}

/// Sends to one connection without awaiting.
async fn flood(cx: HubContext, id: String, messages: u64, bytes: usize) {
    let text = "x".repeat(bytes);
    let client = cx.clients().connection(id);
    for number in 0..messages {
        drop(client.send("N", (number, &text)));
    }
}

/// Broadcasts without awaiting.
async fn flood_all(cx: HubContext, messages: u64, bytes: usize) {
    let text = "x".repeat(bytes);
    for number in 0..messages {
        drop(cx.clients().all().send("N", (number, &text)));
    }
}

/// Sends to the caller, and awaits each.
async fn send_loop(cx: HubContext, messages: u64) -> Result<(), HubError> {
    for number in 0..messages {
        cx.clients().caller().send("N", (number,)).await?;
    }
    Ok(())
}

/// Asks, then computes for a while: both belong to a call that may run alone.
async fn ask_twice(cx: HubContext, running: u64) -> Result<u64, HubError> {
    static RUNNING: AtomicU64 = AtomicU64::new(0);
    cx.clients().caller().invoke::<i32>("Question", ()).await?;
    let most = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
    tokio::time::sleep(Duration::from_millis(running)).await;
    let most = most.max(RUNNING.fetch_sub(1, Ordering::SeqCst));
    Ok(most)
}

async fn renew(cx: HubContext, user: String, group: String, times: u64) -> Result<(), HubError> {
    for _ in 0..times {
        cx.groups().add_user(user.as_str(), group.as_str(), Some(LONG_LIFETIME)).await?;
    }
    Ok(())
}

async fn add_and_remove(cx: HubContext, user: String, groups: u64) -> Result<(), HubError> {
    for number in 0..groups {
        let group = format!("g-{number}");
        cx.groups().add_user(user.as_str(), group.as_str(), Some(LONG_LIFETIME)).await?;
        cx.groups().remove_user(user.as_str(), group.as_str()).await?;
    }
    Ok(())
}

async fn sum(mut values: Upload<i64>) -> Result<i64, HubError> {
    let mut total = 0;
    while let Some(value) = values.next().await {
        total += value?;
    }
    Ok(total)
}

async fn numbers(count: u64, bytes: usize) -> impl Stream<Item = (u64, String)> {
    let text = "x".repeat(bytes);
    stream::iter((0..count).map(move |number| (number, text.clone())))
}

/// Sends back what it receives, as a chat that relays text would.
async fn relay(mut connection: RawConnection) -> Result<(), PipeError> {
    while let Some(bytes) = connection.receive().await {
        connection.send(bytes).await?;
    }
    Ok(())
}

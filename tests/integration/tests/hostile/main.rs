//! Ten thousand mutated frames and requests over real sockets: nothing panics, nothing hangs, no memory is kept, and the
//! next client is served as before.
//!
//! Each case has a number, from which all that is random in it is drawn: a case that failed once fails again, alone, with
//! `HOSTILE_CASE=4711 cargo test -p hubward-tests --test hostile`.

mod case;
mod mutate;
mod seeds;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{Stream, stream};
use hubward::auth::Policy;
use hubward::transport::raw;
use hubward::{CancellationToken, Hub, HubContext, HubError, HubOptions, Hubward, TransportOptions, Upload};
use hubward_tests::{TestNode, echo_bytes, eventually, issuer, resident_bytes, within};
use serde_json::json;
use tokio::task::JoinSet;

const CASES: usize = 10_000;

/// Cases after which everything that is kept on purpose (pools, tables, thread buffers) has its size.
const WARM_UP: usize = 2_000;

const AT_ONCE: usize = 64;

/// What memory may grow by between the warm-up and the end.
const GROWTH_BYTES: usize = 16 << 20;

static PANICS: AtomicUsize = AtomicUsize::new(0);

async fn echo(text: String) -> String {
    text
}

async fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

async fn anything(value: serde_json::Value) -> serde_json::Value {
    value
}

async fn sum(mut values: Upload<i64>) -> Result<i64, HubError> {
    let mut total = 0_i64;
    while let Some(value) = values.next_item().await {
        total = total.wrapping_add(value?);
    }
    Ok(total)
}

async fn count(n: u32) -> impl Stream<Item = u32> {
    stream::iter(0..n.min(100))
}

async fn wait(cancelled: CancellationToken) {
    cancelled.cancelled().await;
}

async fn join(cx: HubContext, group: String) -> Result<(), HubError> {
    cx.groups().add(group.as_str()).await?;
    Ok(cx.clients().group(group).send("Joined", (cx.connection_id().as_str(),)).await?)
}

async fn confirm(cx: HubContext) -> Result<bool, HubError> {
    Ok(cx.clients().caller().invoke::<bool>("Sure", ()).await?)
}

/// Timeouts are short, because most of these clients never send what the node waits for.
fn hub(name: &str) -> Hub {
    Hub::new(name)
        .options(HubOptions {
            handshake_timeout: Duration::from_millis(500),
            keep_alive_interval: Duration::from_millis(100),
            ..HubOptions::default()
        })
        .method("Echo", echo)
        .method("Add", add)
        .method("Anything", anything)
        .method("Sum", sum)
        .method("Wait", wait)
        .method("Join", join)
        .method("Confirm", confirm)
        .stream("Count", count)
}

fn transports(name: &str) -> TransportOptions {
    TransportOptions {
        poll_timeout: Duration::from_millis(50),
        disconnect_timeout: Duration::from_millis(200),
        close_timeout: Duration::from_millis(100),
        allow_stateful_reconnects: name == "stateful",
        ..TransportOptions::default()
    }
}

const HUBS: [&str; 3] = ["hub", "stateful", "secure"];

async fn node() -> TestNode {
    let builder = Hubward::builder()
        .auth(issuer().authenticator())
        .policy("Staff", Policy::authenticated())
        .hub_with_options("/hub", hub("hub"), transports("hub"))
        .hub_with_options("/stateful", hub("stateful"), transports("stateful"))
        .hub_with_options("/secure", hub("secure").authorize("Staff"), transports("secure"))
        .raw("/raw", raw::handler(echo_bytes).binary(true));
    TestNode::start(builder.build().unwrap()).await
}

/// Runs the cases of a range, many at once, and waits until the node has released all connections.
async fn run(node: &Arc<TestNode>, cases: std::ops::Range<usize>) {
    let next = Arc::new(AtomicUsize::new(cases.start));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (node, next, end) = (node.clone(), next.clone(), cases.end);
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return;
                }
                case::run(node.address, number).await;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    let connected = || HUBS.iter().map(|hub| node.hubs.connection_count(hub)).sum::<usize>();
    eventually("the node to release all connections", async || connected() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_clients_cause_no_panic_no_hang_and_no_leak() {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        eprintln!("{panic}");
    }));
    let node = Arc::new(node().await);
    if let Some(case) = std::env::var("HOSTILE_CASE").ok().and_then(|number| number.parse().ok()) {
        run(&node, case..case + 1).await;
        return;
    }
    run(&node, 0..WARM_UP).await;
    let before = resident_bytes();
    run(&node, WARM_UP..CASES).await;
    let after = resident_bytes();

    let mut client = node.client("/hub").open().await;
    assert_eq!(client.result("Echo", json!(["still here"])).await, "still here");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    assert!(after <= before + GROWTH_BYTES, "resident: {before} bytes after the warm-up, {after} at the end");
    within("the shutdown", async {
        tokio::join!(node.hubs.shut_down(), client.ended());
    })
    .await;
}

//! Every limit does what the guide says of it, and a failure in one call does not reach another.

mod bounds;
mod cancellation;
mod errors;
mod parallel;
mod uploads;

use futures_util::{Stream, StreamExt, stream};
use hubward::{Hub, HubContext, HubError, HubOptions};
use hubward_tests::TestNode;

async fn echo(text: String) -> String {
    text
}

async fn join(cx: HubContext, group: String) -> Result<(), HubError> {
    Ok(cx.groups().add(group).await?)
}

async fn leave(cx: HubContext, group: String) -> Result<(), HubError> {
    Ok(cx.groups().remove(group).await?)
}

async fn divide(a: i64, b: i64) -> Result<i64, HubError> {
    #[derive(Debug)]
    struct DivideByZero;
    impl std::fmt::Display for DivideByZero {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the divisor is a secret")
        }
    }
    impl std::error::Error for DivideByZero {}
    Ok(a.checked_div(b).ok_or(DivideByZero)?)
}

async fn panics(text: String) -> String {
    if text == "late" {
        tokio::task::yield_now().await;
    }
    panic!("{text}: a hub method that is wrong");
}

async fn endless() -> impl Stream<Item = u64> {
    stream::iter(0..1).chain(stream::pending())
}

async fn failing() -> impl Stream<Item = Result<u64, HubError>> {
    stream::iter([Ok(1), Err(HubError::shown("No more."))])
}

pub(crate) fn hub() -> Hub {
    Hub::new("hub")
        .method("Echo", echo)
        .method("Join", join)
        .method("Leave", leave)
        .method("Divide", divide)
        .method("Panics", panics)
        .stream("Endless", endless)
        .stream("Failing", failing)
}

pub(crate) async fn node_with(change: impl FnOnce(&mut HubOptions)) -> TestNode {
    let mut options = HubOptions::default();
    change(&mut options);
    TestNode::with_hub(hub().options(options)).await
}

pub(crate) const UNEXPECTED: &str = "An unexpected error occurred invoking";

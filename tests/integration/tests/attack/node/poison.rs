//! A hub whose author's code panics wherever such code runs.

use futures_util::{StreamExt, stream};
use hubward::{CallKind, FilterCall, FromRef, Hub, HubContext, HubError, Next, Outcome, State, Upload};
use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::counted::counted;

/// The group that asking for membership of panics.
const GROUP: &str = "poison";

struct Poison;

impl<'de> Deserialize<'de> for Poison {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("deserializing panics")
    }
}

impl Serialize for Poison {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("serializing panics")
    }
}

struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        panic!("dropping panics")
    }
}

impl<'de> Deserialize<'de> for Dropped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[derive(Clone)]
struct App;

struct Part;

impl FromRef<App> for Part {
    fn from_ref(_: &App) -> Self {
        panic!("taking a part of the state panics")
    }
}

/// A function that is cloned for a call, and panics at that.
struct Cloned;

impl FromRef<App> for Cloned {
    fn from_ref(_: &App) -> Self {
        Self.clone()
    }
}

impl Clone for Cloned {
    fn clone(&self) -> Self {
        panic!("cloning panics")
    }
}

pub(super) fn hub() -> Hub {
    counted(Hub::<App>::new("poison"))
        .on_connected(async |cx: HubContext| {
            assert_ne!(cx.request().query("connect"), Some("panic"), "connecting panics");
        })
        .may_join(|_, group| {
            assert_ne!(group.as_str(), GROUP, "asking panics");
            true
        })
        .filter(filter)
        .method("Deserialize", async |_: Poison| ())
        .method("Drop", async |_: Dropped| ())
        .method("Upload", upload)
        .method("FromRef", async |_: State<Part>| ())
        .method("Clone", async |_: State<Cloned>| ())
        .method("Synchronous", synchronous)
        .method("Body", async || panic!("a method panics") as ())
        .method("Result", async || Poison)
        .method("Send", async |cx: HubContext| cx.clients().all().send("N", (Poison,)).await)
        .method("Ask", async |cx: HubContext| {
            cx.clients().caller().invoke::<Poison>("Question", ()).await.map(|_| ())
        })
        .method("Filter", async || ())
        .stream("Items", async || stream::iter([Poison]))
        .stream("Polled", async || {
            stream::poll_fn(|_| -> std::task::Poll<Option<u8>> { panic!("a stream panics") })
        })
        .stream("Opened", opened)
        .with_state(App)
}

/// Panics before there is a future.
fn synchronous() -> std::future::Ready<()> {
    panic!("a method panics before its future is made")
}

async fn opened() -> Result<stream::Empty<u8>, HubError> {
    panic!("a stream's method panics")
}

async fn upload(mut items: Upload<Poison>) -> Result<(), HubError> {
    while let Some(item) = items.next().await {
        item?;
    }
    Ok(())
}

/// Panics in the part before its future.
fn filter(call: FilterCall, next: Next) -> impl Future<Output = Result<Outcome, HubError>> + Send {
    assert!(call.kind() != CallKind::Invocation || call.method() != "Filter", "a filter panics");
    next.run()
}

//! A hub whose author's code panics wherever such code runs.

mod values;

use futures_util::{StreamExt, stream};
use hubward::{CallKind, FilterCall, HandlerExt, Hub, HubContext, HubError, Next, Outcome, State, Upload};
use tokio::sync::Semaphore;

use self::values::{App, Cloned, Dropped, DroppedStream, Part, Poison, Sticky, Textless};
use super::counted::counted_until;

/// The group that asking for membership of panics.
const GROUP: &str = "poison";

/// The policy that panics.
pub(super) const POLICY: &str = "Poison";

pub(super) fn hub() -> Hub {
    let hub = counted_until(Hub::<App>::new("poison"), |cx| fails(&cx, "disconnect"))
        .on_connected(async |cx: HubContext| fails(&cx, "connect"))
        .may_join(|_, group| {
            assert_ne!(group.as_str(), GROUP, "asking panics");
            true
        })
        .filter(filter);
    add_streams(add_outputs(add_inputs(hub))).with_state(App)
}

/// A hub whose own policy panics.
pub(super) fn guarded_hub() -> Hub {
    Hub::new("poison-guarded").authorize(POLICY)
}

/// Fails in the way that the query of the connection asks for.
fn fails(cx: &HubContext, when: &str) -> Result<(), HubError> {
    match cx.request().query(when) {
        Some("text") => Err(Textless.into()),
        Some("drop") => Err(Sticky.into()),
        Some("shown") => Err(HubError::shown("no")),
        Some(_) => panic!("a callback panics"),
        None => Ok(()),
    }
}

/// What a call brings with it.
fn add_inputs(hub: Hub<App>) -> Hub<App> {
    hub.method("Deserialize", async |_: Poison| ())
        .method("Drop", async |_: Dropped| ())
        .method("Upload", upload::<Poison>)
        .method("DropUpload", upload::<Dropped>)
        .method("Unread", async |items: Upload<Dropped>| {
            std::future::pending::<()>().await;
            drop(items);
        })
        .method("FromRef", async |_: State<Part>| ())
        .method("Clone", async |_: State<Cloned>| ())
        .method("DropState", async |_: State<Dropped>| ())
        .method("Filter", async || ())
        .method("Policy", (async || ()).authorize(POLICY))
        .method("Wait", {
            static NEVER: Semaphore = Semaphore::const_new(0);
            async || drop(NEVER.acquire().await)
        })
}

/// What a call makes.
fn add_outputs(hub: Hub<App>) -> Hub<App> {
    hub.method("Synchronous", synchronous)
        .method("Body", async || panic!("a method panics") as ())
        .method("Result", async || Poison)
        .method("DropResult", async || Dropped)
        .method("Text", async || Err::<(), HubError>(Textless.into()))
        .method("DropError", async || Err::<(), HubError>(Sticky.into()))
        .method("Send", async |cx: HubContext| cx.clients().all().send("N", (Poison,)).await)
        .method("SendGroup", async |cx: HubContext| cx.clients().group("g").send("N", (Poison,)).await)
        .method("DropSent", async |cx: HubContext| cx.clients().all().send("N", (Dropped,)).await)
        .method("Ask", async |cx: HubContext| {
            cx.clients().caller().invoke::<Poison>("Question", ()).await.map(|_| ())
        })
        .method("AskWith", async |cx: HubContext| {
            cx.clients().caller().invoke::<i32>("Question", (Poison,)).await.map(|_| ())
        })
        .method("Keep", async |cx: HubContext| {
            cx.items().insert(Dropped);
        })
        .method("Abort", async |cx: HubContext, id: String| cx.clients().connection(id).abort().await)
        .method("Read", async || values::read())
}

fn add_streams(hub: Hub<App>) -> Hub<App> {
    hub.stream("Items", async || stream::iter([Poison]))
        .stream("DropItems", async || stream::iter([Dropped]))
        .stream("DropStream", async || DroppedStream::default())
        .stream("TextStream", async || stream::iter([Err::<u8, HubError>(Textless.into())]))
        .stream("DropErrorStream", async || stream::iter([Err::<u8, HubError>(Sticky.into())]))
        .stream("Polled", async || {
            stream::poll_fn(|_| -> std::task::Poll<Option<u8>> { panic!("a stream panics") })
        })
        .stream("Opened", opened)
}

/// Panics before there is a future.
fn synchronous() -> std::future::Ready<()> {
    panic!("a method panics before its future is made")
}

async fn opened() -> Result<stream::Empty<u8>, HubError> {
    panic!("a stream's method panics")
}

async fn upload<T: Send + 'static>(mut items: Upload<T>) -> Result<(), HubError> {
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

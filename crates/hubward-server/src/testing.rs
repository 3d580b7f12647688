//! What the engine's own tests share: an engine without a network, connections without a transport, and a client at the
//! other end of an in-memory WebSocket. A backplane that tests can fail or hold up is in [`faults`], such a group store in
//! [`faulty_store`], such a node registry in [`registry`], and nodes that use them in [`cluster`].

pub(crate) mod calls;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod faults;
pub(crate) mod faulty_store;
pub(crate) mod log;
pub(crate) mod moving_node;
pub(crate) mod registry;

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use hubward_auth::{Policies, Policy};
use hubward_backplane::{Backplane, InMemoryStore};
use hubward_hub::Hub;
use hubward_proto::{Frame, Protocol};
use hubward_transport::{Transport, testing};
use hubward_types::Principal;
use parking_lot::Mutex;

use crate::connection::handle::ConnectionHandle;
use crate::connection::mailbox::{ControlMessage, Mailbox, MailboxLimits};
use crate::connection::opening_request::OpeningRequest;
use crate::context::{NodeContext, NodeStores};
use crate::engine::Engine;

/// An engine of a node that is alone.
pub(crate) fn engine(hub: Hub) -> Arc<Engine> {
    engine_on(NodeContext::new("node-1".into(), None, None), hub)
}

/// An engine of a node with this backplane and store.
pub(crate) fn engine_with(hub: Hub, backplane: Arc<dyn Backplane>, store: &InMemoryStore) -> Arc<Engine> {
    let stores = NodeStores { groups: Arc::new(store.clone()), nodes: Arc::new(store.clone()) };
    engine_on(NodeContext::new("node-1".into(), Some(backplane), Some(stores)), hub)
}

/// An engine of this node. The policy `Nobody` admits nobody; every other name is unknown.
pub(crate) fn engine_on(context: Arc<NodeContext>, hub: Hub) -> Arc<Engine> {
    let policies = Policies::new().with("Nobody", Policy::any_role(["nobody"]));
    Engine::new(hub.build().unwrap(), context, &policies).unwrap()
}

/// A connection with this id, anonymous, that is not in the index and has no task.
pub(crate) fn handle(id: &str) -> Arc<ConnectionHandle> {
    handle_of(id, Principal::anonymous(), Protocol::Json)
}

/// A connection whose client speaks this protocol.
pub(crate) fn handle_speaking(id: &str, protocol: Protocol) -> Arc<ConnectionHandle> {
    handle_of(id, Principal::anonymous(), protocol)
}

/// A connection of a user.
pub(crate) fn user_handle(id: &str, user: &str) -> Arc<ConnectionHandle> {
    handle_of(id, Principal::builder().user_id(user).build(), Protocol::Json)
}

pub(crate) fn handle_of(id: &str, principal: Principal, protocol: Protocol) -> Arc<ConnectionHandle> {
    use std::sync::atomic::{AtomicU64, Ordering};
    // Far from the keys that a node gives to the connections of its own.
    static KEYS: AtomicU64 = AtomicU64::new(1 << 32);
    Arc::new(ConnectionHandle::new(
        KEYS.fetch_add(1, Ordering::Relaxed),
        id.into(),
        id.into(),
        principal,
        protocol,
        OpeningRequest {
            info: testing::request(),
            transport: Transport::WebSockets,
            stateful: false,
            token_expires_at: None,
        },
        Mailbox::new(MailboxLimits { messages: 1000, bytes: 1 << 20 }),
    ))
}

/// Takes what waits in a connection's mailbox: the messages as JSON text, and the control messages.
pub(crate) fn take_mail(handle: &ConnectionHandle) -> (Vec<String>, Vec<ControlMessage>) {
    let (mut frames, mut controls) = (VecDeque::new(), Vec::new());
    handle.mailbox.take(usize::MAX, &mut frames, &mut controls, None);
    (frames.iter().map(text).collect(), controls)
}

/// A message in JSON, without its record separator.
fn text(frame: &Frame) -> String {
    String::from_utf8(frame.message().to_vec()).unwrap().trim_end_matches('\u{1e}').to_owned()
}

/// Takes the messages that wait in a connection's mailbox, whatever its protocol.
pub(crate) fn take_frames(handle: &ConnectionHandle) -> Vec<Frame> {
    let mut frames = VecDeque::new();
    handle.mailbox.take(usize::MAX, &mut frames, &mut Vec::new(), None);
    frames.into()
}

/// Waits until every task has done what it can do now: paused time moves only then.
pub(crate) async fn until_idle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Waits for something that must come; time moves meanwhile.
pub(crate) async fn until_in_time<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(client::TEST_TIMEOUT, future).await.expect("it never comes")
}

/// Lets time pass, and all be done that becomes due meanwhile.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits until every connection, call and stream of the engine's node has ended; time moves meanwhile.
pub(crate) async fn until_ended(engine: &Engine) {
    engine.context.tasks.close();
    let ended = tokio::time::timeout(client::TEST_TIMEOUT, engine.context.tasks.wait()).await;
    ended.expect("something of the node goes on");
}

/// What the hub code of a test notes, in order.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, entry: impl Into<String>) {
        self.0.lock().push(entry.into());
    }

    /// Notes, as a hub method or callback that does nothing else.
    pub(crate) fn noting(&self, entry: impl Into<String>) -> Ready<()> {
        self.note(entry);
        ready(())
    }

    /// Takes the entries since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

//! What the engine's own tests share: an engine without a network, connections without a transport, and a client at the
//! other end of an in-memory WebSocket. A group store and a backplane that tests can fail or hold up are in
//! [`faults`].

#![allow(dead_code, reason = "the tests that use all of it come next")]

pub(crate) mod client;
pub(crate) mod faults;

use std::collections::VecDeque;
use std::sync::Arc;

use hubward_auth::Policy;
use hubward_backplane::{Backplane, GroupStore};
use hubward_hub::Hub;
use hubward_proto::Protocol;
use hubward_transport::{Transport, testing};
use hubward_types::Principal;

use crate::connection::handle::{ConnectionHandle, OpeningRequest};
use crate::connection::mailbox::{ControlMessage, Mailbox, MailboxLimits};
use crate::context::NodeContext;
use crate::engine::Engine;

/// An engine of a node that is alone.
pub(crate) fn engine(hub: Hub) -> Arc<Engine> {
    engine_on(NodeContext::new("node-1".into(), None, None), hub)
}

/// An engine of a node with this backplane and store.
pub(crate) fn engine_with(
    hub: Hub,
    backplane: Arc<dyn Backplane>,
    store: Arc<dyn GroupStore>,
) -> Arc<Engine> {
    engine_on(NodeContext::new("node-1".into(), Some(backplane), Some(store)), hub)
}

/// An engine of this node. The policy `Nobody` admits nobody; every other name is unknown.
pub(crate) fn engine_on(context: Arc<NodeContext>, hub: Hub) -> Arc<Engine> {
    let policy = |name: &str| (name == "Nobody").then(|| Policy::any_role(["nobody"]));
    Engine::new(hub.build().unwrap(), context, policy).unwrap()
}

/// A connection with this id, anonymous, that is not in the index and has no task.
pub(crate) fn handle(id: &str) -> Arc<ConnectionHandle> {
    handle_of(id, Principal::anonymous())
}

/// A connection of a user.
pub(crate) fn user_handle(id: &str, user: &str) -> Arc<ConnectionHandle> {
    handle_of(id, Principal::builder().user_id(user).build())
}

fn handle_of(id: &str, principal: Principal) -> Arc<ConnectionHandle> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static KEYS: AtomicU64 = AtomicU64::new(1);
    Arc::new(ConnectionHandle::new(
        KEYS.fetch_add(1, Ordering::Relaxed),
        id.into(),
        principal,
        Protocol::Json,
        OpeningRequest { info: testing::request(), transport: Transport::WebSockets },
        Mailbox::new(MailboxLimits { messages: 1000, bytes: 1 << 20 }),
    ))
}

/// Takes what waits in a connection's mailbox: the messages as JSON text, and the control messages.
pub(crate) fn take_mail(handle: &ConnectionHandle) -> (Vec<String>, Vec<ControlMessage>) {
    let (mut frames, mut controls) = (VecDeque::new(), Vec::new());
    handle.mailbox.take(&mut frames, &mut controls, None);
    let text = |frame: hubward_proto::Frame| {
        String::from_utf8(frame.message().to_vec()).unwrap().trim_end_matches('\u{1e}').to_owned()
    };
    (frames.into_iter().map(text).collect(), controls)
}

//! A connection as the rest of the node sees it: who it is, and its mailbox. Its task owns everything else.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use hubward_backplane::Topic;
use hubward_hub::{HubConnection, Items, Request};
use hubward_proto::Protocol;
use hubward_transport::{RequestInfo, Transport};
use hubward_types::{ConnectionId, GroupName, Principal};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::connection::close_reason::CloseReason;
use crate::connection::mailbox::{Control, Mailbox};

/// What a client answered when it was asked.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A value, encoded in the client's protocol.
    Value(Protocol, Vec<u8>),
    /// Nothing.
    Void,
    /// The client's error.
    Error(String),
}

/// The shared part of a connection whose handshake is done.
pub(crate) struct Link {
    /// This node's number for the connection: unique while the node runs.
    pub(crate) key: u64,
    pub(crate) id: ConnectionId,
    pub(crate) principal: Principal,
    pub(crate) protocol: Protocol,
    pub(crate) mailbox: Mailbox,
    request: OpenedBy,
    items: Items,
    reading: AtomicBool,
    /// The client has gone.
    gone: AtomicBool,
    /// Nothing is delivered any more.
    over: AtomicBool,
    ended: OnceLock<CancellationToken>,
    groups: Mutex<Vec<GroupName>>,
    /// What other nodes publish for this connection alone, or for its user.
    topics: Mutex<Vec<Topic>>,
    asks: Mutex<Option<Box<Asks>>>,
}

impl Link {
    pub(crate) fn new(
        key: u64,
        id: ConnectionId,
        principal: Principal,
        protocol: Protocol,
        request: Arc<RequestInfo>,
        transport: Transport,
        mailbox: Mailbox,
    ) -> Self {
        Self {
            key,
            id,
            principal,
            protocol,
            mailbox,
            request: OpenedBy { request, transport },
            items: Items::default(),
            reading: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            over: AtomicBool::new(false),
            ended: OnceLock::new(),
            groups: Mutex::default(),
            topics: Mutex::default(),
            asks: Mutex::default(),
        }
    }

    /// The client's calls are read from now on, so that it can answer, too.
    pub(crate) fn start_reading(&self) {
        self.reading.store(true, Ordering::Release);
    }

    /// Nothing reaches the connection any more: whoever waits for it learns so.
    pub(crate) fn end(&self) {
        self.mailbox.close();
        self.over.store(true, Ordering::SeqCst);
        self.leave();
    }

    /// The client has gone, though not all that it said may have been read: whoever waits for it learns so.
    pub(crate) fn leave(&self) {
        self.gone.store(true, Ordering::SeqCst);
        if let Some(token) = self.ended.get() {
            token.cancel();
        }
        // Dropping the senders tells those who asked.
        self.asks.lock().take();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends the connection for this reason. What is sent after an abort, the aborting call's own answer too, does not
    /// reach the client.
    pub(crate) fn close(&self, reason: CloseReason) {
        match reason {
            CloseReason::Aborted => self.mailbox.seal(Control::Close(reason)),
            reason => self.mailbox.answer(None, Some(Control::Close(reason))),
        }
    }

    /// Notes that an answer to `id` is waited for; none where the connection is over.
    pub(crate) fn expect_answer(&self, id: String) -> Option<oneshot::Receiver<Reply>> {
        let (tx, rx) = oneshot::channel();
        let mut asks = self.asks.lock();
        // Under the lock, so that `leave` cannot pass by unseen.
        if self.gone.load(Ordering::SeqCst) {
            return None;
        }
        asks.get_or_insert_default().insert(id, tx);
        Some(rx)
    }

    /// Stops waiting for the answer to `id`.
    pub(crate) fn forget_answer(&self, id: &str) {
        if let Some(asks) = self.asks.lock().as_mut() {
            asks.remove(id);
        }
    }

    /// Hands over an answer; false where nobody waits for it.
    pub(crate) fn answer(&self, id: &str, reply: impl FnOnce() -> Reply) -> bool {
        let mut asks = self.asks.lock();
        let Some(map) = asks.as_mut() else { return false };
        let Some(waiting) = map.remove(id) else { return false };
        if map.is_empty() {
            *asks = None;
        }
        drop(asks);
        waiting.send(reply()).is_ok()
    }

    /// Notes a group; false where it is noted already or `limit` are.
    pub(crate) fn note_group(&self, group: &GroupName, limit: usize) -> GroupNote {
        let mut groups = self.groups.lock();
        if groups.contains(group) {
            return GroupNote::Known;
        }
        if groups.len() >= limit {
            return GroupNote::TooMany;
        }
        groups.push(group.clone());
        GroupNote::New
    }

    /// Notes that the node listens to a topic for this connection.
    pub(crate) fn note_topic(&self, topic: Topic) {
        self.topics.lock().push(topic);
    }

    pub(crate) fn take_topics(&self) -> Vec<Topic> {
        std::mem::take(&mut *self.topics.lock())
    }

    pub(crate) fn drop_group(&self, group: &GroupName) {
        self.groups.lock().retain(|known| known != group);
    }

    pub(crate) fn take_groups(&self) -> Vec<GroupName> {
        std::mem::take(&mut *self.groups.lock())
    }

    pub(crate) fn has_noted(&self, group: &GroupName) -> bool {
        self.groups.lock().contains(group)
    }
}

/// Who waits for the answer to which invocation id.
type Asks = HashMap<String, oneshot::Sender<Reply>>;

/// What became of noting a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupNote {
    New,
    Known,
    TooMany,
}

impl HubConnection for Link {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn principal(&self) -> Principal {
        self.principal.clone()
    }

    fn items(&self) -> &Items {
        &self.items
    }

    fn request(&self) -> &dyn Request {
        &self.request
    }

    fn ended(&self) -> CancellationToken {
        let token = self.ended.get_or_init(CancellationToken::new);
        if self.gone.load(Ordering::SeqCst) {
            token.cancel();
        }
        token.clone()
    }

    fn abort(&self) {
        self.close(CloseReason::Aborted);
    }

    fn release(&self, call: u64) {
        self.mailbox.answer(None, Some(Control::Released(call)));
    }

    fn can_be_asked(&self) -> bool {
        self.reading.load(Ordering::Acquire)
    }
}

struct OpenedBy {
    request: Arc<RequestInfo>,
    transport: Transport,
}

impl Request for OpenedBy {
    fn query(&self, name: &str) -> Option<&str> {
        self.request.query(name)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        self.request.cookie(name)
    }

    fn path(&self) -> &str {
        self.request.path()
    }

    fn remote_address(&self) -> Option<SocketAddr> {
        self.request.remote_address()
    }

    fn transport(&self) -> &str {
        self.transport.name()
    }
}

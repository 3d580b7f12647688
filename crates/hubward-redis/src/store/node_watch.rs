//! Nodes that come and go, as scripts publish it. They come over a connection of its own, which exists where somebody
//! watches: what a server sends unasked, such as the end of a subscription to a shard, cannot be taken for a reply there.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::stream;
use hubward_backplane::{Epoch, LiveNode, NodeEvent, NodeEvents, NodeLoad, Owner};
use hubward_types::NodeId;
use parking_lot::Mutex;
use redis::aio::ConnectionLike as _;
use redis::{PushKind, Value};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::node_info::unpack;
use crate::backoff::Backoff;
use crate::connection::{RedisConnection, RedisPush};
use crate::error::RedisFailure;
use crate::key_space::slot;
use crate::limited_count::LimitedCount;
use crate::shared::Shared;

/// How many events a watcher may be behind. One that is further behind lists the nodes again.
const BEHIND: usize = 256;
/// How often the connection is asked whether it still works.
const IDLE: Duration = Duration::from_secs(5);

pub(super) struct NodeWatch {
    watching: Arc<Watching>,
    task: Mutex<JoinSet<()>>,
}

struct Watching {
    redis: Arc<Shared>,
    events: broadcast::Sender<NodeEvent>,
    /// Whether it is known what becomes of the subscription that was last tried.
    settled: watch::Sender<bool>,
    unreadable: LimitedCount,
}

impl NodeWatch {
    pub(super) fn new(redis: &Arc<Shared>) -> Self {
        let (events, settled) = (broadcast::Sender::new(BEHIND), watch::Sender::new(false));
        Self {
            watching: Arc::new(Watching {
                redis: Arc::clone(redis),
                events,
                settled,
                unreadable: LimitedCount::default(),
            }),
            task: Mutex::default(),
        }
    }

    pub(super) fn watch(&self) -> NodeEvents {
        let events = self.watching.events.subscribe();
        let mut task = self.task.lock();
        while task.try_join_next().is_some() {}
        if task.is_empty() {
            self.watching.settled.send_replace(false);
            task.spawn(Arc::clone(&self.watching).subscribe());
        }
        Box::pin(stream::unfold(events, async |mut events| match events.recv().await {
            Ok(event) => Some((event, events)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some((NodeEvent::Missed, events)),
            Err(broadcast::error::RecvError::Closed) => None,
        }))
    }

    /// Waits until watchers are subscribed, so that they see what the caller does next; or until that has failed.
    pub(super) async fn await_subscription(&self) {
        if self.watching.events.receiver_count() > 0 {
            let _ = self.watching.settled.subscribe().wait_for(|settled| *settled).await;
        }
    }
}

impl Watching {
    /// Stays subscribed until it is dropped.
    async fn subscribe(self: Arc<Self>) {
        let (mut backoff, mut is_denied) = (Backoff::default(), false);
        loop {
            let ended = Arc::new(Notify::new());
            let wait = match self.open(&ended).await {
                Ok(connection) => {
                    let began = Instant::now();
                    is_denied = false;
                    // What happened before may have been missed.
                    let _ = self.events.send(NodeEvent::Missed);
                    self.settled.send_replace(true);
                    until_broken(connection, &ended).await;
                    backoff.next_wait_after(began.elapsed())
                }
                Err(failure) => {
                    note_failure(&failure, &mut is_denied);
                    self.settled.send_replace(true);
                    backoff.next_wait()
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn open(self: &Arc<Self>, ended: &Arc<Notify>) -> Result<RedisConnection, RedisFailure> {
        let topology = &self.redis.topology;
        let primaries = topology.primaries().await?;
        let channel = self.redis.keys.events();
        let address = primaries.address_of(slot(channel.as_bytes()));
        let address = address.ok_or_else(|| RedisFailure::said("no server has the keys"))?;
        let (watching, at_end) = (Arc::downgrade(self), Arc::clone(ended));
        let mut connection =
            topology.connector.connect(address, move |push| take(&watching, &at_end, push)).await?;
        let mut command = redis::cmd(if topology.is_cluster() { "SSUBSCRIBE" } else { "SUBSCRIBE" });
        command.arg(channel);
        match connection.req_packed_command(&command).await? {
            Value::ServerError(error) => Err(redis::RedisError::from(error).into()),
            _ => Ok(connection),
        }
    }
}

/// Logs why nodes cannot be watched. A server that is away is noticed elsewhere, too; only here that this is not allowed, of
/// which there is one line.
fn note_failure(failure: &RedisFailure, is_denied: &mut bool) {
    if failure.is_denied() && !std::mem::replace(is_denied, true) {
        tracing::warn!(error = %failure, "Nodes that come and go cannot be watched; calls that wait for a node that dies end with their timeouts.");
    } else {
        tracing::debug!(error = %failure, "Nodes that come and go cannot be watched; it is tried again.");
    }
}

/// Waits until the connection has ended, or does not respond any more.
async fn until_broken(mut connection: RedisConnection, ended: &Notify) {
    while tokio::time::timeout(IDLE, ended.notified()).await.is_err() {
        if connection.req_packed_command(&redis::cmd("PING")).await.is_err() {
            return;
        }
    }
}

/// Takes what comes over the connection. It is called by the connection's own task.
fn take(watching: &Weak<Watching>, ended: &Notify, push: RedisPush) {
    let push = match push {
        RedisPush::Sent(push) => push,
        RedisPush::Ended(failure) => {
            tracing::debug!(error = %failure, "Nodes that come and go are not watched any more; it is tried again.");
            return ended.notify_one();
        }
    };
    match (push.kind, &push.data[..]) {
        (PushKind::Message | PushKind::SMessage, [_, Value::BulkString(event)]) => {
            let Some(watching) = watching.upgrade() else { return };
            let event = read(event).unwrap_or_else(|| {
                if let Some(messages) = watching.unreadable.add(1) {
                    tracing::warn!(
                        messages,
                        "Messages about nodes in Redis cannot be read; the nodes are listed again. Another program, or \
                         another version, publishes under the same prefix."
                    );
                }
                NodeEvent::Missed
            });
            let _ = watching.events.send(event);
        }
        // The slot has moved to another server.
        (PushKind::SUnsubscribe | PushKind::Unsubscribe, _) => ended.notify_one(),
        _ => {}
    }
}

/// An event is its kind, an epoch, and a node with the length of its id; then what the node announced.
fn read(event: &[u8]) -> Option<NodeEvent> {
    let mut parts = event.splitn(3, |byte| *byte == b' ');
    let (kind, epoch, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let epoch = Epoch::new(std::str::from_utf8(epoch).ok()?.parse().ok()?);
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(rest.get(..colon)?).ok()?.parse().ok()?;
    let end = length.checked_add(colon + 1)?;
    let node = NodeId::from(std::str::from_utf8(rest.get(colon + 1..end)?).ok()?);
    match kind {
        b"joined" => {
            let (info, load) = (unpack(node, rest.get(end..)?).ok()?, NodeLoad::default());
            Some(NodeEvent::Joined(LiveNode { info, epoch, load }))
        }
        b"draining" => Some(NodeEvent::Draining(Owner { node, epoch })),
        b"left" => Some(NodeEvent::Left(Owner { node, epoch })),
        b"died" => Some(NodeEvent::Died(Owner { node, epoch })),
        _ => None,
    }
}

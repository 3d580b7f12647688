//! The trait by which a node publishes to all others and subscribes to what they publish: bytes by topic. It
//! knows nothing of groups, users or client results; those belong to the envelope and the server.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::topic::Topic;

/// The underlying error where something outside of the process failed, as its client library reports it.
pub type Cause = Box<dyn Error + Send + Sync>;

/// One node's connection to all others.
///
/// A constructor does no I/O: [`start`](Self::start) connects, and [`stop`](Self::stop) disconnects. A start that
/// failed may be tried again; a backplane that was started is not started again.
///
/// # Order
///
/// What one node publishes reaches another node in the order in which [`publish`](Self::publish) was called, as far as
/// [`order`](Self::order) says: on each topic always. The order is that of the calls, not that of polling their futures:
/// a caller that does not need the result may drop the future, and the envelope is sent all the same. Of two calls that
/// subscribe to or unsubscribe from the same topic, the later one decides.
///
/// What several nodes publish on one topic reaches all others in one order: of two envelopes, no node receives the one first and
/// another node the other. So whoever publishes on a topic and hears of it from another node that received it there knows what
/// that node has received before.
///
/// # Gaps
///
/// What is published while a node's link is interrupted may be lost. The backplane then notifies the [`Subscriber`], and
/// again when it has subscribed anew to everything; what to do about the gap is the subscriber's business. It holds no
/// envelopes for a link that is interrupted: the node's hubs do, each as its options say. Those that it had accepted before, and
/// has not sent, it [hands back](Subscriber::take_back).
///
/// [Time](crate#time) says how long a call may take.
pub trait Backplane: Send + Sync + 'static {
    /// Connects, and delivers to `subscriber` from now on.
    ///
    /// # Errors
    ///
    /// Fails if the message broker cannot be reached; it may then be started again. Fails also if the backplane was
    /// started before, or was stopped.
    fn start(&self, subscriber: Arc<dyn Subscriber>) -> BoxFuture<'_, Result<(), BackplaneError>>;

    /// Subscribes to what other nodes publish on topics: whatever is published after this resolved arrives. Returns one
    /// result for each topic, in their order; the failure of one undoes no other. Subscribing twice has the same effect
    /// as subscribing once. While the link is interrupted it fails, and the topic is not subscribed to.
    fn subscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, Vec<Result<(), BackplaneError>>>;

    /// Unsubscribes from topics: nothing that is published after this resolved arrives. The call itself decides; its
    /// future may be dropped. It cannot fail: a topic that the message broker still sends is not delivered.
    fn unsubscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, ()>;

    /// Sends one envelope to every other node that is subscribed to any of the topics, never to this one; a node that is
    /// subscribed to several receives it once for each. It takes its place in the order of all of them when it is
    /// called. Nobody learns how many nodes received it: a message broker that counts would count this node, one shard,
    /// or nobody.
    ///
    /// # Errors
    ///
    /// [`BackplaneError::TooLarge`] over [`MAX_ENVELOPE_BYTES`](crate::MAX_ENVELOPE_BYTES); otherwise if the
    /// envelope could neither be sent nor be buffered. While the link is interrupted it is
    /// [`BackplaneError::Unavailable`] when the future is first polled, and certain that the envelope was not sent.
    /// Where that comes later, it may have been.
    fn publish(&self, topics: Vec<Topic>, envelope: Bytes) -> BoxFuture<'static, Result<(), BackplaneError>>;

    /// Returns across which topics the order of a publisher is kept.
    fn order(&self) -> Order;

    /// Returns whether so much waits to be sent that senders had better wait, too: for the futures of what they publish.
    /// Otherwise they go on as soon as an envelope has its place in the order.
    fn is_busy(&self) -> bool {
        false
    }

    /// Returns whether it is certain that there is no other node, so that envelopes need not be encoded.
    fn is_alone(&self) -> bool;

    /// Ends all subscriptions, disconnects, and drops the subscriber. Nothing that is published after this
    /// resolved is delivered. Stopping a backplane that is stopped, or was never started, has no effect.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// Across which topics what one node publishes keeps its order on its way to another node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// Across all topics. A hub's messages to a group, a user and a connection arrive as they were sent. The ceiling: all
    /// topics go through one publishing connection to one broker, so that a cluster of brokers with shards carries no
    /// more than one of its shards does.
    #[default]
    AcrossTopics,
    /// On each topic only: topics may be spread over the shards of a broker.
    PerTopic,
}

/// An envelope that another node published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceivedEnvelope {
    /// What it was published on.
    pub topic: Topic,
    /// The envelope, encoded. What is delivered may keep it until a client has read its message, so it shares its memory
    /// with nothing that is much larger: a backplane copies it out of the buffer of a read.
    pub envelope: Bytes,
}

/// An envelope that was accepted, and has certainly not been sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnsentEnvelope {
    /// The topic that it has not been published on. Of an envelope for several topics there is one for each.
    pub topic: Topic,
    /// The envelope, encoded.
    pub envelope: Bytes,
}

/// What becomes of an envelope, as [`Backplane::publish`] reports it.
pub type PublishOutcome = BoxFuture<'static, Result<(), BackplaneError>>;

/// Receives what other nodes publish. It is called within a tokio runtime. Of an interruption and its end it is notified one
/// after the other, and never from within a call of the backplane.
pub trait Subscriber: Send + Sync + 'static {
    /// Receives what came in at once, such as in one read from a socket, in order. It must not block: the backplane
    /// reads more only after this returns. Several threads may call it at once, but envelopes whose order
    /// [`Backplane::order`] guarantees are delivered one after the other.
    fn deliver(&self, batch: &[ReceivedEnvelope]);

    /// The link to the other nodes is interrupted: from now on envelopes may be missed. A backplane notifies of it before
    /// its own calls fail, so that what is sent meanwhile is held. The reason is for the log.
    fn interrupted(&self, reason: &str);

    /// Takes back what was accepted before the link was interrupted, in its order: other nodes, whose links may be interrupted
    /// as well, would miss what the backplane sends as soon as its own link is whole. It is called once after
    /// [`interrupted`](Self::interrupted), when the backplane accepts nothing any more. Returns of each that is
    /// taken what becomes of it, for whoever waits for that; what is not, the backplane sends itself when its link is whole, if
    /// that is soon.
    fn take_back(&self, unsent: Vec<UnsentEnvelope>) -> Vec<Option<PublishOutcome>> {
        unsent.iter().map(|_| None).collect()
    }

    /// The link is whole again, and everything is subscribed to anew. What was published since
    /// [`interrupted`](Self::interrupted) may be lost.
    fn resumed(&self);
}

/// Why a call of a [`Backplane`] failed. It is for the operator, who reads it in the log of the node; a
/// client learns at most that its invocation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackplaneError {
    /// The backplane has not been started yet.
    #[error("the backplane has not been started")]
    NotStarted,
    /// The backplane was started before, successfully.
    #[error("the backplane has already been started")]
    AlreadyStarted,
    /// The backplane has been stopped.
    #[error("the backplane has been stopped")]
    Stopped,
    /// The message broker cannot be reached at present; a later call may succeed.
    #[error("the backplane cannot be reached")]
    Unavailable(#[source] Option<Cause>),
    /// The buffer of envelopes that wait to be sent is full: backpressure from the message broker.
    #[error("the backplane's buffer of {limit_bytes} bytes is full")]
    Overloaded {
        /// The capacity of the buffer, in bytes.
        limit_bytes: usize,
    },
    /// The envelope is larger than a node accepts.
    #[error(
        "a message of {bytes} bytes is too large for other nodes, which accept {limit_bytes} bytes, all encodings together"
    )]
    TooLarge {
        /// The size of the envelope, in bytes.
        bytes: usize,
        /// The largest size allowed, in bytes.
        limit_bytes: usize,
    },
}

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
/// A constructor does no I/O: [`start`](Self::start) connects, and [`stop`](Self::stop) disconnects. A
/// backplane is started once.
///
/// # Order
///
/// What one node publishes on the topics of one hub reaches another node in the order in which
/// [`publish`](Self::publish) was called, and so does what it publishes on one [`Topic::Node`]. The order is
/// that of the calls, not that of polling their futures: a caller that does not need the result may drop the
/// future, and the envelope is sent all the same. Of two calls that subscribe to or unsubscribe from the same
/// topic, the later one decides.
pub trait Backplane: Send + Sync + 'static {
    /// Connects, and delivers to `subscriber` from now on.
    ///
    /// # Errors
    ///
    /// Fails if the message broker cannot be reached, or if the backplane was started before.
    fn start(&self, subscriber: Arc<dyn Subscriber>) -> BoxFuture<'_, Result<(), BackplaneError>>;

    /// Subscribes to what other nodes publish on a topic: whatever is published after this resolved arrives.
    /// Subscribing twice has the same effect as subscribing once.
    ///
    /// # Errors
    ///
    /// Fails if the message broker cannot be reached; the topic is then not subscribed to.
    fn subscribe(&self, topic: Topic) -> BoxFuture<'_, Result<(), BackplaneError>>;

    /// Unsubscribes from a topic: nothing that is published after this resolved arrives. It is not an error
    /// if the topic was not subscribed to.
    ///
    /// # Errors
    ///
    /// Fails if the message broker cannot be reached; the topic counts as unsubscribed nonetheless.
    fn unsubscribe(&self, topic: Topic) -> BoxFuture<'_, Result<(), BackplaneError>>;

    /// Sends an envelope to every other node that is subscribed to the topic, never to this one. Returns how
    /// many nodes received it, if the backplane knows.
    ///
    /// # Errors
    ///
    /// [`BackplaneError::TooLarge`] over [`MAX_ENVELOPE_BYTES`](crate::MAX_ENVELOPE_BYTES); otherwise if the
    /// envelope could neither be sent nor be buffered.
    fn publish(&self, topic: &Topic, envelope: Bytes)
    -> BoxFuture<'_, Result<Option<usize>, BackplaneError>>;

    /// Returns whether it is certain that there is no other node, so that envelopes need not be encoded.
    fn is_alone(&self) -> bool;

    /// Ends all subscriptions, disconnects, and drops the subscriber. Nothing that is published after this
    /// resolved is delivered. Stopping a backplane that is stopped, or was never started, has no effect.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// Receives what other nodes publish.
pub trait Subscriber: Send + Sync + 'static {
    /// Receives an envelope. It must not block: the backplane reads the next envelope only after this
    /// returns. Several threads may call it at once, but envelopes whose order [`Backplane`] guarantees are
    /// delivered one after the other.
    fn deliver(&self, topic: &Topic, envelope: Bytes);
}

/// Why a call of a [`Backplane`] failed. It is for the operator, who reads it in the log of the node; a
/// client learns at most that its invocation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackplaneError {
    /// The backplane has not been started yet.
    #[error("the backplane has not been started")]
    NotStarted,
    /// The backplane was started before.
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
    #[error("an envelope of {bytes} bytes exceeds {limit_bytes} bytes")]
    TooLarge {
        /// The size of the envelope, in bytes.
        bytes: usize,
        /// The largest size allowed, in bytes.
        limit_bytes: usize,
    },
}

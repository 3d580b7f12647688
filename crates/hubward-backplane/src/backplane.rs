//! The seam between a node and all others: bytes by topic. It knows nothing of groups, users or answers;
//! those are the envelope's and the engine's.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::Topic;

/// Why something outside of the process failed, as the implementation that speaks to it knows it.
pub type Cause = Box<dyn Error + Send + Sync>;

/// One node's link to all others.
///
/// A constructor does no I/O: [`start`](Self::start) connects, and [`stop`](Self::stop) ends what it began.
/// A link is started once.
///
/// # Order
///
/// What one node publishes on the topics of one hub reaches another node in the order in which
/// [`publish`](Self::publish) was called, and so does what it publishes on one [`Topic::Node`]. A call takes
/// its place when it is made, not when its future is polled: a caller that does not need the outcome may drop
/// the future, and the envelope goes out all the same. Of two calls about the same topic's subscription, the
/// one that was made later decides.
pub trait Backplane: Send + Sync + 'static {
    /// Connects, and delivers to `inbox` from now on.
    ///
    /// # Errors
    ///
    /// Fails where the other side cannot be reached, and on a link that was started before.
    fn start(&self, inbox: Arc<dyn Subscriber>) -> BoxFuture<'_, Result<(), BackplaneError>>;

    /// Asks for what other nodes publish on a topic: all that is published after this resolved arrives.
    /// A topic that is subscribed to twice is subscribed to once.
    ///
    /// # Errors
    ///
    /// Fails where the other side cannot be reached; the topic is then not subscribed to.
    fn subscribe(&self, topic: Topic) -> BoxFuture<'_, Result<(), BackplaneError>>;

    /// Asks for no more of a topic: nothing that is published after this resolved arrives. It is no error if
    /// the topic was not subscribed to.
    ///
    /// # Errors
    ///
    /// Fails where the other side cannot be reached; the topic counts as unsubscribed nonetheless.
    fn unsubscribe(&self, topic: Topic) -> BoxFuture<'_, Result<(), BackplaneError>>;

    /// Sends an envelope to every other node that subscribed to the topic, never to this one. Returns how
    /// many took it, where the backplane knows.
    ///
    /// # Errors
    ///
    /// [`BackplaneError::TooLarge`] over [`MAX_ENVELOPE_BYTES`](crate::MAX_ENVELOPE_BYTES); otherwise where
    /// the envelope could neither be sent nor kept until it can be.
    fn publish(&self, topic: &Topic, envelope: Bytes)
    -> BoxFuture<'_, Result<Option<usize>, BackplaneError>>;

    /// Tells whether it is certain that no other node listens, so that nothing needs to be encoded for one.
    fn is_alone(&self) -> bool;

    /// Ends every subscription and lets go of the inbox. Nothing that is published after this resolved is
    /// delivered. Stopping twice, or what was never started, does nothing.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// Where a backplane delivers what came from other nodes.
pub trait Subscriber: Send + Sync + 'static {
    /// Takes an envelope. It must not block: it runs where the backplane reads, before the next envelope. It
    /// may be called on several threads at once, but for what has an order as [`Backplane`] defines it, one
    /// call ends before the next begins.
    fn deliver(&self, topic: &Topic, envelope: Bytes);
}

/// Why a backplane could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackplaneError {
    /// The link has not been started yet.
    #[error("the backplane has not been started")]
    NotStarted,
    /// The link was started before.
    #[error("the backplane has already been started")]
    AlreadyStarted,
    /// The link has been stopped.
    #[error("the backplane has been stopped")]
    Stopped,
    /// The other nodes cannot be reached now; later they may.
    #[error("the backplane cannot be reached")]
    Unavailable(#[source] Option<Cause>),
    /// As much waits to be sent as may wait.
    #[error("the backplane's buffer of {limit_bytes} bytes is full")]
    Overloaded {
        /// How much may wait.
        limit_bytes: usize,
    },
    /// The envelope is larger than any node would accept.
    #[error("an envelope of {bytes} bytes exceeds {limit_bytes} bytes")]
    TooLarge {
        /// The envelope's size.
        bytes: usize,
        /// The largest size allowed.
        limit_bytes: usize,
    },
}

//! Why a pipe failed.

/// What ended a pipe that did not end cleanly.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipeError {
    /// The peer's fault or the network's: the transport broke off without a close.
    #[error("the transport was lost")]
    Lost,
    /// The peer's fault: it is a slow consumer, and does not read at all.
    #[error("a write made no progress within the send timeout")]
    SendTimeout,
    /// The peer's fault: it did not answer the close.
    #[error("the peer did not close within the close timeout")]
    CloseTimeout,
    /// The peer's fault: no poll came.
    #[error("no poll came within the disconnect timeout")]
    DisconnectTimeout,
    /// Nobody's fault: the bearer token of the connection expired.
    #[error("the bearer token has expired")]
    TokenExpired,
    /// The owner's fault: it wrote after it closed.
    #[error("the pipe is closed")]
    Closed,
}

//! Why a pipe failed.

/// What ended a pipe that was not ended in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipeError {
    /// The peer's fault or the network's: the transport is gone without a goodbye.
    #[error("the transport was lost")]
    Lost,
    /// The peer's fault: it does not read.
    #[error("a write made no progress within the send timeout")]
    SendTimeout,
    /// The peer's fault: it did not answer the goodbye.
    #[error("the peer did not close within the close timeout")]
    CloseTimeout,
    /// The peer's fault: no poll came.
    #[error("no poll came within the disconnect timeout")]
    DisconnectTimeout,
    /// The owner's fault: it wrote after it closed.
    #[error("the pipe is closed")]
    Closed,
    /// The sender's fault: a frame of its own could not be put together.
    #[error("the bytes do not fit a frame")]
    Frame,
}

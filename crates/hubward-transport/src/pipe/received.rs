//! What a pipe reports to its reader: that bytes came, or how the transport ended. Not what the bytes mean.

/// What came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// Bytes were appended to the input.
    Data,
    /// The transport has ended: nothing more will come. Polled again, the pipe reports the same end.
    End(TransportEnd),
}

/// How the peer's direction of a transport ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransportEnd {
    /// The peer closed it: with a WebSocket close frame, a DELETE, or the end of an event stream's request.
    Closed {
        /// The code of the close frame, where it had one.
        code: Option<u16>,
    },
    /// It broke off without a close: a stateful connection may be resumed.
    Lost,
    /// The peer violated the transport's protocol; [`Pipe::poll_close`](crate::Pipe::poll_close) sends it this code.
    Violated {
        /// The WebSocket close code: 1002 or 1007.
        code: u16,
    },
}

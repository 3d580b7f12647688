//! A raw connection handler: bytes in, bytes out, no hub protocol. An async function is called for each accepted
//! connection; when it ends, or the bearer token of the connection expires, the connection is closed.

mod shared_pipe;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use hubward_proto::Frame;
use hubward_types::{ConnectionId, HubName, Principal};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::connections::close_window::CloseTurn;
use crate::connections::connection::{Acceptor, Connection};
use crate::error::PipeError;
use crate::pipe::received::Received;
use crate::request_info::RequestInfo;
use crate::transport::Transport;
use shared_pipe::SharedPipe;

/// Makes an acceptor that runs an async function for each connection, as a task of the node.
///
/// ```
/// let echo = hubward_transport::raw::handler(|mut connection| async move {
///     while let Some(bytes) = connection.receive().await {
///         connection.send(bytes).await?;
///     }
///     Ok(())
/// });
/// # let _ = echo;
/// ```
pub fn handler<F, Fut>(run: F) -> RawHandler<F>
where
    F: Fn(RawConnection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), PipeError>> + Send + 'static,
{
    RawHandler { run, binary: false }
}

/// An [`Acceptor`] made of an async function. See [`handler`].
pub struct RawHandler<F> {
    run: F,
    binary: bool,
}

impl<F> RawHandler<F> {
    /// Sends WebSocket messages as binary. Default: as text, which must be UTF-8.
    pub fn binary(mut self, binary: bool) -> Self {
        self.binary = binary;
        self
    }
}

impl<F, Fut> Acceptor for RawHandler<F>
where
    F: Fn(RawConnection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), PipeError>> + Send + 'static,
{
    fn accept(&self, connection: Connection) {
        let connection = RawConnection::new(connection, self.binary);
        let tasks = connection.tasks.clone();
        let running = (self.run)(connection);
        tasks.spawn(async move {
            if let Err(error) = running.await {
                tracing::debug!(%error, "A raw handler failed.");
            }
        });
    }
}

/// A connection as a raw handler has it. Dropping it closes it, in the background.
pub struct RawConnection {
    /// Its public name.
    pub id: ConnectionId,
    /// The name that its endpoint was given.
    pub hub: HubName,
    /// Who opened it.
    pub principal: Principal,
    /// The request that opened it.
    pub request: Arc<RequestInfo>,
    transport: Transport,
    pipe: Arc<SharedPipe>,
    /// When its turn to close is, while the node drains.
    turn: CloseTurn,
    /// Cancelled when the node closes all connections.
    closing: CancellationToken,
    tasks: TaskTracker,
    /// Ends the task that waits for the bearer token to expire, where one does.
    _expiry: Option<DropGuard>,
    frames: VecDeque<Frame>,
    binary: bool,
}

impl RawConnection {
    fn new(connection: Connection, binary: bool) -> Self {
        let Connection { id, hub, principal, request, transport, pipe, registration, .. } = connection;
        registration.forbid_resume();
        let (turn, closing) = (registration.manager().close_turn(), registration.manager().closing().clone());
        let tasks = registration.manager().tasks().clone();
        let expires_at = principal.expires_at().filter(|_| pipe.options().close_on_authentication_expiration);
        let pipe = SharedPipe::new(pipe, registration);
        let expiry = expires_at.map(|expires_at| {
            let ended = CancellationToken::new();
            tasks.spawn(pipe.clone().close_at(expires_at, ended.clone()));
            ended.drop_guard()
        });
        Self {
            id,
            hub,
            principal,
            request,
            transport,
            pipe,
            turn,
            closing,
            tasks,
            _expiry: expiry,
            frames: VecDeque::new(),
            binary,
        }
    }

    /// Returns how the bytes travel.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Waits for bytes: all that has come so far, however the peer divided it into messages. Returns `None` at the
    /// end, however the connection ended, when its bearer token has expired, and when its turn to close comes
    /// because the node drains. Cancelling it loses nothing.
    pub async fn receive(&mut self) -> Option<Bytes> {
        let mut input = Vec::new();
        let received = self.pipe.drive(|pipe, cx| pipe.poll_receive(cx, &mut input));
        tokio::select! {
            biased;
            received = received => matches!(received, Ok(Received::Data)).then(|| input.into()),
            () = self.closing.cancelled() => None,
            () = self.turn.come() => None,
        }
    }

    /// Sends bytes as one message, and waits until they are written. Sending no bytes does nothing.
    ///
    /// # Errors
    /// When the connection is gone, its peer does not read, or its bearer token has expired.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), PipeError> {
        let Some(frame) = Frame::from_payload(bytes.as_ref(), self.binary) else { return Ok(()) };
        self.frames.push_back(frame);
        let frames = &mut self.frames;
        self.pipe.drive(|pipe, cx| pipe.poll_write(cx, frames)).await?
    }
}

impl Drop for RawConnection {
    /// Closes the connection gracefully, which takes time and therefore a task.
    fn drop(&mut self) {
        self.pipe.close(&self.tasks);
    }
}

#[cfg(test)]
mod tests;

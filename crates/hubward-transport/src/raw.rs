//! A raw connection handler: bytes in, bytes out, no hub protocol. An async function is called for each accepted
//! connection; when it ends, the connection is closed.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hubward_proto::Frame;
use hubward_types::{ConnectionId, HubName, Principal};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};
use tokio_util::task::TaskTracker;

use crate::connections::connection::{Acceptor, Connection};
use crate::connections::registration::Registration;
use crate::error::PipeError;
use crate::pipe::Pipe;
use crate::pipe::received::Received;
use crate::request_info::RequestInfo;
use crate::transport::Transport;

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
        let tasks = connection.tasks();
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
    pipe: TimedPipe,
    /// Absent only while this is being dropped.
    registration: Option<Registration>,
    frames: VecDeque<Frame>,
    binary: bool,
}

/// The pipe with the one sleep that its deadlines need.
struct TimedPipe {
    /// Absent only while the connection is being dropped.
    pipe: Option<Pipe>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl RawConnection {
    fn new(connection: Connection, binary: bool) -> Self {
        let Connection { id, hub, principal, request, pipe, registration, .. } = connection;
        registration.forbid_resume();
        Self {
            id,
            hub,
            principal,
            request,
            pipe: TimedPipe { pipe: Some(pipe), sleep: None },
            registration: Some(registration),
            frames: VecDeque::new(),
            binary,
        }
    }

    /// Returns how the bytes travel; `None` only while the connection is being dropped.
    pub fn transport(&self) -> Option<Transport> {
        self.pipe.pipe.as_ref().map(Pipe::transport)
    }

    /// Waits for bytes: all that has come so far, however the peer divided it into messages. Returns `None` at the
    /// end, however the connection ended, and when the node is draining. Cancelling it loses nothing.
    pub async fn receive(&mut self) -> Option<Bytes> {
        let draining =
            self.registration.as_ref().map(|registration| registration.manager().draining().clone())?;
        let mut input = Vec::new();
        let received = self.pipe.drive(|pipe, cx| pipe.poll_receive(cx, &mut input));
        tokio::select! {
            biased;
            received = received => matches!(received, Ok(Received::Data)).then(|| input.into()),
            () = draining.cancelled() => None,
        }
    }

    /// Sends bytes as one message, and waits until they are written. Sending no bytes does nothing.
    ///
    /// # Errors
    /// When the connection is gone or its peer does not read.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), PipeError> {
        let Some(frame) = Frame::from_payload(bytes.as_ref(), self.binary) else { return Ok(()) };
        self.frames.push_back(frame);
        let frames = &mut self.frames;
        self.pipe.drive(|pipe, cx| pipe.poll_write(cx, frames)).await?
    }

    fn tasks(&self) -> TaskTracker {
        self.registration
            .as_ref()
            .map(|registration| registration.manager().tasks().clone())
            .unwrap_or_default()
    }
}

impl Drop for RawConnection {
    /// Closes the connection gracefully, which takes time and therefore a task. Outside of a runtime there cannot be
    /// one, and the transport is only dropped.
    fn drop(&mut self) {
        let tasks = self.tasks();
        let registration = self.registration.take();
        let mut pipe = TimedPipe { pipe: self.pipe.pipe.take(), sleep: self.pipe.sleep.take() };
        if let Ok(runtime) = Handle::try_current() {
            let close = async move {
                let _ = pipe.drive(|pipe, cx| pipe.poll_close(cx)).await;
                drop(registration);
            };
            tasks.spawn_on(close, &runtime);
        }
    }
}

impl TimedPipe {
    /// Polls the pipe until it is ready, for as long as the pipe's deadlines allow.
    async fn drive<T>(
        &mut self,
        mut poll: impl FnMut(&mut Pipe, &mut Context<'_>) -> Poll<T>,
    ) -> Result<T, PipeError> {
        poll_fn(|cx| {
            let Some(pipe) = &mut self.pipe else { return Poll::Ready(Err(PipeError::Closed)) };
            loop {
                if let Poll::Ready(value) = poll(pipe, cx) {
                    return Poll::Ready(Ok(value));
                }
                let Some(deadline) = pipe.deadline() else { return Poll::Pending };
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                if sleep.deadline() != deadline {
                    sleep.as_mut().reset(deadline);
                }
                ready!(sleep.as_mut().poll(cx));
                pipe.handle_deadline(Instant::now())?;
            }
        })
        .await
    }
}

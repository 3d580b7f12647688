//! The pipe of a raw connection, with the sleep that its deadlines need. Its handler may be busy elsewhere, or never poll
//! it again, when the bearer token expires; so a task of its own shares the pipe and closes it then.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connections::registration::Registration;
use crate::error::PipeError;
use crate::pipe::Pipe;
use crate::pipe::deadline::NEVER;

/// A pipe that is the handler's until the connection ends. The lock is held for one poll, and nobody whom a poll wakes
/// takes it.
pub(super) struct SharedPipe {
    open: Mutex<Option<OpenPipe>>,
    expired: CancellationToken,
}

/// A pipe and its place among the node's connections: whoever has it closes it.
struct OpenPipe {
    pipe: Pipe,
    sleep: Option<Pin<Box<Sleep>>>,
    registration: Registration,
}

impl SharedPipe {
    pub(super) fn new(pipe: Pipe, registration: Registration) -> Arc<Self> {
        let open = OpenPipe { pipe, sleep: None, registration };
        Arc::new(Self { open: Mutex::new(Some(open)), expired: CancellationToken::new() })
    }

    /// Polls the pipe until it is ready, for as long as its deadlines and the bearer token allow.
    pub(super) async fn drive<T>(
        &self,
        mut poll: impl FnMut(&mut Pipe, &mut Context<'_>) -> Poll<T>,
    ) -> Result<T, PipeError> {
        let driven = poll_fn(|cx| match &mut *self.open.lock() {
            Some(open) => open.poll(cx, &mut poll),
            None => Poll::Ready(Err(PipeError::Closed)),
        });
        tokio::select! {
            biased;
            () = self.expired.cancelled() => Err(PipeError::TokenExpired),
            driven = driven => driven,
        }
    }

    /// Closes the pipe when the bearer token expires, unless `ended` is cancelled before.
    pub(super) async fn close_at(self: Arc<Self>, expires_at: SystemTime, ended: CancellationToken) {
        let left = expires_at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        tokio::select! {
            biased;
            () = ended.cancelled() => return,
            () = tokio::time::sleep(left.min(NEVER)) => {}
        }
        let open = self.open.lock().take();
        self.expired.cancel();
        if let Some(open) = open {
            tracing::debug!("A raw connection ends, since its token has expired.");
            open.close().await;
        }
    }

    /// Closes the pipe gracefully, in a task; outside of a runtime there cannot be one, and it is only dropped.
    pub(super) fn close(&self, tasks: &TaskTracker) {
        let open = self.open.lock().take();
        if let (Some(open), Ok(runtime)) = (open, tokio::runtime::Handle::try_current()) {
            tasks.spawn_on(open.close(), &runtime);
        }
    }
}

impl OpenPipe {
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: &mut impl FnMut(&mut Pipe, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, PipeError>> {
        let mut is_due = false;
        loop {
            if let Poll::Ready(value) = poll(&mut self.pipe, cx) {
                return Poll::Ready(Ok(value));
            }
            let Some(deadline) = self.pipe.deadline() else { return Poll::Pending };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            ready!(sleep.as_mut().poll(cx));
            if std::mem::replace(&mut is_due, true) {
                self.pipe.handle_deadline(Instant::now())?;
            }
            self.pipe.expect_progress();
        }
    }

    async fn close(mut self) {
        let _ = poll_fn(|cx| self.poll(cx, &mut Pipe::poll_close)).await;
        drop(self.registration);
    }
}

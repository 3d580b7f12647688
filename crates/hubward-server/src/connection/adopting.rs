//! A connection that comes from another node: its handle, which can be reached as soon as it is in the index, and its task, which
//! waits for the client to resume it here. Until then it is as one whose transport was lost: it receives, and keeps what it
//! receives within the bounds of its mailbox; when nobody has come within the disconnect timeout, it ends.

use std::sync::Arc;

use hubward_proto::Session;
use hubward_transport::{Registration, Transport};
use tokio::time::Instant;

use super::close_reason::CloseReason;
use super::config::ConnectionConfig;
use super::handle::ConnectionHandle;
use super::mailbox::Mailbox;
use super::opening_request::OpeningRequest;
use super::saved_items;
use super::{ConnectionTask, Opened};
use crate::engine::Engine;
use crate::session_state::{SessionContent, SessionIdentity};

/// Why a session cannot go on here. Another node may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CannotAdopt {
    /// The hub is not mounted here, or not with stateful reconnect or the session's protocol.
    #[error("the hub is not mounted here as it is on the other node")]
    NotServedHere,
}

/// Makes the handle of a connection that comes from another node. It can be reached once it is in the index; what it receives
/// then waits for [`Adopted`].
pub(crate) fn handle(engine: &Engine, identity: &SessionIdentity, mailbox: Mailbox) -> Arc<ConnectionHandle> {
    let request = OpeningRequest {
        info: identity.request.clone(),
        transport: Transport::WebSockets,
        stateful: true,
        token_expires_at: Some(identity.token_expires_at),
    };
    let handle = ConnectionHandle::new(
        engine.context.next_key(),
        identity.connection.clone(),
        identity.token_id.clone(),
        identity.principal.clone(),
        identity.protocol,
        request,
        mailbox,
    );
    // Its on_connected has run.
    handle.start_reading();
    Arc::new(handle)
}

/// A session that can go on here, and does so once it has its place among the node's connections. Dropped before, nothing
/// has happened.
pub(crate) struct Adopted {
    engine: Arc<Engine>,
    config: Arc<ConnectionConfig>,
    handle: Arc<ConnectionHandle>,
    session: Session,
}

impl Adopted {
    /// Restores a session behind its handle.
    ///
    /// # Errors
    /// The session cannot go on here.
    pub(crate) fn restore(
        engine: &Arc<Engine>,
        handle: Arc<ConnectionHandle>,
        content: SessionContent,
    ) -> Result<Self, CannotAdopt> {
        let SessionContent { session, waiting, items } = content;
        let config = engine.connection_config().ok_or(CannotAdopt::NotServedHere)?;
        let is_same = session.protocol() == handle.protocol;
        let session = is_same.then_some(session).and_then(|session| {
            let settings = config.session(Transport::WebSockets, true);
            Session::restore(settings, session, Instant::now().into_std())
        });
        let mut session = session.ok_or(CannotAdopt::NotServedHere)?;
        // The client gets it with what is sent again, before anything that has come here.
        waiting.iter().for_each(|frame| session.record(frame));
        saved_items::restore(engine, &handle, &items);
        Ok(Self { engine: engine.clone(), config, handle, session })
    }

    /// Goes on with the session, in a task of the node. From now on its client can resume it.
    pub(crate) fn start(self, registration: Registration) {
        self.engine.context.runtime.note();
        let (engine, handle) = (self.engine.clone(), self.handle.clone());
        let task = Box::new(self.task(registration));
        engine.context.tasks.spawn(task.run());
        // A shutdown may have closed all that were in the index before this one was.
        if engine.context.shutdown.is_cancelled() {
            handle.close(CloseReason::Shutdown);
        }
    }

    fn task(self, registration: Registration) -> ConnectionTask {
        let Self { engine, config, handle, session } = self;
        let opened = Opened {
            id: handle.id.clone(),
            principal: handle.principal.clone(),
            request: handle.opening_request().clone(),
        };
        // Its client is not counted among those that were lost here: how many come from other nodes is bounded where they are taken.
        let task = ConnectionTask::without_transport(engine, config, session, registration, opened);
        ConnectionTask { handle: Some(handle), ..task }
    }
}

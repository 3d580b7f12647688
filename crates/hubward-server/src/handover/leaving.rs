//! A session that is taken out of its connection, on its way to another node. Unless it is decided otherwise, the connection goes on here.

use std::sync::Arc;

use hubward_proto::Frame;
use hubward_types::{GroupName, NodeId};
use serde_bytes::ByteBuf;

use super::wire::{GivenContent, MAX_USER_GROUPS, Offer};
use crate::cluster::forwarding::{forward, note_moved};
use crate::connection::handle::ConnectionHandle;
use crate::connection::taken::TakenSession;
use crate::delivery::message_id::MessageId;
use crate::engine::Engine;
use crate::session_state::{SessionContent, SessionIdentity, SessionState};

/// A session that was taken.
pub(super) struct Leaving {
    pub(super) engine: Arc<Engine>,
    pub(super) handle: Arc<ConnectionHandle>,
    /// Absent once it is decided.
    taken: Option<TakenSession>,
    /// Whether another node may have it.
    in_doubt: bool,
}

/// Why a session does not move, for the counts of the log line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Stays {
    /// No node takes it; another one may be tried.
    NoNode,
    /// It cannot move at all, or too much came while it moved.
    Itself,
}

impl Leaving {
    pub(super) fn new(engine: Arc<Engine>, handle: Arc<ConnectionHandle>, taken: TakenSession) -> Self {
        Self { engine, handle, taken: Some(taken), in_doubt: false }
    }

    /// How many bytes its content has, about.
    pub(super) fn content_bytes(&self) -> usize {
        self.taken.as_ref().map_or(0, |taken| taken.state().content.len())
    }

    /// Who it is now. Nothing changes its groups meanwhile.
    fn identity(&self) -> Option<SessionIdentity> {
        self.handle.identity(self.engine.name()).ok()
    }

    /// What another node is asked to make a place for. `None` where there is too much of it.
    pub(super) fn offer(&self) -> Option<Offer> {
        let of_user = self.handle.groups.all().into_iter().filter(|(_, reasons)| reasons.user);
        let user_groups: Vec<_> = of_user.map(|(group, _): (GroupName, _)| group.to_string()).collect();
        if user_groups.len() > MAX_USER_GROUPS {
            return None;
        }
        let identity = ByteBuf::from(self.identity()?.encode().ok()?);
        Some(Offer { identity, user_groups, content_bytes: self.content_bytes() as u64 })
    }

    /// Stops delivery here for the time being, and returns what another node goes on with. `None` where it has to stay.
    pub(super) fn cut(&self, to: &NodeId, place: u32) -> Option<GivenContent> {
        let cut = self.handle.mailbox.cut(forward(&self.engine, &self.handle, to.clone())).ok()?;
        let content = self.content(cut.frames)?.encode().ok()?;
        let delivered = cut.delivered.into_iter().map(MessageId::to_pair).collect();
        Some(GivenContent { place, content: ByteBuf::from(content), delivered })
    }

    /// Stops delivery here, and returns the whole session, which no other node receives for. `None` where it has to stay.
    pub(super) fn cut_for_nobody(&self) -> Option<SessionState> {
        self.handle.mailbox.record().ok()?;
        let cut = self.handle.mailbox.cut(Arc::new(drop)).ok()?;
        Some(SessionState { identity: self.identity()?, content: self.content(cut.frames)? })
    }

    fn content(&self, since: impl IntoIterator<Item = Frame>) -> Option<SessionContent> {
        let SessionContent { session, waiting, items } = &self.taken.as_ref()?.state().content;
        let waiting = waiting.iter().cloned().chain(since).collect();
        Some(SessionContent { session: session.clone(), waiting, items: items.clone() })
    }

    /// Notes whether another node may have it: if so, it is not taken back.
    pub(super) fn set_in_doubt(&mut self, in_doubt: bool) {
        self.in_doubt = in_doubt;
    }

    /// A store has it, for whichever node its client comes to.
    pub(super) fn let_go_for_nobody(mut self) {
        self.handle.set_elsewhere();
        self.handle.mailbox.moved();
        if let Some(taken) = self.taken.take() {
            drop(taken.let_go(self.engine.context.id.clone()));
        }
    }

    /// Another node has it.
    pub(super) fn let_go(mut self, to: &NodeId) {
        self.handle.set_elsewhere();
        self.handle.mailbox.moved();
        note_moved(&self.engine, &self.handle, to);
        if let Some(taken) = self.taken.take() {
            // It is decided by the call.
            drop(taken.let_go(to.clone()));
        }
    }

    /// Nobody knows which node has it: its client is asked to reconnect, and gets a new connection.
    pub(super) fn close(mut self) {
        drop(self.taken.take());
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take().filter(|_| !self.in_doubt) {
            self.handle.mailbox.stay();
            taken.take_back();
        }
    }
}

//! A connection as the rest of the node holds it: who it is, its mailbox, and what is noted about it. Everything else
//! is owned by its task.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use hubward_hub::{HubConnection, Items, Request};
use hubward_proto::Protocol;
use hubward_types::{ConnectionId, HubName, Principal};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::client_reply::{NotExpected, Reply};
use super::close_reason::CloseReason;
use super::groups::ConnectionGroups;
use super::mailbox::{ControlMessage, Mailbox};
use super::open_calls::OpenCalls;
use super::opening_request::OpeningRequest;
use super::taken::CannotMove;
use crate::handover::room::Reserved;
use crate::invocation::panics;
use crate::session_state::SessionIdentity;

/// The shared part of a connection whose handshake is done.
pub(crate) struct ConnectionHandle {
    /// This node's number for the connection: unique while the node runs.
    pub(crate) key: u64,
    pub(crate) id: ConnectionId,
    /// The id that logs may show.
    logged_id: ConnectionId,
    pub(crate) principal: Principal,
    pub(crate) protocol: Protocol,
    pub(crate) mailbox: Mailbox,
    request: OpeningRequest,
    items: Items,
    /// Whether completions of the client are read, so that it can be invoked for a result.
    reads_completions: AtomicBool,
    /// Streams and uploads that are open, as calls: those that may never end.
    open_streams: AtomicUsize,
    /// Whether the end of the last of these is waited for.
    finishing: AtomicBool,
    /// Whether the client has gone; not all that it sent may have been read.
    client_gone: AtomicBool,
    /// Whether delivery has stopped.
    closed: AtomicBool,
    closed_token: OnceLock<CancellationToken>,
    /// Whether nothing is kept for it any more.
    ended: AtomicBool,
    ended_token: OnceLock<CancellationToken>,
    /// The room that it takes on this node until its client has come, where it came from another one.
    arrived: Mutex<Option<Reserved>>,
    /// Whether another node has it: it moved there, or did not come from there.
    elsewhere: AtomicBool,
    /// Whether this node subscribes to the topic of the user for this connection.
    user_subscribed: AtomicBool,
    /// The groups that are delivered to it, and the changes of them that wait.
    pub(crate) groups: ConnectionGroups,
    pending_results: Mutex<Option<Box<PendingResults>>>,
    /// How many client results the calls of this connection wait for.
    awaited_results: AtomicUsize,
    /// The calls that go on in tasks of their own.
    pub(crate) calls: OpenCalls,
    /// Whether its task waits for the calls that run, and for the client results that are waited for.
    settling: AtomicBool,
}

/// Who waits for the client's result, by invocation id.
type PendingResults = HashMap<String, oneshot::Sender<Reply>>;

impl ConnectionHandle {
    pub(crate) fn new(
        key: u64,
        id: ConnectionId,
        logged_id: ConnectionId,
        principal: Principal,
        protocol: Protocol,
        request: OpeningRequest,
        mailbox: Mailbox,
    ) -> Self {
        Self {
            key,
            id,
            logged_id,
            principal,
            protocol,
            mailbox,
            request,
            items: Items::default(),
            reads_completions: AtomicBool::new(false),
            open_streams: AtomicUsize::new(0),
            finishing: AtomicBool::new(false),
            client_gone: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            closed_token: OnceLock::new(),
            ended: AtomicBool::new(false),
            ended_token: OnceLock::new(),
            arrived: Mutex::default(),
            elsewhere: AtomicBool::new(false),
            user_subscribed: AtomicBool::new(false),
            groups: ConnectionGroups::default(),
            pending_results: Mutex::default(),
            awaited_results: AtomicUsize::new(0),
            calls: OpenCalls::default(),
            settling: AtomicBool::new(false),
        }
    }

    /// The id that logs may show. Under negotiate version 0 the public id is the connection token, so logs get another.
    pub(crate) fn logged_id(&self) -> &ConnectionId {
        &self.logged_id
    }

    /// Until when the token that opened the connection could be used again; `None` where there was none.
    pub(crate) fn token_expires_at(&self) -> Option<SystemTime> {
        self.request.token_expires_at
    }

    /// Notes that the client's messages are read from now on, completions among them.
    pub(crate) fn start_reading(&self) {
        self.reads_completions.store(true, Ordering::Release);
    }

    /// Whether `on_connected` has run.
    pub(crate) fn is_open(&self) -> bool {
        self.reads_completions.load(Ordering::Acquire)
    }

    /// Returns who the connection is, for another node.
    ///
    /// # Errors
    /// [`CannotMove::NotStateful`]: nobody could resume it there.
    pub(crate) fn identity(&self, hub: &HubName) -> Result<SessionIdentity, CannotMove> {
        let OpeningRequest { info, stateful, token_expires_at, .. } = &self.request;
        let token_expires_at = token_expires_at.filter(|_| *stateful).ok_or(CannotMove::NotStateful)?;
        let own = self.groups.all().into_iter().filter(|(_, reasons)| reasons.own);
        Ok(SessionIdentity {
            hub: hub.clone(),
            connection: self.id.clone(),
            token_id: self.logged_id.clone(),
            token_expires_at,
            protocol: self.protocol,
            principal: self.principal.clone(),
            request: info.clone(),
            groups: own.map(|(group, _)| group).collect(),
        })
    }

    pub(crate) fn opening_request(&self) -> &OpeningRequest {
        &self.request
    }

    /// Notes whether the task wants to be notified when nothing of the connection is awaited any more.
    pub(crate) fn set_settling(&self, settling: bool) {
        self.settling.store(settling, Ordering::SeqCst);
    }

    /// Whether the session is being taken, or was.
    pub(crate) fn is_settling(&self) -> bool {
        self.settling.load(Ordering::SeqCst)
    }

    /// Notifies the task, if it wants to be, that a call has ended or a client result is not waited for any more.
    pub(crate) fn notify_settled(&self) {
        if self.settling.load(Ordering::SeqCst) {
            self.mailbox.complete(None, Some(ControlMessage::Settled));
        }
    }

    /// Stops delivery to the connection, and notifies whoever waits for its client.
    pub(crate) fn set_closed(&self) {
        self.mailbox.close();
        self.closed.store(true, Ordering::SeqCst);
        self.set_client_gone();
    }

    /// Notes that the client has gone: cancels the connection's token and drops the pending client results, which
    /// notifies whoever waits for them.
    pub(crate) fn set_client_gone(&self) {
        self.client_gone.store(true, Ordering::SeqCst);
        self.drop_pending_results();
        if let Some(token) = self.closed_token.get() {
            token.cancel();
        }
    }

    /// Drops the pending client results, which notifies whoever waits for them.
    pub(crate) fn drop_pending_results(&self) {
        let pending = self.pending_results.lock().take();
        drop(pending);
    }

    /// Notes that the connection has closed and nothing is kept for it any more.
    pub(crate) fn set_ended(&self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(token) = self.ended_token.get() {
            token.cancel();
        }
    }

    /// Returns a token that is cancelled when the connection has closed, its `on_disconnected` has run, and nothing is kept
    /// for it any more.
    pub(crate) fn ended(&self) -> CancellationToken {
        let token = self.ended_token.get_or_init(CancellationToken::new);
        // After the token is there: whoever ends the connection sees it, or its end is seen here.
        if self.ended.load(Ordering::SeqCst) {
            token.cancel();
        }
        token.clone()
    }

    /// Notes that it came from another node, and what room it takes until its client comes.
    pub(crate) fn set_arrived(&self, reserved: Option<Reserved>) {
        *self.arrived.lock() = reserved;
    }

    /// Notes that its client has come.
    pub(crate) fn set_resumed(&self) {
        let reserved = self.arrived.lock().take();
        drop(reserved);
    }

    /// Notes that another node has it: what is asked of it from now on, or waits, is to be asked there.
    pub(crate) fn set_elsewhere(&self) {
        self.elsewhere.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_elsewhere(&self) -> bool {
        self.elsewhere.load(Ordering::SeqCst)
    }

    /// Notes whether the node subscribes to the topic of the user for this connection; returns what was noted.
    pub(crate) fn set_user_subscribed(&self, subscribed: bool) -> bool {
        self.user_subscribed.swap(subscribed, Ordering::SeqCst)
    }

    pub(crate) fn is_user_subscribed(&self) -> bool {
        self.user_subscribed.load(Ordering::SeqCst)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Closes the connection for this reason. What is sent after an abort, the aborting call's own completion
    /// included, does not reach the client.
    pub(crate) fn close(&self, reason: CloseReason) {
        match reason {
            CloseReason::Aborted | CloseReason::UserDisconnected => {
                self.mailbox.close_with(ControlMessage::Close(reason))
            }
            reason => self.mailbox.complete(None, Some(ControlMessage::Close(reason))),
        }
    }

    /// Has the connection close because the node drains, as soon as its calls have ended; no others begin.
    pub(crate) fn finish(&self) {
        self.mailbox.complete(None, Some(ControlMessage::Finish));
    }

    /// Has a connection that finishes wait no longer for its streams.
    pub(crate) fn finish_without_streams(&self) {
        self.mailbox.complete(None, Some(ControlMessage::FinishWithoutStreams));
    }

    /// Notes that its task waits for the end of its streams from now on. Returns how many are open.
    pub(crate) fn await_streams(&self) -> usize {
        self.finishing.store(true, Ordering::SeqCst);
        self.open_streams.load(Ordering::SeqCst)
    }

    /// Counts a call with streams.
    pub(super) fn begin_stream(&self) {
        self.open_streams.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts one less.
    pub(super) fn end_stream(&self) {
        let was_last = self.open_streams.fetch_sub(1, Ordering::SeqCst) == 1;
        // Noted before the task counts them: either it sees that there are none, or this sees that it waits.
        if was_last && self.finishing.load(Ordering::SeqCst) {
            self.finish();
        }
    }

    /// Registers that the result of invocation `id` is waited for, one of at most `limit`.
    pub(crate) fn expect_result(
        &self,
        id: String,
        limit: usize,
    ) -> Result<oneshot::Receiver<Reply>, NotExpected> {
        let (tx, rx) = oneshot::channel();
        let mut pending = self.pending_results.lock();
        // Checked under the lock: `set_client_gone` sets the flag before it empties the map, so either it sees this
        // entry or the flag is seen here.
        if self.client_gone.load(Ordering::SeqCst) {
            return Err(NotExpected::Gone);
        }
        let pending = pending.get_or_insert_default();
        if pending.len() >= limit {
            return Err(NotExpected::TooMany);
        }
        pending.insert(id, tx);
        Ok(rx)
    }

    /// Notes that a call of this connection waits for a client result; false where `limit` do.
    pub(crate) fn begin_waiting(&self, limit: usize) -> bool {
        let one_more = |waiting: usize| (waiting < limit).then_some(waiting + 1);
        self.awaited_results.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Notes that a call of this connection waits for a client result no more.
    pub(crate) fn end_waiting(&self) {
        self.awaited_results.fetch_sub(1, Ordering::Relaxed);
    }

    /// Stops waiting for the result of invocation `id`.
    pub(crate) fn forget_result(&self, id: &str) {
        if let Some(pending) = self.pending_results.lock().as_mut() {
            pending.remove(id);
        }
        self.notify_settled();
    }

    /// Hands a result to whoever waits for it; false where nobody does.
    pub(crate) fn resolve_result(&self, id: &str, reply: impl FnOnce() -> Reply) -> bool {
        let mut pending = self.pending_results.lock();
        let Some(map) = pending.as_mut() else { return false };
        let Some(waiting) = map.remove(id) else { return false };
        if map.is_empty() {
            *pending = None;
        }
        drop(pending);
        waiting.send(reply()).is_ok()
    }

    /// How many results are waited for.
    pub(crate) fn pending_results(&self) -> usize {
        self.pending_results.lock().as_ref().map_or(0, |pending| pending.len())
    }
}

/// The items are values of the hub's own types, and whoever releases the connection last drops them: a panic of theirs
/// is not the failure of what that one is doing.
impl Drop for ConnectionHandle {
    fn drop(&mut self) {
        let items = std::mem::take(&mut self.items);
        if panics::catch(|| drop(items)).is_err() {
            tracing::error!(connection_id = %self.logged_id, "Dropping the items of a connection panicked.");
        }
    }
}

impl HubConnection for ConnectionHandle {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn principal(&self) -> &Principal {
        &self.principal
    }

    fn items(&self) -> &Items {
        &self.items
    }

    fn request(&self) -> &dyn Request {
        &self.request
    }

    fn connection_closed(&self) -> CancellationToken {
        let token = self.closed_token.get_or_init(CancellationToken::new);
        if self.client_gone.load(Ordering::SeqCst) {
            token.cancel();
        }
        token.clone()
    }

    fn abort(&self) {
        self.close(CloseReason::Aborted);
    }

    fn accepts_client_results(&self) -> bool {
        self.reads_completions.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;

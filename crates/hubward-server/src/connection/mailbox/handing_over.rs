//! The mailbox of a connection that moves to another node: so that each message for it is delivered once, by the old node or by the new
//! one, in the order of its sender.
//!
//! On the old node it *records* what is delivered from some time on, and is then *cut*: what comes afterwards is kept aside. It
//! is dropped when the connection has *moved*, because the new node has it as well, or delivered where it *stays*. What is sent to
//! this connection alone reaches only the old node, which forwards it at once.
//!
//! On the new node the mailbox is *prepared*: what comes is kept, of each topic from the time on when it is certain that the old
//! node is not the only one that receives it. When the connection *starts*, what the old node has delivered is dropped, also
//! where it comes later, until the mailbox *settles*.
//!
//! What has to happen in between, and why nothing is lost then, is in `handover/`; `tests/model.rs` proves it.

use std::collections::VecDeque;

use hubward_proto::Frame;
use parking_lot::MutexGuard;

use super::moving::{
    CutState, Forward, Forwarding, Kept, MailboxCannotMove, MovingMailbox, Prepared, PutOutcome, Recorded,
    Recording,
};
use super::{Fill, HARD_LIMIT, Mailbox, State, wake_reader};
use crate::delivery::message_id::{MessageId, Source, TopicKey};

/// What a mailbox had when it was cut.
#[derive(Debug)]
pub(crate) struct CutMailbox {
    /// What the client has yet to get, in order.
    pub(crate) frames: VecDeque<Frame>,
    /// What was delivered since the recording began, those among `frames` included.
    pub(crate) delivered: Vec<MessageId>,
}

impl Mailbox {
    /// Makes the mailbox of a connection that is to come from another node.
    pub(crate) fn prepared(self) -> Self {
        let prepared = Prepared::new(self.kept());
        self.state.lock().moving = Some(Box::new(MovingMailbox::Prepared(prepared)));
        self
    }

    /// Records what is delivered from now on.
    pub(crate) fn record(&self) -> Result<(), MailboxCannotMove> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(MailboxCannotMove::Busy);
        }
        let elsewhere = match state.moving.as_deref_mut() {
            None => Recorded::default(),
            Some(MovingMailbox::Started(elsewhere)) => std::mem::take(elsewhere),
            Some(_) => return Err(MailboxCannotMove::Busy),
        };
        state.moving = Some(Box::new(MovingMailbox::Recording(Recording::begin(elsewhere))));
        Ok(())
    }

    /// Takes all that waits. What comes from now on is kept until the connection [has moved](Self::moved) or
    /// [stays](Self::stay); and what is for it alone is forwarded all the same: if it stays, the other node has not delivered it.
    pub(crate) fn cut(&self, forward: Forward) -> Result<CutMailbox, MailboxCannotMove> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(MovingMailbox::Recording(recording)) = state.moving.as_deref_mut().filter(|_| !state.closed)
        else {
            return Err(MailboxCannotMove::Busy);
        };
        let delivered = recording.end()?;
        let waited = std::mem::take(&mut state.frames);
        let frames = waited.clone();
        let cut = CutState { waited, kept: self.kept(), forwarding: Forwarding::new(forward) };
        state.moving = Some(Box::new(MovingMailbox::Cut(cut)));
        Ok(CutMailbox { frames, delivered })
    }

    /// Goes on as if it had not been recorded or cut.
    pub(crate) fn stay(&self) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let is_leaving = |moving: &mut Box<MovingMailbox>| {
            matches!(**moving, MovingMailbox::Recording(_) | MovingMailbox::Cut(_))
        };
        match state.moving.take_if(is_leaving).map(|moving| *moving) {
            Some(MovingMailbox::Recording(recording)) => {
                state.moving = Some(Box::new(MovingMailbox::Started(recording.stop())));
            }
            Some(MovingMailbox::Cut(cut)) if !state.closed => {
                state.frames = cut.waited;
                if cut.kept.is_overfull {
                    return self.close_slow(guard);
                }
                self.deliver_kept(guard, cut.kept.frames.into_iter().map(|(_, frame)| frame));
            }
            _ => {}
        }
    }

    /// Drops what came after the cut: the other node has it. What is for the connection alone is forwarded from now on.
    pub(crate) fn moved(&self) {
        let mut state = self.state.lock();
        let cut = state.moving.take_if(|moving| matches!(**moving, MovingMailbox::Cut(_)));
        if let Some(MovingMailbox::Cut(cut)) = cut.map(|moving| *moving) {
            state.moving = Some(Box::new(MovingMailbox::Moved(cut.forwarding)));
        }
    }

    /// Keeps what comes on a topic from now on.
    pub(crate) fn open(&self, topic: TopicKey) {
        if let Some(MovingMailbox::Prepared(prepared)) = self.state.lock().moving.as_deref_mut() {
            prepared.open(topic);
        }
    }

    /// Delivers what was kept, and what comes from now on, but for what the other node has delivered.
    pub(crate) fn start(
        &self,
        delivered: impl IntoIterator<Item = MessageId>,
    ) -> Result<(), MailboxCannotMove> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(MovingMailbox::Prepared(prepared)) = state.moving.as_deref_mut().filter(|_| !state.closed)
        else {
            return Err(MailboxCannotMove::Busy);
        };
        let kept = prepared.take()?;
        let mut elsewhere = Recorded::of(delivered);
        let new = kept.into_iter().filter(|(source, _)| !elsewhere.remove(*source));
        let new: Vec<_> = new.map(|(_, frame)| frame).collect();
        state.moving = Some(Box::new(MovingMailbox::Started(elsewhere)));
        self.deliver_kept(guard, new);
        Ok(())
    }

    /// Nothing that the other node has delivered comes any more.
    pub(crate) fn settle(&self) {
        self.state.lock().moving.take_if(|moving| matches!(**moving, MovingMailbox::Started(_)));
    }

    /// Ends what was prepared. Returns what was sent on this node to the connection alone: the other node has not got it.
    pub(crate) fn abandon(&self) -> Vec<Frame> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(MovingMailbox::Prepared(prepared)) = state.moving.as_deref_mut() else { return Vec::new() };
        state.closed = true;
        prepared.take_direct()
    }

    /// Puts in a message while the connection moves.
    pub(super) fn push_moving(&self, mut state: MutexGuard<'_, State>, frame: Frame, source: Source) -> Fill {
        let is_closed = state.closed;
        let turn = match state.moving.as_deref_mut() {
            Some(moving) if moving.takes_after_closing() || !is_closed => moving.put(frame, source),
            _ => PutOutcome::Done,
        };
        match turn {
            PutOutcome::Deliver(frame) => self.push_open(state, frame),
            PutOutcome::Done => Fill::Room,
            PutOutcome::Forward => {
                forward_all(state);
                Fill::Room
            }
        }
    }

    fn kept(&self) -> Kept {
        let most = |limit: usize| limit.saturating_mul(HARD_LIMIT);
        Kept::within(most(self.limits.messages), most(self.limits.bytes))
    }

    fn deliver_kept(&self, mut state: MutexGuard<'_, State>, kept: impl IntoIterator<Item = Frame>) {
        for frame in kept {
            state.bytes += frame.len();
            state.frames.push_back(frame);
        }
        let fill = self.note_fill(&state);
        let reader = state.reader.take();
        drop(state);
        wake_reader(reader, fill);
    }
}

/// Forwards what is in the queue, one after the other, without the lock.
fn forward_all(mut state: MutexGuard<'_, State>) {
    loop {
        let Some(forwarding) = state.moving.as_deref_mut().and_then(MovingMailbox::forwarding) else {
            return;
        };
        let Some(next) = forwarding.queue.pop_front() else {
            forwarding.is_running = false;
            return;
        };
        let forward = forwarding.forward.clone();
        MutexGuard::unlocked(&mut state, || forward(next));
    }
}

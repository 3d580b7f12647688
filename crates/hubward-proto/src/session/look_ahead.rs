//! Acknowledgements behind input that is not read yet. An owner that pauses reading, because it cannot write, would
//! otherwise wait for an Ack that it does not read. An Ack may be handled before the messages in front of it, since it
//! concerns only what was sent.

use std::time::Instant;

use super::event::SessionError;
use super::{Phase, Session};
use crate::decode::{decode, split_from};
use crate::message::Message;

impl Session {
    /// Looks for what a stateful session needs in input that its owner does not read yet: acknowledgements, wherever they
    /// are, and the session's own messages at the front, such as the Sequence of a new transport. Returns how many bytes
    /// to drop from the front of the input; they hold nothing for the owner. Does nothing for other sessions.
    ///
    /// # Errors
    ///
    /// As [`handle_input`](Self::handle_input), for what is at the front. What is wrong behind a message that the owner
    /// has not read is reported when that is read.
    pub fn look_ahead(&mut self, now: Instant, input: &[u8]) -> Result<usize, SessionError> {
        let mut consumed = 0;
        while self.is_stateful() && self.phase == Phase::Connected {
            let rest = input.get(consumed..).unwrap_or_default();
            let dropped = self.drop_own_message(now, rest)?;
            if dropped == 0 {
                self.find_acks(now, rest);
                break;
            }
            consumed += dropped;
        }
        Ok(consumed)
    }

    /// Returns whether the next message of the input is a call: for an owner that reads no more of them, but everything
    /// else. What is malformed, or not whole, is none.
    pub fn is_call_next(&self, input: &[u8]) -> bool {
        let limits = &self.config.limits;
        if self.phase != Phase::Connected {
            return false;
        }
        let Ok(Some((record, _))) = split_from(self.protocol, input, self.searched, limits) else {
            return false;
        };
        matches!(
            decode(self.protocol, record, limits),
            Ok(Some(Message::Invocation(_) | Message::StreamInvocation(_)))
        )
    }

    /// Looks whether a peer whose input is not read, because it takes nothing, is silent: it is not if there is a whole
    /// message, or if the owner keeps as much as it can, and so receives no more. To be called before
    /// [`handle_timeout`](Self::handle_timeout).
    pub fn note_unread(&mut self, now: Instant, input: &[u8], receives_more: bool) {
        if self.phase != Phase::Connected {
            return;
        }
        let looked_at = self.stateful.as_ref().is_some_and(|stateful| stateful.ahead.bytes > 0);
        let whole =
            looked_at || split_from(self.protocol, input, self.searched, &self.config.limits) != Ok(None);
        if whole || !receives_more {
            self.silent_since = now;
        } else {
            self.searched = input.len();
        }
    }

    /// Handles the message at the front if it is not for the owner, and returns its length.
    fn drop_own_message(&mut self, now: Instant, input: &[u8]) -> Result<usize, SessionError> {
        if self.stateful.as_ref().is_some_and(|stateful| stateful.ahead.bytes > 0) {
            return Ok(0);
        }
        let limits = &self.config.limits;
        let Some((record, len)) = split_from(self.protocol, input, self.searched, limits)? else {
            self.searched = input.len();
            return Ok(0);
        };
        match decode(self.protocol, record, limits)? {
            None | Some(Message::Ping | Message::Ack { .. } | Message::Sequence { .. }) => {
                self.handle_input(now, input).map(|progress| progress.consumed)
            }
            Some(_) => {
                if let Some(stateful) = &mut self.stateful {
                    stateful.ahead.bytes = len;
                }
                Ok(0)
            }
        }
    }

    /// Handles the Acks behind the messages that were looked at before.
    fn find_acks(&mut self, now: Instant, input: &[u8]) {
        let Some(stateful) = &mut self.stateful else { return };
        let limits = &self.config.limits;
        while stateful.ahead.bytes > 0 {
            let rest = input.get(stateful.ahead.bytes..).unwrap_or_default();
            match split_from(self.protocol, rest, stateful.ahead.searched, limits) {
                Ok(Some((record, len))) => {
                    if let Ok(Some(Message::Ack { sequence_id })) = decode(self.protocol, record, limits) {
                        let _ = stateful.handle_ack(now, sequence_id, &mut self.timers);
                    }
                    stateful.ahead.bytes += len;
                    stateful.ahead.searched = 0;
                }
                Ok(None) => {
                    stateful.ahead.searched = rest.len();
                    return;
                }
                Err(_) => return,
            }
        }
    }
}

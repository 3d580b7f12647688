//! A session as a value: what a stateful session knows that has no transport, so that another process can go on with it.
//! What belongs to a transport or to a clock is not in it; the new one begins with its own.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::agreement::STATEFUL_VERSION;
use super::config::SessionConfig;
use super::stateful::Stateful;
use super::timer::Timer;
use super::{Phase, Role, Session};
use crate::frame::Frame;
use crate::protocol::Protocol;

/// The highest number of a message in a snapshot: more than any session sends, and counting on from it never overflows.
const HIGHEST_ID: u64 = 1 << 62;

/// What a stateful server session knows, without its transport. Its serialized form is checked when it is read:
/// whatever the bytes are, restoring it does not fail for them, and no more memory is allocated than a small multiple of
/// their length.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct SessionSnapshot {
    protocol: u8,
    peer_pings: bool,
    /// The id of the latest message that the client has acknowledged.
    acknowledged: u64,
    /// The id of the latest message received.
    received: u64,
    /// The messages after `acknowledged`.
    kept: Vec<Frame>,
}

impl SessionSnapshot {
    /// Returns the protocol that was agreed on.
    pub fn protocol(&self) -> Protocol {
        protocol(self.protocol).unwrap_or(Protocol::Json)
    }

    /// Returns how many messages were sent and not acknowledged.
    pub fn kept_messages(&self) -> usize {
        self.kept.len()
    }

    /// Returns how many bytes these are, with their headers.
    pub fn kept_bytes(&self) -> usize {
        self.kept.iter().map(Frame::len).sum()
    }
}

/// Shows how many messages there are, and none of them: they are user data, which no log may hold.
impl fmt::Debug for SessionSnapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SessionSnapshot")
            .field("protocol", &self.protocol())
            .field("peer_pings", &self.peer_pings)
            .field("acknowledged", &self.acknowledged)
            .field("received", &self.received)
            .field("kept_messages", &self.kept.len())
            .finish_non_exhaustive()
    }
}

/// A snapshot as it is read, with the same fields, not yet checked.
#[derive(Deserialize)]
struct Stored {
    protocol: u8,
    peer_pings: bool,
    acknowledged: u64,
    received: u64,
    #[serde(deserialize_with = "frames")]
    kept: Vec<Frame>,
}

impl TryFrom<Stored> for SessionSnapshot {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, &'static str> {
        let Stored { protocol: number, peer_pings, acknowledged, received, kept } = stored;
        let protocol = protocol(number).ok_or("unknown protocol")?;
        if kept.iter().any(|frame| frame.is_binary() != protocol.is_binary()) {
            return Err("messages of another protocol");
        }
        if acknowledged > HIGHEST_ID || received > HIGHEST_ID {
            return Err("a number that no message has");
        }
        Ok(Self { protocol: number, peer_pings, acknowledged, received, kept })
    }
}

fn protocol(number: u8) -> Option<Protocol> {
    Protocol::ALL.into_iter().find(|protocol| protocol.index() == usize::from(number))
}

/// Reads frames. No memory is allocated for the number that is declared.
fn frames<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Frame>, D::Error> {
    struct Frames;

    impl<'de> Visitor<'de> for Frames {
        type Value = Vec<Frame>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("frames")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Frame>, A::Error> {
            let mut frames = Vec::new();
            while let Some(frame) = seq.next_element()? {
                frames.push(frame);
            }
            Ok(frames)
        }
    }

    deserializer.deserialize_seq(Frames)
}

/// As its bytes, with the header.
impl Serialize for Frame {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.websocket())
    }
}

/// From bytes with the header that this crate writes, as [`Frame::from_websocket`] takes them.
impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FrameVisitor;

        impl Visitor<'_> for FrameVisitor {
            type Value = Frame;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an encoded message after its WebSocket header")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Frame, E> {
                // A copy, so that a small message does not hold the memory of all that came with it.
                Frame::from_websocket(bytes::Bytes::copy_from_slice(bytes))
                    .ok_or_else(|| E::custom("not a frame"))
            }
        }

        deserializer.deserialize_bytes(FrameVisitor)
    }
}

impl Session {
    /// Returns what the session knows, as [`restore`](Self::restore) needs it; `None` unless this is a server's stateful
    /// session whose handshake is done and which has not ended. The session itself goes on: whoever moves it no longer
    /// uses it.
    pub fn snapshot(&self) -> Option<SessionSnapshot> {
        if self.role != Role::Server || !matches!(self.phase, Phase::Connected | Phase::Lost) {
            return None;
        }
        let (acknowledged, received, kept) = self.stateful.as_ref()?.progress();
        Some(SessionSnapshot {
            protocol: self.protocol.index() as u8,
            peer_pings: self.peer_pings,
            acknowledged,
            received,
            kept,
        })
    }

    /// Makes a session of what another one knew. It waits for a transport, as that one would if it had just lost its own.
    /// `None` where the configuration has no stateful reconnect, or not the protocol.
    pub fn restore(
        config: impl Into<Arc<SessionConfig>>,
        snapshot: SessionSnapshot,
        now: Instant,
    ) -> Option<Session> {
        let config = config.into();
        let stateful = config.stateful.clone().filter(|_| config.protocols.contains(snapshot.protocol()))?;
        let mut session = Self::new(config, Role::Server, snapshot.protocol(), STATEFUL_VERSION, now);
        session.agreed = true;
        session.peer_pings = snapshot.peer_pings;
        session.phase = Phase::Lost;
        session.timers.set(Timer::Connect, now.checked_add(stateful.reconnect_timeout));
        let SessionSnapshot { acknowledged, received, kept, .. } = snapshot;
        session.stateful = Some(Box::new(Stateful::with_progress(&stateful, acknowledged, received, kept)));
        Some(session)
    }
}

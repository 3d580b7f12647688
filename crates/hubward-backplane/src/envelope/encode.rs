//! Encodes envelopes. Writing into memory cannot fail; the size is estimated first, so that one allocation
//! suffices.

use bytes::Bytes;
use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};

use super::{Body, ClientResultOutcome, Envelope, Frames, VERSION, kind, outcome};

/// How many bytes any body has at most beside its names and frames: array header, version, kind, an id of
/// nine bytes, and a length of at most five bytes before each of six strings or frames.
const OVERHEAD_BYTES: usize = 48;

impl Envelope {
    /// Encodes the envelope.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.estimated_bytes());
        let written = self.serialize(&mut rmp_serde::Serializer::new(&mut out));
        // A Vec accepts every write, all lengths are known, and no value here fails to serialize.
        debug_assert!(written.is_ok(), "an envelope can always be written");
        Bytes::from(out)
    }

    pub(super) fn estimated_bytes(&self) -> usize {
        let body = match &self.body {
            Body::Deliver { frames, except } => {
                frames.len() + except.iter().map(|id| id.as_str().len() + 5).sum::<usize>()
            }
            Body::InvokeClient { reply_to, frames, invocation_id, .. } => {
                frames.len() + reply_to.as_str().len() + invocation_id.len()
            }
            Body::ClientResult { outcome: ClientResultOutcome::Result { bytes, .. }, .. } => bytes.len(),
            Body::ClientResult { outcome: ClientResultOutcome::Error(error), .. } => error.len(),
            Body::JoinGroup { reply_to, group, .. } | Body::LeaveGroup { reply_to, group, .. } => {
                reply_to.as_str().len() + group.as_str().len()
            }
            Body::MembershipConfirmed { error: Some(error), .. } => error.len(),
            Body::UserJoined { group, .. } | Body::UserLeft { group } => group.as_str().len(),
            Body::ClientResult { .. }
            | Body::CancelInvokeClient { .. }
            | Body::Abort {}
            | Body::MembershipConfirmed { error: None, .. } => 0,
        };
        OVERHEAD_BYTES + self.sender.as_str().len() + body
    }
}

impl Frames {
    fn len(&self) -> usize {
        self.json.as_ref().map_or(0, Bytes::len) + self.messagepack.as_ref().map_or(0, Bytes::len)
    }
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let start = |kind: u8, fields: usize| {
            let mut tuple = serializer.serialize_tuple(3 + fields)?;
            tuple.serialize_element(&VERSION)?;
            tuple.serialize_element(&kind)?;
            tuple.serialize_element(&self.sender)?;
            Ok::<_, S::Error>(tuple)
        };
        match &self.body {
            Body::Deliver { frames, except } => {
                let mut tuple = start(kind::DELIVER, 3)?;
                serialize_frames(&mut tuple, frames)?;
                tuple.serialize_element(except)?;
                tuple.end()
            }
            Body::InvokeClient { id, reply_to, frames, invocation_id } => {
                let mut tuple = start(kind::INVOKE_CLIENT, 5)?;
                tuple.serialize_element(id)?;
                tuple.serialize_element(reply_to)?;
                serialize_frames(&mut tuple, frames)?;
                tuple.serialize_element(invocation_id)?;
                tuple.end()
            }
            Body::ClientResult { id, outcome } => {
                let mut tuple = start(kind::CLIENT_RESULT, 1 + outcome_fields(outcome))?;
                tuple.serialize_element(id)?;
                serialize_outcome(&mut tuple, outcome)?;
                tuple.end()
            }
            Body::CancelInvokeClient { id } => {
                let mut tuple = start(kind::CANCEL_INVOKE_CLIENT, 1)?;
                tuple.serialize_element(id)?;
                tuple.end()
            }
            Body::Abort {} => start(kind::ABORT, 0)?.end(),
            Body::JoinGroup { id, reply_to, group } => {
                serialize_membership(start(kind::JOIN_GROUP, 3)?, id, reply_to, group)
            }
            Body::LeaveGroup { id, reply_to, group } => {
                serialize_membership(start(kind::LEAVE_GROUP, 3)?, id, reply_to, group)
            }
            Body::MembershipConfirmed { id, error } => {
                let mut tuple = start(kind::MEMBERSHIP_CONFIRMED, 2)?;
                tuple.serialize_element(id)?;
                tuple.serialize_element(error)?;
                tuple.end()
            }
            Body::UserJoined { group, ttl_ms } => {
                let mut tuple = start(kind::USER_JOINED, 2)?;
                tuple.serialize_element(group)?;
                tuple.serialize_element(ttl_ms)?;
                tuple.end()
            }
            Body::UserLeft { group } => {
                let mut tuple = start(kind::USER_LEFT, 1)?;
                tuple.serialize_element(group)?;
                tuple.end()
            }
        }
    }
}

fn serialize_frames<T: SerializeTuple>(tuple: &mut T, frames: &Frames) -> Result<(), T::Error> {
    for frame in [&frames.json, &frames.messagepack] {
        tuple.serialize_element(&frame.as_deref().map(serde_bytes::Bytes::new))?;
    }
    Ok(())
}

fn serialize_membership<T: SerializeTuple>(
    mut tuple: T,
    id: &u64,
    reply_to: &impl Serialize,
    group: &impl Serialize,
) -> Result<T::Ok, T::Error> {
    tuple.serialize_element(id)?;
    tuple.serialize_element(reply_to)?;
    tuple.serialize_element(group)?;
    tuple.end()
}

fn outcome_fields(outcome: &ClientResultOutcome) -> usize {
    match outcome {
        ClientResultOutcome::Result { .. } => 3,
        ClientResultOutcome::Error(_) => 2,
        ClientResultOutcome::Void
        | ClientResultOutcome::NotFound
        | ClientResultOutcome::Disconnected
        | ClientResultOutcome::Cancelled => 1,
    }
}

fn serialize_outcome<T: SerializeTuple>(
    tuple: &mut T,
    outcome: &ClientResultOutcome,
) -> Result<(), T::Error> {
    match outcome {
        ClientResultOutcome::Result { protocol, bytes } => {
            tuple.serialize_element(&outcome::RESULT)?;
            tuple.serialize_element(protocol)?;
            tuple.serialize_element(serde_bytes::Bytes::new(bytes))
        }
        ClientResultOutcome::Void => tuple.serialize_element(&outcome::VOID),
        ClientResultOutcome::Error(error) => {
            tuple.serialize_element(&outcome::ERROR)?;
            tuple.serialize_element(error)
        }
        ClientResultOutcome::NotFound => tuple.serialize_element(&outcome::NOT_FOUND),
        ClientResultOutcome::Disconnected => tuple.serialize_element(&outcome::DISCONNECTED),
        ClientResultOutcome::Cancelled => tuple.serialize_element(&outcome::CANCELLED),
    }
}

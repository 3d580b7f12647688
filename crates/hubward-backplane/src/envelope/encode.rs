//! Encodes envelopes. Writing into memory cannot fail; the size is estimated first, so that one allocation
//! suffices.

use bytes::Bytes;
use hubward_types::ConnectionId;
use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};

use super::trace::{self, WrittenTrace};
use super::{Body, ClientResultOutcome, Envelope, Frames, RequestFailure, VERSION, failure, kind, outcome};

/// How many bytes any body has at most beside its names and frames: array header, version, kind, an id of
/// nine bytes, and a length of at most five bytes before each of seven strings, lists or frames.
const OVERHEAD_BYTES: usize = 56;

/// What a number takes at most: nil for the trace before it, and nine bytes.
const NUMBER_BYTES: usize = 10;

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
            Body::Deliver { frames, except } => frames.len() + ids_bytes(except),
            Body::DeliverTo { hub, connections, frames } => {
                hub.as_str().len() + ids_bytes(connections) + frames.len()
            }
            Body::InvokeClient { hub, connection, frames, invocation_id, .. } => {
                hub.as_str().len() + connection.as_str().len() + frames.len() + invocation_id.len()
            }
            Body::ClientResult { outcome: ClientResultOutcome::Result { bytes, .. }, .. } => bytes.len(),
            Body::ClientResult { outcome: ClientResultOutcome::Error(error), .. } => error.len(),
            Body::Abort { hub, connection, .. } => hub.as_str().len() + connection.as_str().len(),
            Body::JoinGroup { hub, connection, group, .. }
            | Body::LeaveGroup { hub, connection, group, .. } => {
                hub.as_str().len() + connection.as_str().len() + group.as_str().len()
            }
            Body::UserChanged { hub, user, group, .. } | Body::UserBanned { hub, user, group, .. } => {
                hub.as_str().len() + user.as_str().len() + group.as_str().len()
            }
            Body::DisconnectUser { hub, user, .. } => hub.as_str().len() + user.as_str().len(),
            Body::Confirmed { failure: Some(RequestFailure::Error(error)), .. } => error.len(),
            Body::ClientResult { .. }
            | Body::CancelInvokeClient { .. }
            | Body::Confirmed { .. }
            | Body::Resumed
            | Body::ConfirmLink { .. }
            | Body::Marker { .. } => 0,
        };
        let trace = self.trace.as_ref();
        let trace = trace.map_or(0, |trace| trace::OVERHEAD_BYTES + trace.state().unwrap_or_default().len());
        OVERHEAD_BYTES + self.sender.as_str().len() + body + trace + NUMBER_BYTES
    }
}

fn ids_bytes(ids: &[ConnectionId]) -> usize {
    ids.iter().map(|id| id.as_str().len() + 5).sum()
}

impl Frames {
    fn len(&self) -> usize {
        self.json.as_ref().map_or(0, Bytes::len) + self.messagepack.as_ref().map_or(0, Bytes::len)
    }
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let start = |kind: u8, fields: usize| {
            // The number stands behind the trace, which is nil where there is none.
            let last = if self.number.is_some() { 2 } else { usize::from(self.trace.is_some()) };
            let mut tuple = serializer.serialize_tuple(3 + fields + last)?;
            tuple.serialize_element(&VERSION)?;
            tuple.serialize_element(&kind)?;
            tuple.serialize_element(&self.sender)?;
            Ok::<_, S::Error>(tuple)
        };
        let mut tuple = serialize_body(&self.body, start)?;
        match &self.trace {
            Some(trace) => tuple.serialize_element(&WrittenTrace(trace))?,
            None if self.number.is_some() => tuple.serialize_element(&())?,
            None => {}
        }
        if let Some(number) = self.number {
            tuple.serialize_element(&number)?;
        }
        tuple.end()
    }
}

/// Writes the fields of a kind into the tuple that `start` begins for the kind and so many fields.
fn serialize_body<T: SerializeTuple>(
    body: &Body,
    start: impl FnOnce(u8, usize) -> Result<T, T::Error>,
) -> Result<T, T::Error> {
    match body {
        Body::Deliver { frames, except } => {
            let mut tuple = start(kind::DELIVER, 3)?;
            serialize_frames(&mut tuple, frames)?;
            tuple.serialize_element(except)?;
            Ok(tuple)
        }
        Body::DeliverTo { hub, connections, frames } => {
            let mut tuple = start(kind::DELIVER_TO, 4)?;
            tuple.serialize_element(hub)?;
            tuple.serialize_element(connections)?;
            serialize_frames(&mut tuple, frames)?;
            Ok(tuple)
        }
        Body::InvokeClient { id, hub, connection, frames, invocation_id } => {
            let mut tuple = serialize_names(start(kind::INVOKE_CLIENT, 6)?, *id, &[hub, connection])?;
            serialize_frames(&mut tuple, frames)?;
            tuple.serialize_element(invocation_id)?;
            Ok(tuple)
        }
        Body::ClientResult { id, outcome } => {
            let mut tuple = start(kind::CLIENT_RESULT, 1 + outcome_fields(outcome))?;
            tuple.serialize_element(id)?;
            serialize_outcome(&mut tuple, outcome)?;
            Ok(tuple)
        }
        Body::Confirmed { id, failure } => {
            serialize_confirmation(start(kind::CONFIRMED, 1 + failure_fields(failure))?, *id, failure)
        }
        Body::Resumed => start(kind::RESUMED, 0),
        Body::CancelInvokeClient { id } => serialize_names(start(kind::CANCEL_INVOKE_CLIENT, 1)?, *id, &[]),
        Body::ConfirmLink { id } => serialize_names(start(kind::CONFIRM_LINK, 1)?, *id, &[]),
        Body::Marker { id } => serialize_names(start(kind::MARKER, 1)?, *id, &[]),
        Body::DisconnectUser { id, hub, user } => {
            serialize_names(start(kind::DISCONNECT_USER, 3)?, *id, &[hub, user])
        }
        Body::Abort { id, hub, connection } => {
            serialize_names(start(kind::ABORT, 3)?, *id, &[hub, connection])
        }
        Body::JoinGroup { id, hub, connection: name, group }
        | Body::LeaveGroup { id, hub, connection: name, group } => {
            serialize_names(start(membership_kind(body), 4)?, *id, &[hub, name, group])
        }
        Body::UserChanged { id, hub, user, group } | Body::UserBanned { id, hub, user, group } => {
            serialize_names(start(membership_kind(body), 4)?, *id, &[hub, user, group])
        }
    }
}

/// The kind of a request about a membership.
fn membership_kind(body: &Body) -> u8 {
    match body {
        Body::JoinGroup { .. } => kind::JOIN_GROUP,
        Body::LeaveGroup { .. } => kind::LEAVE_GROUP,
        Body::UserBanned { .. } => kind::USER_BANNED,
        _ => kind::USER_CHANGED,
    }
}

fn serialize_names<T: SerializeTuple>(
    mut tuple: T,
    id: u64,
    names: &[&dyn AsRef<str>],
) -> Result<T, T::Error> {
    tuple.serialize_element(&id)?;
    names.iter().try_for_each(|name| tuple.serialize_element(name.as_ref()))?;
    Ok(tuple)
}

fn failure_fields(failure: &Option<RequestFailure>) -> usize {
    match failure {
        Some(RequestFailure::Error(_)) => 2,
        Some(RequestFailure::NotAllowed | RequestFailure::Banned) | None => 1,
    }
}

fn serialize_confirmation<T: SerializeTuple>(
    mut tuple: T,
    id: u64,
    failure: &Option<RequestFailure>,
) -> Result<T, T::Error> {
    tuple.serialize_element(&id)?;
    match failure {
        None => tuple.serialize_element(&())?,
        Some(RequestFailure::Error(error)) => {
            tuple.serialize_element(&failure::ERROR)?;
            tuple.serialize_element(error)?;
        }
        Some(RequestFailure::NotAllowed) => tuple.serialize_element(&failure::NOT_ALLOWED)?,
        Some(RequestFailure::Banned) => tuple.serialize_element(&failure::BANNED)?,
    }
    Ok(tuple)
}

fn serialize_frames<T: SerializeTuple>(tuple: &mut T, frames: &Frames) -> Result<(), T::Error> {
    for frame in [&frames.json, &frames.messagepack] {
        tuple.serialize_element(&frame.as_deref().map(serde_bytes::Bytes::new))?;
    }
    Ok(())
}

fn outcome_fields(outcome: &ClientResultOutcome) -> usize {
    match outcome {
        ClientResultOutcome::Result { .. } => 3,
        ClientResultOutcome::Error(_) => 2,
        ClientResultOutcome::Void
        | ClientResultOutcome::NotFound
        | ClientResultOutcome::Disconnected
        | ClientResultOutcome::TooMany
        | ClientResultOutcome::TimedOut => 1,
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
        ClientResultOutcome::TooMany => tuple.serialize_element(&outcome::TOO_MANY),
        ClientResultOutcome::TimedOut => tuple.serialize_element(&outcome::TIMED_OUT),
    }
}

//! One call, encoded at most once for each protocol. Encoding runs hub code (`Serialize`): never while a lock is held.

use std::cell::OnceCell;

use bytes::Bytes;
use hubward_backplane::Frames;
use hubward_hub::{EncodeCall, SendError};
use hubward_proto::{Frame, Protocol};

/// A call's encodings, made when the first recipient needs them.
pub(crate) struct LazyFrames<'a> {
    call: &'a dyn EncodeCall,
    encoded: [OnceCell<Frame>; Protocol::ALL.len()],
    failed: OnceCell<SendError>,
}

impl<'a> LazyFrames<'a> {
    pub(crate) fn new(call: &'a dyn EncodeCall) -> Self {
        Self { call, encoded: [const { OnceCell::new() }; Protocol::ALL.len()], failed: OnceCell::new() }
    }

    /// Encodes the call in a protocol, unless that was done. `None` where it cannot be encoded, which
    /// [`LazyFrames::finish`] reports.
    pub(crate) fn encode(&self, protocol: Protocol) -> Option<&Frame> {
        let cell = self.encoded.get(protocol.index())?;
        if let Some(frame) = cell.get() {
            return Some(frame);
        }
        if self.failed.get().is_some() {
            return None;
        }
        match self.call.encode(protocol, None) {
            Ok(frame) => Some(cell.get_or_init(|| frame)),
            Err(source) => {
                let method = self.call.method().to_owned();
                let _ = self.failed.set(SendError::Encode { method, source });
                None
            }
        }
    }

    /// Returns the call in a protocol in which it was encoded. It runs no hub code.
    pub(crate) fn encoded(&self, protocol: Protocol) -> Option<&Frame> {
        self.encoded.get(protocol.index())?.get()
    }

    /// Returns all encodings, for other nodes.
    pub(crate) fn all(&self) -> Frames {
        let bytes = |protocol| self.encode(protocol).map(|frame| frame.websocket().clone());
        Frames { json: bytes(Protocol::Json), messagepack: bytes(Protocol::MessagePack) }
    }

    /// Returns the first error of an encoding that was needed.
    pub(crate) fn finish(self) -> Result<(), SendError> {
        self.failed.into_inner().map_or(Ok(()), Err)
    }
}

/// How much more than its frame an envelope may hold, where the frame is kept in it: less than it would take to copy.
const KEPT_BYTES: usize = 256;

/// The encodings out of an envelope, each checked when the first recipient needs it.
///
/// A frame that is a small part of its envelope is copied out of it: a client's mailbox and its replay buffer count the
/// frame, and would hold the whole envelope.
pub(crate) struct ReceivedFrames {
    frames: Frames,
    envelope_bytes: usize,
    checked: [OnceCell<Option<Frame>>; Protocol::ALL.len()],
}

impl ReceivedFrames {
    /// Takes frames that share the memory of an envelope of this size.
    pub(crate) fn new(frames: Frames, envelope_bytes: usize) -> Self {
        Self { frames, envelope_bytes, checked: [const { OnceCell::new() }; Protocol::ALL.len()] }
    }

    /// Returns the frames as they came.
    pub(crate) fn into_frames(self) -> Frames {
        self.frames
    }

    pub(crate) fn get(&self, protocol: Protocol) -> Option<&Frame> {
        self.checked.get(protocol.index())?.get_or_init(|| self.check(protocol)).as_ref()
    }

    fn check(&self, protocol: Protocol) -> Option<Frame> {
        let shared = match protocol {
            Protocol::Json => &self.frames.json,
            Protocol::MessagePack => &self.frames.messagepack,
        };
        let bytes = shared.clone()?;
        let beside = self.envelope_bytes.saturating_sub(bytes.len());
        let keeps = beside <= KEPT_BYTES || beside <= bytes.len() / 8;
        Frame::from_websocket(if keeps { bytes } else { Bytes::copy_from_slice(&bytes) })
    }
}

#[cfg(test)]
mod tests {
    use hubward_backplane::{Body, Envelope};
    use hubward_types::ConnectionId;

    use super::*;
    use crate::testing::calls::TestCall;

    #[test]
    fn a_call_is_encoded_when_it_is_needed_and_once() {
        let call = TestCall::default();
        let frames = LazyFrames::new(&call);
        assert!(call.encoded().is_empty());
        let first = frames.encode(Protocol::MessagePack).unwrap().websocket().as_ptr();
        assert_eq!(frames.encode(Protocol::MessagePack).unwrap().websocket().as_ptr(), first);
        assert_eq!(call.encoded(), [Protocol::MessagePack]);
        assert!(frames.finish().is_ok());
    }

    #[test]
    fn other_nodes_get_every_protocol_and_what_was_encoded_is_not_encoded_again() {
        let call = TestCall::default();
        let frames = LazyFrames::new(&call);
        frames.encode(Protocol::Json);
        let received = ReceivedFrames::new(frames.all(), 0);
        for protocol in Protocol::ALL {
            assert_eq!(received.get(protocol), frames.encoded(protocol));
        }
        assert_eq!(call.encoded(), Protocol::ALL);
    }

    #[test]
    fn a_call_that_could_not_be_encoded_is_not_tried_again_and_is_reported_at_the_end() {
        let call = TestCall::failing_in(&[Protocol::Json]);
        let frames = LazyFrames::new(&call);
        assert!(frames.encode(Protocol::Json).is_none());
        assert!(frames.encode(Protocol::Json).is_none());
        assert!(frames.encode(Protocol::MessagePack).is_none());
        assert_eq!(call.encoded(), [Protocol::Json]);
        let finished = frames.finish();
        assert!(matches!(finished, Err(SendError::Encode { method, .. }) if method == "M"));
    }

    #[test]
    fn a_protocol_that_nobody_needs_cannot_fail() {
        let call = TestCall::failing_in(&[Protocol::MessagePack]);
        let frames = LazyFrames::new(&call);
        assert!(frames.encode(Protocol::Json).is_some());
        assert!(frames.finish().is_ok());
    }

    #[test]
    fn a_broken_frame_is_dropped_and_a_good_one_beside_it_stays() {
        let call = TestCall::default();
        let good = LazyFrames::new(&call).all();
        let json = good.json.unwrap();
        let broken = [
            Bytes::new(),
            json.slice(..1),
            json.slice(..json.len() - 1),
            json.slice(1..),
            Bytes::from([&json[..], b" "].concat()),
        ];
        for broken in broken {
            let frames = Frames { json: Some(broken.clone()), messagepack: good.messagepack.clone() };
            let received = ReceivedFrames::new(frames, 0);
            assert!(received.get(Protocol::Json).is_none(), "{broken:?}");
            assert!(received.get(Protocol::MessagePack).is_some());
        }
    }

    /// A frame with a message of this size, in an envelope beside another one and a list of connections.
    fn received(bytes: usize, other_bytes: usize, except: usize) -> (Bytes, Frame) {
        let frame = |bytes| Frame::from_payload(&vec![b'x'; bytes], false).unwrap().websocket().clone();
        let frames = Frames { json: Some(frame(bytes)), messagepack: Some(frame(other_bytes)) };
        let except = vec![ConnectionId::from("0123456789012345678901"); except];
        let envelope = Envelope {
            sender: "node-2".into(),
            trace: None,
            number: None,
            body: Body::Deliver { frames, except },
        }
        .encode();
        let Body::Deliver { frames, .. } = Envelope::decode(&envelope).unwrap().body else { unreachable!() };
        let received = ReceivedFrames::new(frames, envelope.len());
        let frame = received.get(Protocol::Json).unwrap().clone();
        assert_eq!(frame.message(), vec![b'x'; bytes]);
        (envelope, frame)
    }

    #[test]
    fn a_frame_that_is_a_small_part_of_its_envelope_does_not_keep_the_envelope() {
        for (bytes, other_bytes, except) in
            [(10, 1 << 20, 0), (10, 10, 10_000), (1000, 900, 0), (4000, 1, 40)]
        {
            let (envelope, _frame) = received(bytes, other_bytes, except);
            assert!(envelope.is_unique(), "{bytes} {other_bytes} {except}");
        }
    }

    #[test]
    fn a_frame_that_is_nearly_all_of_its_envelope_is_not_copied() {
        for (bytes, other_bytes, except) in [(100, 90, 0), (1 << 20, 1000, 0)] {
            let (envelope, _frame) = received(bytes, other_bytes, except);
            assert!(!envelope.is_unique(), "{bytes} {other_bytes} {except}");
        }
    }
}

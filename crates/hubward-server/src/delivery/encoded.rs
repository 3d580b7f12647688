//! One call, encoded at most once for each protocol. Encoding runs hub code (`Serialize`): never while a lock is held.

use std::cell::OnceCell;

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

/// The encodings out of an envelope, checked.
pub(crate) struct ReceivedFrames([Option<Frame>; Protocol::ALL.len()]);

impl ReceivedFrames {
    pub(crate) fn new(frames: Frames) -> Self {
        Self([frames.json, frames.messagepack].map(|bytes| bytes.and_then(Frame::from_websocket)))
    }

    pub(crate) fn get(&self, protocol: Protocol) -> Option<&Frame> {
        self.0.get(protocol.index())?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

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
        let received = ReceivedFrames::new(frames.all());
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
            let received = ReceivedFrames::new(frames);
            assert!(received.get(Protocol::Json).is_none(), "{broken:?}");
            assert!(received.get(Protocol::MessagePack).is_some());
        }
    }
}

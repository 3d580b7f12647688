//! One call, encoded at most once for each protocol.

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

    /// The call in a protocol; none where it cannot be encoded, which [`LazyFrames::finish`] reports.
    pub(crate) fn get(&self, protocol: Protocol) -> Option<&Frame> {
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

    /// All encodings, for other nodes.
    pub(crate) fn all(&self) -> Frames {
        let bytes = |protocol| self.get(protocol).map(|frame| frame.websocket().clone());
        Frames { json: bytes(Protocol::Json), messagepack: bytes(Protocol::MessagePack) }
    }

    /// Reports whether everything asked for could be encoded.
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

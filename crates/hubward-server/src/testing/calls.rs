//! A call of a client method that records its encodings, and can fail to be encoded; and one whose encoding runs code.

use std::collections::HashMap;

use hubward_hub::EncodeCall;
use hubward_proto::{EncodeError, Frame, Protocol, encode};
use parking_lot::Mutex;

/// A call of the client method `M` with the argument 1.
#[derive(Default)]
pub(crate) struct TestCall {
    fails_in: Vec<Protocol>,
    encoded: Mutex<Vec<Protocol>>,
}

impl TestCall {
    /// A call that cannot be encoded in these protocols.
    pub(crate) fn failing_in(protocols: &[Protocol]) -> Self {
        Self { fails_in: protocols.to_vec(), encoded: Mutex::default() }
    }

    /// The protocols that it was to be encoded in, in order.
    pub(crate) fn encoded(&self) -> Vec<Protocol> {
        self.encoded.lock().clone()
    }
}

impl EncodeCall for TestCall {
    fn method(&self) -> &str {
        "M"
    }

    fn encode(&self, protocol: Protocol, id: Option<&str>) -> Result<Frame, EncodeError> {
        self.encoded.lock().push(protocol);
        if self.fails_in.contains(&protocol) {
            // JSON has no form for a key that is not a string.
            return encode::invocation(Protocol::Json, id, "M", &(HashMap::from([((1, 2), 3)]),));
        }
        encode::invocation(protocol, id, "M", &(1,))
    }
}

/// A call of the client method `M` with the argument 1 whose `Serialize` does something first.
pub(crate) struct ActingCall<F>(pub(crate) F);

impl<F: Fn() + Sync> EncodeCall for ActingCall<F> {
    fn method(&self) -> &str {
        "M"
    }

    fn encode(&self, protocol: Protocol, id: Option<&str>) -> Result<Frame, EncodeError> {
        (self.0)();
        encode::invocation(protocol, id, "M", &(1,))
    }
}

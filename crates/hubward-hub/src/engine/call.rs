//! A call of a client method, before it is encoded.

use hubward_proto::{Arguments, EncodeError, Frame, Protocol};

/// A call of a client method that is encoded once it is known for which protocols.
pub trait EncodeCall: Sync {
    /// Returns the client method's name.
    fn method(&self) -> &str;
    /// Encodes the call; with `id` where a client result is expected.
    ///
    /// # Errors
    /// [`EncodeError`] where an argument cannot be serialized.
    fn encode(&self, protocol: Protocol, id: Option<&str>) -> Result<Frame, EncodeError>;
}

pub(crate) struct Call<'a, A> {
    pub(crate) method: &'a str,
    pub(crate) arguments: &'a A,
}

impl<A: Arguments + Sync> EncodeCall for Call<'_, A> {
    fn method(&self) -> &str {
        self.method
    }

    fn encode(&self, protocol: Protocol, id: Option<&str>) -> Result<Frame, EncodeError> {
        hubward_proto::encode::invocation(protocol, id, self.method, self.arguments)
    }
}

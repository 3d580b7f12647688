//! Client results: what a client returns to a hub that invoked a method of it.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use hubward_proto::{Protocol, RawValue};
use serde::de::DeserializeOwned;

use crate::error::ClientResultError;

/// A client result, not yet decoded. For engines.
#[derive(Debug)]
pub struct RawClientResult {
    protocol: Protocol,
    /// Empty where the client returned nothing.
    bytes: Vec<u8>,
}

impl RawClientResult {
    /// Wraps the encoded value that a client returned.
    pub fn new(protocol: Protocol, bytes: Vec<u8>) -> Self {
        Self { protocol, bytes }
    }

    /// Makes the result of a client that returned nothing.
    pub fn without_result() -> Self {
        Self { protocol: Protocol::Json, bytes: Vec::new() }
    }

    /// Decodes the result. Where the client returned nothing, only a type without content, such as `()`, can be made.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, ClientResultError> {
        let value = match &*self.bytes {
            [] if size_of::<T>() == 0 => RawValue::new(Protocol::Json, b"null"),
            [] => return Err(ClientResultError::NoResult),
            bytes => RawValue::new(self.protocol, bytes),
        };
        value.deserialize().map_err(ClientResultError::Decode)
    }
}

/// The result of [`Client::invoke`](crate::Client::invoke), to be awaited. Dropping it stops waiting.
///
/// It yields a `T`, or a [`ClientResultError`].
#[must_use = "the client is waited for only when this is awaited"]
pub struct ClientResult<T> {
    raw: BoxFuture<'static, Result<RawClientResult, ClientResultError>>,
    decoded: PhantomData<fn() -> T>,
}

impl<T> ClientResult<T> {
    pub(crate) fn new(raw: BoxFuture<'static, Result<RawClientResult, ClientResultError>>) -> Self {
        Self { raw, decoded: PhantomData }
    }
}

impl<T: DeserializeOwned> Future for ClientResult<T> {
    type Output = Result<T, ClientResultError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let raw = ready!(self.raw.as_mut().poll(cx));
        Poll::Ready(raw.and_then(|raw| raw.decode()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_returned_nothing_satisfies_only_a_type_without_content() {
        assert!(RawClientResult::without_result().decode::<()>().is_ok());
        let wanted = RawClientResult::without_result().decode::<Option<String>>();
        assert!(matches!(wanted, Err(ClientResultError::NoResult)));
    }

    #[test]
    fn null_is_a_result() {
        let null = RawClientResult::new(Protocol::Json, b"null".to_vec());
        assert_eq!(null.decode::<Option<String>>().unwrap(), None);
        assert!(matches!(null.decode::<String>(), Err(ClientResultError::Decode(_))));
    }
}

//! Filters: plain async functions around calls, connects and disconnects.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hubward_proto::{Protocol, RawArguments, RawValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::HubContext;
use crate::error::{ArgumentError, HubError};
use crate::handler::output::Outcome;

/// What a filter is run around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// A call of a method, streaming or not.
    Invocation,
    /// `on_connected`.
    Connected,
    /// `on_disconnected`.
    Disconnected,
    /// `on_resumed`.
    Resumed,
}

/// The call that a filter sees. When the filter runs, its arguments have been decoded and its policies are met.
pub struct FilterCall {
    context: HubContext,
    kind: CallKind,
    method: Arc<str>,
    arguments: Vec<Vec<u8>>,
    protocol: Protocol,
    invocation_id: Option<String>,
}

impl FilterCall {
    /// Makes the call. For engines.
    pub fn new(
        context: HubContext,
        kind: CallKind,
        method: Arc<str>,
        arguments: RawArguments<'_>,
        invocation_id: Option<&str>,
    ) -> Self {
        Self {
            context,
            kind,
            method,
            arguments: arguments.iter().map(|value| value.bytes().to_vec()).collect(),
            protocol: arguments.protocol(),
            invocation_id: invocation_id.map(str::to_owned),
        }
    }

    /// Returns the call's context.
    pub fn context(&self) -> &HubContext {
        &self.context
    }

    /// Returns what the filter is run around.
    pub fn kind(&self) -> CallKind {
        self.kind
    }

    /// Returns the method's name as the hub declares it; empty for connects and disconnects.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Decodes the argument at `index`, counted from 0 and without uploads.
    ///
    /// # Errors
    /// [`ArgumentError`] where there is no such argument, or it is not a `T`.
    pub fn argument<T: DeserializeOwned>(&self, index: usize) -> Result<T, ArgumentError> {
        let bytes = self.arguments.get(index).ok_or(ArgumentError::Missing)?;
        Ok(RawValue::new(self.protocol, bytes).deserialize()?)
    }

    /// Makes the outcome of a call that the filter completes in the method's place. Not for streaming methods.
    ///
    /// # Errors
    /// [`HubError`] where the value cannot be serialized.
    pub fn complete_with<T: Serialize>(&self, value: &T) -> Result<Outcome, HubError> {
        Ok(Outcome::Done(match &self.invocation_id {
            Some(id) => Some(hubward_proto::encode::completion(self.protocol, id, value)?),
            None => None,
        }))
    }
}

/// The rest of the call: further filters, then the method.
pub struct Next(BoxFuture<'static, Result<Outcome, HubError>>);

impl Next {
    /// Wraps the rest of the call. For engines.
    pub fn new(rest: BoxFuture<'static, Result<Outcome, HubError>>) -> Self {
        Self(rest)
    }

    /// Runs the rest of the call.
    ///
    /// # Errors
    /// [`HubError`] of the method, or of a filter between.
    pub async fn run(self) -> Result<Outcome, HubError> {
        self.0.await
    }
}

/// A filter with its type erased. For engines.
pub type BoxFilter =
    Arc<dyn Fn(FilterCall, Next) -> BoxFuture<'static, Result<Outcome, HubError>> + Send + Sync>;

pub(crate) fn boxed<F, Fut>(filter: F) -> BoxFilter
where
    F: Fn(FilterCall, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcome, HubError>> + Send + 'static,
{
    let filter = Arc::new(filter);
    // The filter is called when the call runs, not when it is bound: then its policies are met, and a panic before its
    // first await is caught as any other.
    Arc::new(move |call, next| {
        let filter = filter.clone();
        Box::pin(async move { filter(call, next).await })
    })
}

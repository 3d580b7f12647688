//! A hub method with its types erased: what the engine calls.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::error::{ArgumentError, HubError};
use crate::output::Outcome;
use crate::parameter::IncomingInvocation;
use crate::upload::UploadSink;
use futures_util::future::BoxFuture;

/// What a method expects of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Arguments, without uploads.
    pub arguments: usize,
    /// Upload streams.
    pub uploads: usize,
    /// Whether it returns a stream.
    pub streaming: bool,
}

/// A call whose arguments are decoded. Nothing of the handler has run yet.
pub struct Started {
    /// Runs the handler.
    pub run: BoxFuture<'static, Result<Outcome, HubError>>,
    /// Where items of the caller's streams go, by stream id.
    pub uploads: Vec<(String, Box<dyn UploadSink>)>,
    /// Cancels the call, where the handler asked for a token.
    pub cancellation: Option<CancellationToken>,
}

/// A method that can be called.
pub trait Method: Send + Sync + 'static {
    /// What it expects.
    fn shape(&self) -> Shape;

    /// Decodes the arguments and prepares the call.
    ///
    /// # Errors
    /// Where an argument is not of its type. The number of arguments was checked by the caller.
    fn start(&self, incoming: &IncomingInvocation<'_>) -> Result<Started, ArgumentError>;
}

/// A method that still needs the hub's state.
pub(crate) trait Unbound<S>: Send + Sync + 'static {
    fn shape(&self) -> Shape;
    fn bind(self: Box<Self>, state: &S) -> Arc<dyn Method>;
}

//! A hub method with its types erased: what the server calls.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::error::{ArgumentError, HubError};
use crate::handler::incoming::IncomingInvocation;
use crate::handler::output::Outcome;
use crate::handler::upload::UploadSink;

/// What a method expects of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The number of arguments, without uploads.
    pub arguments: usize,
    /// The number of upload streams.
    pub uploads: usize,
    /// Whether it returns a stream.
    pub streaming: bool,
    /// Whether it returns a `Result`, or a stream of them, whose error would be sent to the client as a value. A hub with
    /// such a method is refused when it is built.
    pub is_result_sent_as_value: bool,
}

/// A call whose arguments are decoded. Nothing of the handler has run yet.
pub struct Started {
    /// Runs the handler.
    pub run: BoxFuture<'static, Result<Outcome, HubError>>,
    /// Where the items of the caller's streams go, by stream id.
    pub uploads: Vec<(String, Box<dyn UploadSink>)>,
    /// Cancels the call, where the handler takes a token.
    pub cancellation: Option<CancellationToken>,
}

/// A method that can be called. For engines.
pub trait Method: Send + Sync + 'static {
    /// Returns what it expects of a call.
    fn shape(&self) -> Shape;

    /// Decodes the arguments and prepares the call. Arguments beyond those that the method takes are ignored: the
    /// engine checks that there are none.
    ///
    /// # Errors
    /// [`ArgumentError`] where an argument is missing or not of its type.
    fn start(&self, incoming: &IncomingInvocation<'_>) -> Result<Started, ArgumentError>;
}

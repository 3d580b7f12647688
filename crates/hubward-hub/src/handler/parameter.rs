//! Parameters of handlers: taken from the call by their type, or else the call's next argument.

use hubward_proto::ArgumentIter;
use hubward_types::Principal;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::context::HubContext;
use crate::error::ArgumentError;
use crate::handler::incoming::IncomingInvocation;
use crate::handler::upload::{Upload, UploadSink};

/// Gives the parts of a call to the parameters of its handler, in order.
pub struct CallReader<'c, 'a, S> {
    pub(crate) incoming: &'c IncomingInvocation<'a>,
    pub(crate) arguments: ArgumentIter<'a>,
    pub(crate) state: &'c S,
    pub(crate) uploads: Vec<(String, Box<dyn UploadSink>)>,
    pub(crate) cancellation: Option<CancellationToken>,
}

impl<'c, 'a, S> CallReader<'c, 'a, S> {
    pub(crate) fn new(incoming: &'c IncomingInvocation<'a>, state: &'c S) -> Self {
        let arguments = incoming.arguments.iter();
        Self { incoming, arguments, state, uploads: Vec::new(), cancellation: None }
    }
}

/// What a handler may take as a parameter.
///
/// `Marker` keeps the two kinds apart for the compiler: [`FromArgument`] and [`FromCall`]. You never write it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a hub method",
    label = "neither taken from the call nor an argument that can be decoded",
    note = "a parameter is `HubContext`, `State<T>`, `Principal`, `CancellationToken`, `Upload<T>`, `Disconnected`, or a type of yours that derives `serde::Deserialize` and borrows nothing"
)]
pub trait Parameter<S, Marker>: Sized + Send + 'static {
    /// The number of the call's arguments that it takes: 0 or 1.
    const ARGUMENTS: usize = 0;
    /// The number of upload streams that it takes: 0 or 1.
    const UPLOADS: usize = 0;

    /// Takes its part of the call.
    ///
    /// # Errors
    /// [`ArgumentError`] where the argument is missing or not of this type.
    fn take(call: &mut CallReader<'_, '_, S>) -> Result<Self, ArgumentError>;
}

/// Marks parameters that are decoded from the call's arguments.
pub struct FromArgument;

/// Marks parameters that are taken from the call itself.
pub struct FromCall;

impl<S, T: DeserializeOwned + Send + 'static> Parameter<S, FromArgument> for T {
    const ARGUMENTS: usize = 1;

    fn take(call: &mut CallReader<'_, '_, S>) -> Result<Self, ArgumentError> {
        Ok(call.arguments.next().ok_or(ArgumentError::Missing)?.deserialize()?)
    }
}

impl<S> Parameter<S, FromCall> for HubContext {
    fn take(call: &mut CallReader<'_, '_, S>) -> Result<Self, ArgumentError> {
        Ok(call.incoming.context.clone())
    }
}

impl<S> Parameter<S, FromCall> for Principal {
    fn take(call: &mut CallReader<'_, '_, S>) -> Result<Self, ArgumentError> {
        Ok(call.incoming.context.principal().clone())
    }
}

/// Cancelled when the caller cancels the call, or its connection has closed.
///
/// ```
/// use hubward_hub::Hub;
/// use tokio_util::sync::CancellationToken;
///
/// async fn export(cancelled: CancellationToken) -> bool {
///     cancelled.run_until_cancelled(async { /* the work */ }).await.is_some()
/// }
/// let hub: Hub = Hub::new("wards").method("Export", export);
/// ```
impl<S> Parameter<S, FromCall> for CancellationToken {
    fn take(call: &mut CallReader<'_, '_, S>) -> Result<Self, ArgumentError> {
        let closed = || call.incoming.context.connection_closed().child_token();
        Ok(call.cancellation.get_or_insert_with(closed).clone())
    }
}

impl<S, T: DeserializeOwned + Send + 'static> Parameter<S, FromCall> for Upload<T> {
    const UPLOADS: usize = 1;

    fn take(call: &mut CallReader<'_, '_, S>) -> Result<Self, ArgumentError> {
        let (upload, sink) = Upload::channel(call.incoming.upload_capacity);
        // Where the caller names too few streams, it gets an error before the handler runs, and this upload is not
        // read.
        if let Some(id) = call.incoming.stream_ids.get(call.uploads.len()) {
            call.uploads.push((id.to_string(), sink));
        }
        Ok(upload)
    }
}

//! Parameters of handlers: taken from the call by their type, or else the call's next argument.

use std::borrow::Cow;

use hubward_proto::{ArgumentIter, Protocol, RawArguments};
use hubward_types::Principal;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::context::HubContext;
use crate::error::ArgumentError;
use crate::upload::{Upload, UploadSink};

/// An invocation as it came in. For engines.
pub struct IncomingInvocation<'a> {
    /// The call's context.
    pub context: HubContext,
    /// The caller's protocol, in which the answer is encoded.
    pub protocol: Protocol,
    /// The id that the answer goes to; none where no answer is wanted.
    pub invocation_id: Option<&'a str>,
    /// The arguments, not yet decoded.
    pub arguments: RawArguments<'a>,
    /// The ids of the streams that the caller is about to upload.
    pub stream_ids: &'a [Cow<'a, str>],
    /// Items that each upload may hold before its sender has to wait.
    pub upload_capacity: usize,
}

/// Hands the parts of a call to the parameters of its handler, in order.
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
/// `Marker` tells the compiler which kind it is; it is never written out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a hub method",
    label = "neither taken from the call nor an argument that can be decoded",
    note = "a parameter is `HubContext`, `State<T>`, `Principal`, `CancellationToken`, `Upload<T>`, `Disconnected`, or a type of yours that derives `serde::Deserialize` and borrows nothing"
)]
pub trait Parameter<S, Marker>: Sized + Send + 'static {
    /// Arguments of the call that it takes: 0 or 1.
    const ARGUMENTS: usize = 0;
    /// Upload streams that it takes: 0 or 1.
    const UPLOADS: usize = 0;

    /// Takes its part of the call.
    ///
    /// # Errors
    /// Where an argument is not of this type.
    fn take(call: &mut CallReader<'_, '_, S>) -> Result<Self, ArgumentError>;
}

/// Marks parameters that the call's arguments give.
pub struct FromArgument;

/// Marks parameters that come from the call itself.
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

/// Cancelled when the caller cancels the call, or has gone.
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
        let ended = || call.incoming.context.connection_closed().child_token();
        Ok(call.cancellation.get_or_insert_with(ended).clone())
    }
}

impl<S, T: DeserializeOwned + Send + 'static> Parameter<S, FromCall> for Upload<T> {
    const UPLOADS: usize = 1;

    fn take(call: &mut CallReader<'_, '_, S>) -> Result<Self, ArgumentError> {
        let (upload, sink) = Upload::channel(call.incoming.upload_capacity);
        // A caller that names too few streams is refused before the handler runs; until then this one is empty.
        if let Some(id) = call.incoming.stream_ids.get(call.uploads.len()) {
            call.uploads.push((id.to_string(), sink));
        }
        Ok(upload)
    }
}

/// The hub's state, as given to [`Hub::with_state`](crate::Hub::with_state), or a part of it ([`FromRef`]).
///
/// ```
/// use hubward_hub::{FromRef, Hub, State};
///
/// #[derive(Clone)]
/// struct App { beds: Beds }
/// #[derive(Clone)]
/// struct Beds(u32);
///
/// impl FromRef<App> for Beds {
///     fn from_ref(app: &App) -> Self {
///         app.beds.clone()
///     }
/// }
///
/// async fn free(State(beds): State<Beds>) -> u32 { beds.0 }
/// let hub: Hub = Hub::new("wards").method("Free", free).with_state(App { beds: Beds(12) });
/// ```
#[derive(Clone, Debug)]
pub struct State<T>(pub T);

impl<S: Sync, T: FromRef<S> + Send + 'static> Parameter<S, FromCall> for State<T> {
    fn take(call: &mut CallReader<'_, '_, S>) -> Result<Self, ArgumentError> {
        Ok(Self(T::from_ref(call.state)))
    }
}

/// Takes a part out of a hub's state.
#[diagnostic::on_unimplemented(
    message = "the hub's state `{S}` has no part `{Self}`",
    note = "implement `FromRef<{S}> for {Self}`, or give the hub this state with `Hub::with_state`"
)]
pub trait FromRef<S> {
    /// Takes the part, by cloning it.
    fn from_ref(state: &S) -> Self;
}

impl<S: Clone> FromRef<S> for S {
    fn from_ref(state: &S) -> Self {
        state.clone()
    }
}

//! The hub's state, or a part of it, as a parameter.

use crate::error::ArgumentError;
use crate::handler::parameter::{CallReader, FromCall, Parameter};

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
    /// Returns the part, usually a clone.
    fn from_ref(state: &S) -> Self;
}

impl<S: Clone> FromRef<S> for S {
    fn from_ref(state: &S) -> Self {
        state.clone()
    }
}

//! Handlers that are guarded by a policy of their own.

use futures_util::future::BoxFuture;

use crate::error::{ArgumentError, HubError};
use crate::handler::method::Shape;
use crate::handler::output::Outcome;
use crate::handler::parameter::CallReader;
use crate::handler::{Handler, StreamHandler};

/// Guards a single method with policies, by [`authorize`](HandlerExt::authorize).
///
/// ```
/// use hubward_hub::{Hub, HandlerExt};
///
/// async fn order(patient: String, drug: String) -> String {
///     format!("{drug} for {patient}")
/// }
/// let hub: Hub = Hub::new("clinical").method("OrderMedication", order.authorize("DoctorsOnly"));
/// ```
pub trait HandlerExt: Sized {
    /// Lets only principals that meet the policy of this name call the method. Several policies must all be met.
    fn authorize(self, policy: impl Into<String>) -> Authorized<Self> {
        Authorized { handler: self, policy: policy.into() }
    }
}

impl<H: Clone + Send + Sync + 'static> HandlerExt for H {}

/// A handler that is guarded by a policy. Made by [`HandlerExt::authorize`].
#[derive(Clone)]
pub struct Authorized<H> {
    handler: H,
    policy: String,
}

macro_rules! authorized {
    ($handler:ident) => {
        impl<S, M, H: $handler<S, M>> $handler<S, M> for Authorized<H> {
            fn shape(&self) -> Shape {
                self.handler.shape()
            }

            fn policies(&self) -> Vec<String> {
                let mut policies = self.handler.policies();
                policies.push(self.policy.clone());
                policies
            }

            fn call(
                &self,
                call: &mut CallReader<'_, '_, S>,
            ) -> Result<BoxFuture<'static, Result<Outcome, HubError>>, ArgumentError> {
                self.handler.call(call)
            }
        }
    };
}

authorized!(Handler);
authorized!(StreamHandler);

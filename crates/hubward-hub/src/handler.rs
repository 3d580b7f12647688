//! Handlers: plain async functions made into hub methods.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::{ArgumentError, HubError};
use crate::method::{Method, Shape, Started, Unbound};
use crate::output::{Outcome, Output, StreamOutput};
use crate::parameter::{CallReader, IncomingInvocation, Parameter};
use futures_util::future::BoxFuture;

/// A function that can be a hub method: async, up to ten parameters, each a [`Parameter`], returning an
/// [`Output`].
#[diagnostic::on_unimplemented(
    message = "this function cannot be a hub method",
    label = "not a handler for a hub with this state",
    note = "a hub method is an `async fn` of up to ten parameters, each `HubContext`, `State<T>`, `Principal`, `CancellationToken`, `Upload<T>` or an owned type with `serde::Deserialize`",
    note = "it returns a type with `serde::Serialize`, or `Result<T, HubError>` of one; its future must be `Send`: hold no lock guard or `Rc` across an await",
    note = "a function that returns a stream is added with `Hub::stream`"
)]
pub trait Handler<S, Marker>: Clone + Send + Sync + Sized + 'static {
    /// What a call must bring.
    #[doc(hidden)]
    fn shape(&self) -> Shape;
    /// Names the policies that stand on the handler itself.
    #[doc(hidden)]
    fn policies(&self) -> Vec<String> {
        Vec::new()
    }
    /// Decodes the arguments into a call.
    #[doc(hidden)]
    fn call(
        &self,
        call: &mut CallReader<'_, '_, S>,
    ) -> Result<BoxFuture<'static, Result<Outcome, HubError>>, ArgumentError>;
}

/// As [`Handler`], returning a stream.
#[diagnostic::on_unimplemented(
    message = "this function cannot be a streaming hub method",
    label = "not a streaming handler for a hub with this state",
    note = "a streaming hub method is an `async fn` that returns `impl Stream<Item = T>` or `impl Stream<Item = Result<T, HubError>>`",
    note = "its parameters are those of any hub method; a function that returns one value is added with `Hub::method`"
)]
pub trait StreamHandler<S, Marker>: Clone + Send + Sync + Sized + 'static {
    /// What a call must bring.
    #[doc(hidden)]
    fn shape(&self) -> Shape;
    /// Names the policies that stand on the handler itself.
    #[doc(hidden)]
    fn policies(&self) -> Vec<String> {
        Vec::new()
    }
    /// Decodes the arguments into a call.
    #[doc(hidden)]
    fn call(
        &self,
        call: &mut CallReader<'_, '_, S>,
    ) -> Result<BoxFuture<'static, Result<Outcome, HubError>>, ArgumentError>;
}

macro_rules! handlers {
    ($(($($param:ident $marker:ident),*))*) => { $(
        #[allow(non_snake_case, unused_variables, reason = "parameters are named after their types")]
        impl<F, Fut, S, Out, $($param, $marker,)*> Handler<S, (Out, $(($param, $marker),)*)> for F
        where
            F: Fn($($param),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            Fut::Output: Output<Out>,
            $($param: Parameter<S, $marker>,)*
        {
            fn shape(&self) -> Shape {
                Shape {
                    arguments: 0 $(+ <$param as Parameter<S, $marker>>::ARGUMENTS)*,
                    uploads: 0 $(+ <$param as Parameter<S, $marker>>::UPLOADS)*,
                    streaming: false,
                }
            }

            fn call(
                &self,
                call: &mut CallReader<'_, '_, S>,
            ) -> Result<BoxFuture<'static, Result<Outcome, HubError>>, ArgumentError> {
                $(let $param = $param::take(call)?;)*
                let (protocol, id) = (call.incoming.protocol, call.incoming.invocation_id.map(Box::<str>::from));
                let handler = self.clone();
                Ok(Box::pin(async move {
                    let value = handler($($param),*).await.into_result()?;
                    Ok(Outcome::Done(match id {
                        Some(id) => Some(hubward_proto::encode::completion(protocol, &id, &value)?),
                        None => None,
                    }))
                }))
            }
        }

        #[allow(non_snake_case, unused_variables, reason = "parameters are named after their types")]
        impl<F, Fut, S, Out, $($param, $marker,)*> StreamHandler<S, (Out, $(($param, $marker),)*)> for F
        where
            F: Fn($($param),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            Fut::Output: StreamOutput<Out>,
            $($param: Parameter<S, $marker>,)*
        {
            fn shape(&self) -> Shape {
                Shape {
                    arguments: 0 $(+ <$param as Parameter<S, $marker>>::ARGUMENTS)*,
                    uploads: 0 $(+ <$param as Parameter<S, $marker>>::UPLOADS)*,
                    streaming: true,
                }
            }

            fn call(
                &self,
                call: &mut CallReader<'_, '_, S>,
            ) -> Result<BoxFuture<'static, Result<Outcome, HubError>>, ArgumentError> {
                $(let $param = $param::take(call)?;)*
                // A stream is only ever asked for with an id; without one the protocol ends the connection.
                let (protocol, id) = (call.incoming.protocol, call.incoming.invocation_id.unwrap_or_default().to_owned());
                let handler = self.clone();
                Ok(Box::pin(async move {
                    Ok(Outcome::Stream(handler($($param),*).await.into_frames(protocol, id)?))
                }))
            }
        }
    )* };
}

handlers! {
    ()
    (P1 M1)
    (P1 M1, P2 M2)
    (P1 M1, P2 M2, P3 M3)
    (P1 M1, P2 M2, P3 M3, P4 M4)
    (P1 M1, P2 M2, P3 M3, P4 M4, P5 M5)
    (P1 M1, P2 M2, P3 M3, P4 M4, P5 M5, P6 M6)
    (P1 M1, P2 M2, P3 M3, P4 M4, P5 M5, P6 M6, P7 M7)
    (P1 M1, P2 M2, P3 M3, P4 M4, P5 M5, P6 M6, P7 M7, P8 M8)
    (P1 M1, P2 M2, P3 M3, P4 M4, P5 M5, P6 M6, P7 M7, P8 M8, P9 M9)
    (P1 M1, P2 M2, P3 M3, P4 M4, P5 M5, P6 M6, P7 M7, P8 M8, P9 M9, P10 M10)
}

/// Puts policies on single methods.
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
    /// Lets only principals call the method who meet the policy of this name.
    fn authorize(self, policy: impl Into<String>) -> Authorized<Self> {
        Authorized { handler: self, policy: policy.into() }
    }
}

impl<H: Clone + Send + Sync + 'static> HandlerExt for H {}

/// A handler with a policy on it.
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

/// A handler made into a [`Method`], once the state is known. `IS_STREAM` picks which of the two traits it has.
struct Typed<H, S, M> {
    handler: H,
    state: S,
    marker: PhantomData<fn() -> M>,
}

macro_rules! methods {
    ($handler:ident, $unbound:ident, $bound:ident) => {
        pub(crate) struct $unbound<H, M>(H, PhantomData<fn() -> M>);

        impl<H, M> $unbound<H, M> {
            pub(crate) fn new(handler: H) -> Self {
                Self(handler, PhantomData)
            }
        }

        impl<S, M, H> Unbound<S> for $unbound<H, M>
        where
            S: Clone + Send + Sync + 'static,
            M: 'static,
            H: $handler<S, M>,
        {
            fn shape(&self) -> Shape {
                self.0.shape()
            }

            fn bind(self: Box<Self>, state: &S) -> Arc<dyn Method> {
                Arc::new($bound(Typed { handler: self.0, state: state.clone(), marker: PhantomData }))
            }
        }

        struct $bound<H, S, M>(Typed<H, S, M>);

        impl<S, M, H> Method for $bound<H, S, M>
        where
            S: Send + Sync + 'static,
            M: 'static,
            H: $handler<S, M>,
        {
            fn shape(&self) -> Shape {
                self.0.handler.shape()
            }

            fn start(&self, incoming: &IncomingInvocation<'_>) -> Result<Started, ArgumentError> {
                let mut reader = CallReader::new(incoming, &self.0.state);
                let run = self.0.handler.call(&mut reader)?;
                Ok(Started { run, uploads: reader.uploads, cancellation: reader.cancellation })
            }
        }
    };
}

methods!(Handler, UnboundUnary, BoundUnary);
methods!(StreamHandler, UnboundStream, BoundStream);

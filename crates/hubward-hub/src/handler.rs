//! Handlers: plain async functions made into hub methods.

pub(crate) mod authorized;
pub(crate) mod bound;
pub(crate) mod disconnected;
pub(crate) mod filter;
pub(crate) mod incoming;
pub(crate) mod link;
pub(crate) mod method;
pub(crate) mod output;
pub(crate) mod parameter;
pub(crate) mod state;
pub(crate) mod upload;

use std::future::Future;

use futures_util::future::BoxFuture;

use crate::error::{ArgumentError, HubError};
use crate::handler::method::Shape;
use crate::handler::output::{Outcome, Output, StreamOutput};
use crate::handler::parameter::{CallReader, Parameter};

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
    /// Returns what a call must contain.
    #[doc(hidden)]
    fn shape(&self) -> Shape;
    /// Returns the policies of the handler itself.
    #[doc(hidden)]
    fn policies(&self) -> Vec<String> {
        Vec::new()
    }
    /// Decodes the arguments and prepares the call.
    #[doc(hidden)]
    fn call(
        &self,
        call: &mut CallReader<'_, '_, S>,
    ) -> Result<BoxFuture<'static, Result<Outcome, HubError>>, ArgumentError>;
}

/// A function that can be a streaming hub method: as [`Handler`], but it returns a [`StreamOutput`].
#[diagnostic::on_unimplemented(
    message = "this function cannot be a streaming hub method",
    label = "not a streaming handler for a hub with this state",
    note = "a streaming hub method is an `async fn` that returns `impl Stream<Item = T>` or `impl Stream<Item = Result<T, HubError>>`",
    note = "its parameters are those of any hub method; a function that returns one value is added with `Hub::method`"
)]
pub trait StreamHandler<S, Marker>: Clone + Send + Sync + Sized + 'static {
    /// Returns what a call must contain.
    #[doc(hidden)]
    fn shape(&self) -> Shape;
    /// Returns the policies of the handler itself.
    #[doc(hidden)]
    fn policies(&self) -> Vec<String> {
        Vec::new()
    }
    /// Decodes the arguments and prepares the call.
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
                    is_result_sent_as_value: Fut::Output::is_result_sent_as_value(),
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
                    is_result_sent_as_value: Fut::Output::is_result_sent_as_value(),
                }
            }

            fn call(
                &self,
                call: &mut CallReader<'_, '_, S>,
            ) -> Result<BoxFuture<'static, Result<Outcome, HubError>>, ArgumentError> {
                $(let $param = $param::take(call)?;)*
                // A stream invocation always has an id: one without is a protocol error, which closes the connection.
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

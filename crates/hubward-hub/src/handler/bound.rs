//! From a handler to a [`Method`]: first without the hub's state, then bound to it.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::ArgumentError;
use crate::handler::incoming::IncomingInvocation;
use crate::handler::method::{Method, Shape, Started};
use crate::handler::parameter::CallReader;
use crate::handler::{Handler, StreamHandler};

/// A method that still needs the hub's state.
pub(crate) trait Unbound<S>: Send + Sync + 'static {
    fn shape(&self) -> Shape;
    fn bind(self: Box<Self>, state: &S) -> Arc<dyn Method>;
}

/// A method that has its state, for where one without is expected.
pub(crate) struct Stateless(pub(crate) Arc<dyn Method>);

impl Unbound<()> for Stateless {
    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn bind(self: Box<Self>, (): &()) -> Arc<dyn Method> {
        self.0
    }
}

/// A handler with the hub's state. `M` is the marker that selects its implementation of the trait.
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

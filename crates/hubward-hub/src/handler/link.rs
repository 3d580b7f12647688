//! What runs when the link to the other nodes is interrupted, and when it is whole again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::context::hub_handle::HubHandle;
use crate::error::HubError;
use crate::handler::output::Output;

/// The end of an interruption of the link to the other nodes, for [`on_link_resumed`](crate::Hub::on_link_resumed).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LinkResumed {
    /// How long the link was interrupted: what other nodes sent meanwhile may have been missed.
    pub gap: Duration,
}

impl LinkResumed {
    /// Makes one. For engines.
    pub fn new(gap: Duration) -> Self {
        Self { gap }
    }
}

/// What runs when the link is interrupted, with its type erased. For engines.
pub type OnLinkInterrupted = Arc<dyn Fn(HubHandle) -> BoxFuture<'static, Result<(), HubError>> + Send + Sync>;

/// What runs when the link is whole again, with its type erased. For engines.
pub type OnLinkResumed =
    Arc<dyn Fn(HubHandle, LinkResumed) -> BoxFuture<'static, Result<(), HubError>> + Send + Sync>;

pub(crate) fn on_link_interrupted<F, Fut, M>(handler: F) -> OnLinkInterrupted
where
    F: Fn(HubHandle) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Output<M>> + Send + 'static,
{
    Arc::new(move |hub| finished(handler(hub)))
}

pub(crate) fn on_link_resumed<F, Fut, M>(handler: F) -> OnLinkResumed
where
    F: Fn(HubHandle, LinkResumed) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Output<M>> + Send + 'static,
{
    Arc::new(move |hub, resumed| finished(handler(hub, resumed)))
}

/// Nobody is sent the value.
fn finished<Fut, M>(running: Fut) -> BoxFuture<'static, Result<(), HubError>>
where
    Fut: Future<Output: Output<M>> + Send + 'static,
{
    Box::pin(async { running.await.into_result().map(drop) })
}

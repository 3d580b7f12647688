//! A backplane whose calls have a deadline. That of publishing is where its future is awaited, since most are dropped.

use std::sync::Arc;

use bytes::Bytes;
use hubward_backplane::{Backplane, BackplaneError, BoxFuture, Order, Subscriber, Topic};

use super::{START_TIMEOUT, TooSlow, in_call_time, in_time};

pub(crate) struct BoundedBackplane(pub(crate) Arc<dyn Backplane>);

/// Waits until an envelope is published, but not for ever.
pub(crate) async fn published(
    publishing: BoxFuture<'static, Result<(), BackplaneError>>,
) -> Result<(), BackplaneError> {
    in_call_time(publishing).await.unwrap_or_else(|slow| Err(failed(slow)))
}

fn failed(slow: TooSlow) -> BackplaneError {
    BackplaneError::Unavailable(Some(Box::new(slow)))
}

impl Backplane for BoundedBackplane {
    fn start(&self, subscriber: Arc<dyn Subscriber>) -> BoxFuture<'_, Result<(), BackplaneError>> {
        let starting = self.0.start(subscriber);
        Box::pin(async { in_time(START_TIMEOUT, starting).await.unwrap_or_else(|slow| Err(failed(slow))) })
    }

    fn subscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, Vec<Result<(), BackplaneError>>> {
        let (count, subscribing) = (topics.len(), self.0.subscribe(topics));
        Box::pin(async move {
            let subscribed = in_call_time(subscribing).await;
            subscribed
                .unwrap_or_else(|TooSlow(limit)| (0..count).map(|_| Err(failed(TooSlow(limit)))).collect())
        })
    }

    fn unsubscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, ()> {
        self.0.unsubscribe(topics)
    }

    fn publish(&self, topics: Vec<Topic>, envelope: Bytes) -> BoxFuture<'static, Result<(), BackplaneError>> {
        self.0.publish(topics, envelope)
    }

    fn order(&self) -> Order {
        self.0.order()
    }

    fn is_busy(&self) -> bool {
        self.0.is_busy()
    }

    fn is_alone(&self) -> bool {
        self.0.is_alone()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        let stopping = self.0.stop();
        Box::pin(async {
            let _ = in_call_time(stopping).await;
        })
    }
}

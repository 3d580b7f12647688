//! The backplane on Redis's pub/sub. [`bus`] is what its parts share, [`session`] the connections of one time, and
//! [`supervisor`] goes from one session to the next.

mod bus;
mod frame;
mod incoming;
mod losses;
mod outgoing;
mod publisher;
mod session;
mod status;
mod subscriber_backlog;
mod subscriptions;
mod supervisor;
mod topics;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{join_all, ready};
use hubward_backplane::{Backplane, BackplaneError, BoxFuture, MAX_ENVELOPE_BYTES, Order, Subscriber, Topic};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::bus::Bus;
use self::session::RedisSession;
use self::status::unavailable;
use self::supervisor::Supervisor;
use crate::shared::Shared;

/// The backplane of one node on Redis's pub/sub. Made by [`Redis::backplane`](crate::Redis::backplane).
///
/// Order is kept across all topics, but with a Redis Cluster, where it is kept on each topic: topics are spread over its
/// servers.
pub struct RedisBackplane {
    bus: Arc<Bus>,
    phase: Mutex<Phase>,
}

enum Phase {
    New,
    Started(Running),
    Stopped,
}

/// The task that keeps the backplane going, and ends with it.
struct Running {
    _task: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl RedisBackplane {
    pub(crate) fn new(redis: Arc<Shared>) -> Self {
        Self { bus: Arc::new(Bus::new(redis)), phase: Mutex::new(Phase::New) }
    }

    /// Counts the messages under this prefix that were ignored, since they are not ones of this version of Hubward.
    pub fn unreadable_messages(&self) -> u64 {
        self.bus.losses.unreadable()
    }

    /// Counts the messages that were accepted and may not have been sent, since Redis refused them or was interrupted.
    pub fn unsent_messages(&self) -> u64 {
        self.bus.losses.unsent()
    }

    fn check_new(&self) -> Result<(), BackplaneError> {
        match *self.phase.lock() {
            Phase::New => Ok(()),
            Phase::Started(_) => Err(BackplaneError::AlreadyStarted),
            Phase::Stopped => Err(BackplaneError::Stopped),
        }
    }
}

impl Backplane for RedisBackplane {
    fn start(&self, subscriber: Arc<dyn Subscriber>) -> BoxFuture<'_, Result<(), BackplaneError>> {
        Box::pin(async move {
            self.check_new()?;
            let session = RedisSession::open(&self.bus).await.map_err(unavailable)?;
            session.check_settings().await;
            let mut phase = self.phase.lock();
            match *phase {
                Phase::New => {}
                Phase::Started(_) => return Err(BackplaneError::AlreadyStarted),
                Phase::Stopped => return Err(BackplaneError::Stopped),
            }
            self.bus.set_up();
            let (stop, stopping) = watch::channel(false);
            let supervisor = Supervisor { bus: Arc::clone(&self.bus), subscriber, stopping };
            let mut task = JoinSet::new();
            task.spawn(supervisor.run(session));
            *phase = Phase::Started(Running { _task: task, stop });
            Ok(())
        })
    }

    fn subscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, Vec<Result<(), BackplaneError>>> {
        let subscribing = self.bus.topics.subscribe(self.bus.channels(topics));
        Box::pin(join_all(subscribing.into_iter().map(topics::confirmed)))
    }

    fn unsubscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, ()> {
        let unsubscribing = self.bus.topics.unsubscribe(self.bus.channels(topics));
        Box::pin(async {
            join_all(unsubscribing).await;
        })
    }

    fn publish(&self, topics: Vec<Topic>, envelope: Bytes) -> BoxFuture<'static, Result<(), BackplaneError>> {
        let bytes = envelope.len();
        if bytes > MAX_ENVELOPE_BYTES {
            let error = BackplaneError::TooLarge { bytes, limit_bytes: MAX_ENVELOPE_BYTES };
            return Box::pin(ready(Err(error)));
        }
        let channels = topics.into_iter().map(|topic| (self.bus.redis.keys.channel(&topic), topic));
        self.bus.outgoing.push(channels, frame::encode(self.bus.id, &envelope))
    }

    fn order(&self) -> Order {
        if self.bus.redis.topology.is_cluster() { Order::PerTopic } else { Order::AcrossTopics }
    }

    fn is_busy(&self) -> bool {
        self.bus.outgoing.is_busy()
    }

    fn is_alone(&self) -> bool {
        // Another node may start at any time, and Redis says nothing of it.
        false
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.bus.refuse_more();
            let ended = match &*self.phase.lock() {
                Phase::Started(running) => {
                    let _ = running.stop.send(true);
                    Some(running.stop.clone())
                }
                Phase::New | Phase::Stopped => None,
            };
            match ended {
                // The task drops its receiver when it has ended.
                Some(ended) => ended.closed().await,
                None => self.bus.set_stopped(),
            }
            *self.phase.lock() = Phase::Stopped;
        })
    }
}

impl Drop for RedisBackplane {
    fn drop(&mut self) {
        self.bus.set_stopped();
    }
}

impl fmt::Debug for RedisBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackplane")
            .field("servers", &self.bus.redis.topology.to_string())
            .finish_non_exhaustive()
    }
}

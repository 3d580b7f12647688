//! The connections of one time: to each primary one that publishes and one that subscribes. A session ends with the first
//! of them that does.

use std::sync::{Arc, Weak};

use futures_util::future::{join_all, try_join_all};
use parking_lot::Mutex;
use redis::{PushKind, Value};
use tokio::sync::Notify;

use super::bus::Bus;
use super::frame::MAX_MESSAGE_BYTES;
use super::incoming::Incoming;
use crate::address::Address;
use crate::checks;
use crate::connection::{RedisConnection, RedisPush};
use crate::error::RedisFailure;
use crate::key_space::slot;
use crate::topology::Primaries;

pub(super) struct RedisSession {
    primaries: Primaries,
    /// Whether topics are spread over the servers of a Cluster.
    pub(super) is_sharded: bool,
    pub(super) publishing: Vec<RedisConnection>,
    pub(super) subscribing: Vec<RedisConnection>,
    pub(super) incoming: Arc<Incoming>,
    pub(super) end: Arc<SessionEnd>,
}

/// Whether a session has ended, and why.
#[derive(Default)]
pub(super) struct SessionEnd {
    reason: Mutex<Option<RedisFailure>>,
    notify: Notify,
}

impl SessionEnd {
    /// Ends the session. The first reason counts.
    pub(super) fn end(&self, reason: impl FnOnce() -> RedisFailure) {
        self.reason.lock().get_or_insert_with(reason);
        self.notify.notify_one();
    }

    pub(super) fn reason(&self) -> Option<RedisFailure> {
        self.reason.lock().clone()
    }

    pub(super) async fn ended(&self) -> RedisFailure {
        loop {
            if let Some(reason) = self.reason() {
                return reason;
            }
            self.notify.notified().await;
        }
    }
}

impl RedisSession {
    /// Connects to every primary.
    pub(super) async fn open(bus: &Arc<Bus>) -> Result<Self, RedisFailure> {
        let primaries = bus.redis.topology.primaries().await?;
        let (incoming, end) = (Arc::new(Incoming::default()), Arc::new(SessionEnd::default()));
        let publishing = primaries.addresses().iter().map(|address| publishing(bus, address, &end));
        let publishing = try_join_all(publishing).await?;
        let subscribing =
            primaries.addresses().iter().map(|address| subscribing(bus, address, &incoming, &end));
        let subscribing = try_join_all(subscribing).await?;
        let is_sharded = bus.redis.topology.is_cluster();
        Ok(Self { primaries, is_sharded, publishing, subscribing, incoming, end })
    }

    /// Logs what is wrong with the settings of the servers.
    pub(super) async fn check_settings(&self) {
        let servers = self.publishing.iter().zip(self.primaries.addresses());
        join_all(servers.map(async |(connection, address)| {
            checks::log_mistakes(connection, &address.to_string()).await;
        }))
        .await;
    }

    /// Puts what is about channels in order of the servers that have them, each with its place.
    pub(super) fn by_place<T>(&self, items: Vec<T>, channel: impl Fn(&T) -> &[u8]) -> Vec<(usize, Vec<T>)> {
        if self.publishing.len() == 1 {
            return vec![(0, items)];
        }
        let mut places: Vec<(usize, Vec<T>)> = Vec::new();
        for item in items {
            let place = self.primaries.place_of(slot(channel(&item)));
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, items)) => items.push(item),
                None => places.push((place, vec![item])),
            }
        }
        places
    }
}

async fn publishing(
    bus: &Arc<Bus>,
    address: &Address,
    end: &Arc<SessionEnd>,
) -> Result<RedisConnection, RedisFailure> {
    let end = Arc::downgrade(end);
    let pushes = move |push: RedisPush| {
        if let RedisPush::Ended(reason) = push {
            end_session(&end, reason);
        }
    };
    bus.redis.topology.connector.connect(address, pushes).await
}

async fn subscribing(
    bus: &Arc<Bus>,
    address: &Address,
    incoming: &Arc<Incoming>,
    end: &Arc<SessionEnd>,
) -> Result<RedisConnection, RedisFailure> {
    let (bus_of, incoming, end) = (Arc::downgrade(bus), Arc::downgrade(incoming), Arc::downgrade(end));
    let pushes = move |push: RedisPush| take(&bus_of, &incoming, &end, push);
    let connector = &bus.redis.topology.connector;
    connector.connect_subscriber(address, MAX_MESSAGE_BYTES, pushes).await
}

/// Takes what comes over a subscribing connection. It is called by the connection's own task, as it reads.
fn take(bus: &Weak<Bus>, incoming: &Weak<Incoming>, end: &Weak<SessionEnd>, push: RedisPush) {
    let push = match push {
        RedisPush::Sent(push) => push,
        RedisPush::Ended(reason) => return end_session(end, reason),
    };
    match push.kind {
        PushKind::Message | PushKind::SMessage => {
            let mut data = push.data.into_iter();
            let (Some(Value::BulkString(channel)), Some(Value::BulkString(bytes))) =
                (data.next(), data.next())
            else {
                return;
            };
            let (Some(incoming), Some(end)) = (incoming.upgrade(), end.upgrade()) else { return };
            if !incoming.push(channel, bytes) {
                end.end(|| RedisFailure::said("this node cannot deliver all that comes; messages are lost"));
            }
        }
        // Without having been asked: the slot of the channel has moved to another server. Replies that follow could be
        // taken for those of other requests, so that the session ends here.
        PushKind::SUnsubscribe => {
            let Some(Value::BulkString(channel)) = push.data.first() else { return };
            let is_asked_for = bus.upgrade().is_some_and(|bus| bus.topics.is_unsubscribing(channel));
            if let (false, Some(end)) = (is_asked_for, end.upgrade()) {
                end.end(|| RedisFailure::said("a slot of the Redis Cluster has moved to another server"));
            }
        }
        _ => {}
    }
}

fn end_session(end: &Weak<SessionEnd>, reason: RedisFailure) {
    if let Some(end) = end.upgrade() {
        end.end(|| reason);
    }
}

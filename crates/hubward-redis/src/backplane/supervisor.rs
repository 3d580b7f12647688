//! Keeps a backplane going: from session to session, until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{ReceivedEnvelope, Subscriber};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::bus::Bus;
use super::incoming::IncomingMessage;
use super::session::RedisSession;
use super::{frame, publisher, subscriptions};
use crate::backoff::Backoff;
use crate::error::RedisFailure;

/// How long a stop waits for what is still to be published.
const STOP_LIMIT: Duration = Duration::from_secs(1);
/// How many envelopes are delivered in one call, before others have their turn.
const DELIVERED_AT_ONCE: usize = 1_000;

pub(super) struct Supervisor {
    pub(super) bus: Arc<Bus>,
    pub(super) subscriber: Arc<dyn Subscriber>,
    pub(super) stopping: watch::Receiver<bool>,
}

impl Supervisor {
    /// Runs until it is stopped. Dropped, as by a runtime that ends, it stops as well.
    pub(super) async fn run(mut self, first: RedisSession) {
        let (mut session, mut backoff) = (first, Backoff::default());
        loop {
            let began = Instant::now();
            let Some(failure) = self.run_session(session).await else { break };
            let wait = backoff.next_wait_after(began.elapsed());
            // First, so that hubs hold what they send when calls begin to fail.
            self.subscriber.interrupted(&failure.to_string());
            self.bus.set_down(&failure);
            self.bus.outgoing.hand_back(|unsent| self.subscriber.take_back(unsent));
            let Some(next) = self.connect(wait, &mut backoff).await else { break };
            session = next;
            self.bus.set_up();
            // First: what a node does about a gap begins with calls of the store.
            self.bus.redis.reached.send_modify(|times| *times += 1);
            self.subscriber.resumed();
        }
    }

    /// Returns why the session has ended; `None` where the backplane is stopped.
    async fn run_session(&mut self, session: RedisSession) -> Option<RedisFailure> {
        let session = Arc::new(session);
        let mut tasks = JoinSet::new();
        tasks.spawn(publisher::run(Arc::clone(&self.bus), Arc::clone(&session)));
        tasks.spawn(subscriptions::run(Arc::clone(&self.bus), Arc::clone(&session)));
        tasks.spawn(deliver(Arc::clone(&self.bus), Arc::clone(&session), Arc::clone(&self.subscriber)));
        let failure = tokio::select! {
            failure = session.end.ended() => Some(failure),
            failed = tasks.join_next() => Some(match failed {
                Some(Ok(failure)) => failure,
                _ => RedisFailure::said("a task of the backplane has panicked"),
            }),
            _ = self.stopping.wait_for(|is_stopping| *is_stopping) => None,
        };
        if failure.is_none() {
            let _ = tokio::time::timeout(STOP_LIMIT, self.bus.outgoing.emptied()).await;
            // What was taken last is on its way to Redis.
            let _ = tokio::time::timeout(STOP_LIMIT, publisher::ping_all(&session.publishing)).await;
        }
        // Nothing is delivered after this.
        tasks.shutdown().await;
        failure
    }

    /// Connects and subscribes to everything anew, as often as it takes; `None` where the backplane is stopped.
    async fn connect(&mut self, mut wait: Duration, backoff: &mut Backoff) -> Option<RedisSession> {
        let mut is_logged = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.stopping.wait_for(|is_stopping| *is_stopping) => return None,
            }
            let failure = tokio::select! {
                opened = open_again(&self.bus) => match opened {
                    Ok(session) => return Some(session),
                    Err(failure) => failure,
                },
                _ = self.stopping.wait_for(|is_stopping| *is_stopping) => return None,
            };
            // That the link is interrupted is logged with how it ended, which may say nothing of this.
            if failure.is_about_user() && !std::mem::replace(&mut is_logged, true) {
                tracing::warn!(error = %failure, "Redis refuses the link to the other nodes; it is tried again.");
            } else {
                tracing::debug!(error = %failure, "Redis cannot be reached; it is tried again.");
            }
            self.bus.set_down(&failure);
            let expired = self.bus.outgoing.expire(&failure);
            self.bus.losses.note_unsent(expired, &failure);
            wait = backoff.next_wait();
        }
    }
}

impl Drop for Supervisor {
    /// Nobody else sends what is accepted, nor confirms a subscription.
    fn drop(&mut self) {
        self.bus.set_stopped();
    }
}

async fn open_again(bus: &Arc<Bus>) -> Result<RedisSession, RedisFailure> {
    let session = RedisSession::open(bus).await?;
    subscriptions::restore(bus, &session).await?;
    Ok(session)
}

/// Delivers what comes in: all that has come by then at once.
async fn deliver(bus: Arc<Bus>, session: Arc<RedisSession>, subscriber: Arc<dyn Subscriber>) -> RedisFailure {
    loop {
        let mut messages = session.incoming.take().await;
        while !messages.is_empty() {
            let rest = messages.split_off(messages.len().min(DELIVERED_AT_ONCE));
            let (envelopes, refused) = read(&bus, std::mem::replace(&mut messages, rest));
            bus.losses.note_unreadable(refused);
            if !envelopes.is_empty() {
                subscriber.deliver(&envelopes);
            }
            // Only where it would go on: to yield costs the worker a look at its sockets, which is much for one message.
            if !messages.is_empty() || !session.incoming.is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Reads messages: those that this node has not sent itself, of topics that are wanted. Counts those that are none.
fn read(bus: &Bus, messages: Vec<IncomingMessage>) -> (Vec<ReceivedEnvelope>, u64) {
    let (mut envelopes, mut refused) = (Vec::with_capacity(messages.len()), 0);
    bus.topics.of_channels(
        messages,
        |message| &message.channel,
        |message, topic| match frame::decode(message.bytes) {
            Some((sender, _)) if sender == bus.id => {}
            Some((_, envelope)) => envelopes.push(ReceivedEnvelope { topic: topic.clone(), envelope }),
            None => refused += 1,
        },
    );
    (envelopes, refused)
}

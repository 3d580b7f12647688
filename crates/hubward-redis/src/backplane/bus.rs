//! What the parts of a backplane share, from one session to the next.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hubward_backplane::Topic;

use super::frame::SenderId;
use super::losses::Losses;
use super::outgoing::Outgoing;
use super::status::BackplaneStatus;
use super::topics::{Channel, Topics};
use crate::error::RedisFailure;
use crate::shared::Shared;

pub(super) struct Bus {
    pub(super) redis: Arc<Shared>,
    /// What this backplane knows its own messages by, which Redis sends back to it.
    pub(super) id: SenderId,
    pub(super) outgoing: Outgoing,
    pub(super) topics: Topics,
    pub(super) losses: Losses,
}

impl Bus {
    pub(super) fn new(redis: Arc<Shared>) -> Self {
        let id = RandomState::new().hash_one(std::process::id()).to_le_bytes();
        Self {
            redis,
            id,
            outgoing: Outgoing::default(),
            topics: Topics::default(),
            losses: Losses::default(),
        }
    }

    pub(super) fn channels(&self, topics: Vec<Topic>) -> impl Iterator<Item = (Channel, Topic)> {
        topics.into_iter().map(|topic| (self.redis.keys.channel(&topic).into(), topic))
    }

    /// The link is whole, and everything is subscribed to.
    pub(super) fn set_up(&self) {
        self.topics.set_status(BackplaneStatus::Up);
        self.outgoing.set_status(BackplaneStatus::Up);
    }

    /// The link is interrupted.
    pub(super) fn set_down(&self, failure: &RedisFailure) {
        self.outgoing.set_status(BackplaneStatus::Down(failure.clone()));
        self.topics.interrupt(failure);
    }

    /// Nothing new is accepted; what was is still sent.
    pub(super) fn refuse_more(&self) {
        self.outgoing.set_status(BackplaneStatus::Stopped);
        self.topics.set_status(BackplaneStatus::Stopped);
    }

    /// Nothing is sent or received any more.
    pub(super) fn set_stopped(&self) {
        self.refuse_more();
        self.outgoing.clear();
        self.topics.clear();
    }
}

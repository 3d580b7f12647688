//! Makes places for the sessions of a batch, and subscribes for all of them at once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use futures_util::future::OptionFuture;
use hubward_backplane::Topic;
use hubward_types::{GroupName, HubName};
use tokio::time::timeout;

use super::coming::AllComing;
use super::place::SessionPlace;
use super::room::Room;
use super::wire::{Offer, PlaceRefusal};
use crate::bounded::CALL_TIMEOUT;
use crate::connection::groups::Reasons;
use crate::context::NodeContext;
use crate::engine::Engine;
use crate::session_state::SessionIdentity;

/// What places are made of.
pub(super) struct Ground {
    pub(super) context: Arc<NodeContext>,
    /// Held weakly: the node's routes hold this.
    hubs: HashMap<HubName, Weak<Engine>>,
    pub(super) room: Arc<Room>,
    coming: AllComing,
}

impl Ground {
    pub(super) fn new<'a>(
        context: &Arc<NodeContext>,
        hubs: impl IntoIterator<Item = &'a Arc<Engine>>,
        room: Arc<Room>,
    ) -> Self {
        let weak = |engine: &Arc<Engine>| (engine.name().clone(), Arc::downgrade(engine));
        let hubs = hubs.into_iter().map(weak).collect();
        Self { context: context.clone(), hubs, room, coming: AllComing::default() }
    }

    fn hub(&self, name: &HubName) -> Option<Arc<Engine>> {
        self.hubs.get(name).and_then(Weak::upgrade)
    }
}

/// A place that is yet to be subscribed for.
struct Unsubscribed {
    place: SessionPlace,
    groups: Vec<(GroupName, Reasons)>,
    topics: Vec<Topic>,
}

/// Makes a place for each session, or says why there is none.
pub(super) async fn places(ground: &Ground, offers: Vec<Offer>) -> Vec<Result<SessionPlace, PlaceRefusal>> {
    let mut made: Vec<_> = offers.into_iter().map(|offer| place(ground, offer)).collect();
    // A batch is of one hub.
    let hub = made.iter().flatten().next().map(|first| first.place.engine.name().clone());
    for other in made.iter_mut() {
        if other.as_ref().is_ok_and(|made| Some(made.place.engine.name()) != hub.as_ref()) {
            *other = Err(PlaceRefusal::Unreadable);
        }
    }
    let topics: Vec<_> =
        made.iter().flatten().flat_map(|unsubscribed| unsubscribed.topics.iter().cloned()).collect();
    let subscriptions = &ground.context.subscriptions;
    let subscribing = (!topics.is_empty()).then(|| timeout(CALL_TIMEOUT, subscriptions.add(topics)));
    // Where it took too long, nothing is subscribed to.
    let mut subscribed =
        OptionFuture::from(subscribing).await.and_then(Result::ok).unwrap_or_default().into_iter();
    let finish = |made: Result<Unsubscribed, PlaceRefusal>| {
        let Unsubscribed { place, groups, topics } = made?;
        let of_place: Vec<_> = subscribed.by_ref().take(topics.len()).collect();
        if of_place.len() == topics.len() && of_place.iter().all(Result::is_ok) {
            place.subscribed(groups);
            return Ok(place);
        }
        for (topic, _) in topics.iter().zip(&of_place).filter(|(_, subscribed)| subscribed.is_ok()) {
            subscriptions.remove(topic);
        }
        Err(PlaceRefusal::Outage)
    };
    made.into_iter().map(finish).collect()
}

fn place(ground: &Ground, offer: Offer) -> Result<Unsubscribed, PlaceRefusal> {
    let identity = SessionIdentity::decode(&offer.identity).map_err(|_| PlaceRefusal::Unreadable)?;
    let engine = ground.hub(&identity.hub).ok_or(PlaceRefusal::NoHub)?;
    let bytes = offer.content_bytes.saturating_add(2 * offer.identity.len() as u64);
    let reserved = ground.room.reserve(bytes).ok_or(PlaceRefusal::NoRoom)?;
    let coming = ground.coming.begin(&identity.hub, &identity.connection).ok_or(PlaceRefusal::Known)?;
    let own: HashSet<_> = identity.groups.iter().cloned().collect();
    let of_user: HashSet<_> = offer.user_groups.iter().map(|group| GroupName::from(group.as_str())).collect();
    let reasons = |group: &GroupName| Reasons { own: own.contains(group), user: of_user.contains(group) };
    let groups: Vec<_> = own.union(&of_user).map(|group| (group.clone(), reasons(group))).collect();
    let place = SessionPlace::new(engine, identity, reserved, coming)?;
    let topics = place.topics(&groups);
    Ok(Unsubscribed { place, groups, topics })
}

/// The topics of all places, each once.
pub(super) fn topics_of(places: &[Option<SessionPlace>]) -> Vec<Topic> {
    let topics = |place: &SessionPlace| super::place::topics_of(place.engine.name(), &place.handle);
    let distinct: HashSet<_> = places.iter().flatten().flat_map(topics).collect();
    distinct.into_iter().collect()
}

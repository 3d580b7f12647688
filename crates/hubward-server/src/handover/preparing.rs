//! Makes places for the sessions of a batch, and subscribes for all of them at once.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::OptionFuture;
use hubward_backplane::Topic;
use hubward_types::GroupName;
use tokio::time::timeout;

use super::place::Place;
use super::taking::Taking;
use super::wire::{Offer, Refusal};
use crate::bounded::CALL_TIMEOUT;
use crate::connection::groups::Reasons;
use crate::session_state::SessionIdentity;

/// A place that is yet to be subscribed for.
struct Unsubscribed {
    place: Place,
    groups: Vec<(GroupName, Reasons)>,
    topics: Vec<Topic>,
}

/// Makes a place for each session, or says why there is none.
pub(super) async fn places(taking: &Arc<Taking>, offers: Vec<Offer>) -> Vec<Result<Place, Refusal>> {
    let made: Vec<_> = offers.into_iter().map(|offer| place(taking, offer)).collect();
    let topics: Vec<_> =
        made.iter().flatten().flat_map(|unsubscribed| unsubscribed.topics.iter().cloned()).collect();
    let subscriptions = &taking.context().subscriptions;
    let subscribing = (!topics.is_empty()).then(|| timeout(CALL_TIMEOUT, subscriptions.add(topics)));
    // Where it took too long, nothing is subscribed to.
    let mut subscribed =
        OptionFuture::from(subscribing).await.and_then(Result::ok).unwrap_or_default().into_iter();
    let finish = |made: Result<Unsubscribed, Refusal>| {
        let Unsubscribed { place, groups, topics } = made?;
        let of_place: Vec<_> = subscribed.by_ref().take(topics.len()).collect();
        if of_place.len() == topics.len() && of_place.iter().all(Result::is_ok) {
            place.subscribed(groups);
            return Ok(place);
        }
        for (topic, _) in topics.iter().zip(&of_place).filter(|(_, subscribed)| subscribed.is_ok()) {
            subscriptions.remove(topic);
        }
        Err(Refusal::Outage)
    };
    made.into_iter().map(finish).collect()
}

fn place(taking: &Arc<Taking>, offer: Offer) -> Result<Unsubscribed, Refusal> {
    let identity = SessionIdentity::decode(&offer.identity).map_err(|_| Refusal::Unreadable)?;
    let engine = taking.hub(&identity.hub).ok_or(Refusal::NoHub)?;
    let bytes = offer.content_bytes.saturating_add(2 * offer.identity.len() as u64);
    let reserved = taking.room.reserve(bytes).ok_or(Refusal::NoRoom)?;
    let coming = taking.coming.begin(&identity.hub, &identity.connection).ok_or(Refusal::Known)?;
    let own: HashSet<_> = identity.groups.iter().cloned().collect();
    let of_user: HashSet<_> = offer.user_groups.iter().map(|group| GroupName::from(group.as_str())).collect();
    let reasons = |group: &GroupName| Reasons { own: own.contains(group), user: of_user.contains(group) };
    let groups: Vec<_> = own.union(&of_user).map(|group| (group.clone(), reasons(group))).collect();
    let place = Place::new(engine, identity, reserved, coming)?;
    let topics = place.topics(&groups);
    Ok(Unsubscribed { place, groups, topics })
}

/// The topics of all places, each once.
pub(super) fn topics_of(places: &[Option<Place>]) -> Vec<Topic> {
    let topics = |place: &Place| super::place::topics_of(place.engine.name(), &place.handle);
    let distinct: HashSet<_> = places.iter().flatten().flat_map(topics).collect();
    distinct.into_iter().collect()
}

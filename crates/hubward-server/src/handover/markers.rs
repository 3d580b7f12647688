//! Markers that are waited for. What a node publishes on a topic after something else arrives after it, on every node: so who
//! receives a marker has received all that came before it there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hubward_backplane::Topic;
use hubward_types::NodeId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// A marker, by the node that publishes it and the number that this gave it.
type Key = (NodeId, u64);

/// Bounded by the batches that move at once. Each entry is removed by whoever waits for it.
#[derive(Clone, Default)]
pub(crate) struct Markers(Arc<Mutex<HashMap<Key, Waiting>>>);

struct Waiting {
    missing: HashSet<Topic>,
    done: oneshot::Sender<()>,
}

/// A marker that is waited for, on several topics.
pub(crate) struct Expected {
    markers: Markers,
    key: Key,
    done: oneshot::Receiver<()>,
}

impl Markers {
    /// Expects a marker on each of these topics, of which there is one at least. It is noted from now on.
    pub(crate) fn expect(&self, node: &NodeId, id: u64, topics: impl IntoIterator<Item = Topic>) -> Expected {
        let (done, awaited) = oneshot::channel();
        let key = (node.clone(), id);
        let waiting = Waiting { missing: topics.into_iter().collect(), done };
        self.0.lock().insert(key.clone(), waiting);
        Expected { markers: self.clone(), key, done: awaited }
    }

    /// Notes that a marker has come. One that nobody waits for is ignored.
    pub(crate) fn arrived(&self, sender: &NodeId, id: u64, topic: &Topic) {
        let key = (sender.clone(), id);
        let mut markers = self.0.lock();
        let Some(waiting) = markers.get_mut(&key) else { return };
        waiting.missing.remove(topic);
        if waiting.missing.is_empty()
            && let Some(Waiting { done, .. }) = markers.remove(&key)
        {
            // Who has stopped waiting needs no notice.
            let _ = done.send(());
        }
    }
}

impl Expected {
    /// Waits until it has come on all topics.
    pub(crate) async fn arrived(mut self) {
        // The other end is dropped only when this is.
        let _ = (&mut self.done).await;
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.markers.0.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_marker_has_come_when_it_is_there_on_all_topics() {
        let (markers, node) = (Markers::default(), NodeId::from("n1"));
        let topics = [Topic::All("hub".into()), Topic::Node("n2".into())];
        let mut arrived = Box::pin(markers.expect(&node, 7, topics.clone()).arrived());
        let mut is_there = || (&mut arrived).now_or_never().is_some();
        markers.arrived(&node, 7, &topics[0]);
        markers.arrived(&node, 7, &topics[0]);
        markers.arrived(&node, 8, &topics[1]);
        markers.arrived(&"n3".into(), 7, &topics[1]);
        assert!(!is_there());
        markers.arrived(&node, 7, &topics[1]);
        assert!(is_there());
        assert!(markers.0.lock().is_empty());
    }

    #[test]
    fn nothing_is_kept_for_who_waits_no_longer() {
        let markers = Markers::default();
        drop(markers.expect(&"n1".into(), 7, [Topic::Nodes]));
        assert!(markers.0.lock().is_empty());
        markers.arrived(&"n1".into(), 7, &Topic::Nodes);
    }
}

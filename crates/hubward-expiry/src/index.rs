//! Deadlines by key, and keys by deadline.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use tokio::time::Instant;

/// An index of deadlines: one for each key. Setting, moving and removing one takes logarithmic time; finding what is due
/// takes time only for what is.
#[derive(Debug)]
pub struct DeadlineIndex<K> {
    by_key: HashMap<K, Place>,
    by_deadline: BTreeMap<Place, K>,
    next: u64,
}

/// A deadline, and a number that tells those of the same instant apart.
type Place = (Instant, u64);

impl<K> Default for DeadlineIndex<K> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), by_deadline: BTreeMap::new(), next: 0 }
    }
}

impl<K: Hash + Eq + Clone> DeadlineIndex<K> {
    /// Makes an index without deadlines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the deadline of a key, instead of the one that it had.
    pub fn set(&mut self, key: K, deadline: Instant) {
        self.next += 1;
        let place = (deadline, self.next);
        if let Some(earlier) = self.by_key.insert(key.clone(), place) {
            self.by_deadline.remove(&earlier);
        }
        self.by_deadline.insert(place, key);
    }

    /// Removes the deadline of a key; returns it, if there was one.
    pub fn remove(&mut self, key: &K) -> Option<Instant> {
        let place = self.by_key.remove(key)?;
        self.by_deadline.remove(&place);
        self.shrink();
        Some(place.0)
    }

    /// Returns the nearest deadline.
    pub fn nearest(&self) -> Option<Instant> {
        self.by_deadline.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Removes and returns the keys that are due, the earliest first, but at most `limit`.
    pub fn take_due(&mut self, now: Instant, limit: usize) -> Vec<K> {
        let mut due = Vec::new();
        while due.len() < limit && self.nearest().is_some_and(|nearest| nearest <= now) {
            let Some((_, key)) = self.by_deadline.pop_first() else { break };
            self.by_key.remove(&key);
            due.push(key);
        }
        self.shrink();
        due
    }

    /// Returns how many deadlines there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Returns whether there is no deadline.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Frees what a much larger index needed.
    fn shrink(&mut self) {
        if self.by_key.capacity() > 1024 && self.by_key.len() < self.by_key.capacity() / 8 {
            self.by_key.shrink_to(self.by_key.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Set(u8, u8),
        Remove(u8),
        Take(u8, u8),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..16u8, any::<u8>()).prop_map(|(key, at)| Step::Set(key, at)),
            (0..16u8).prop_map(Step::Remove),
            (any::<u8>(), 0..20u8).prop_map(|(now, limit)| Step::Take(now, limit)),
        ]
    }

    proptest! {
        #[test]
        fn it_does_what_a_plain_list_of_deadlines_does(
            steps in proptest::collection::vec(any_step(), 0..200)
        ) {
            let start = Instant::now();
            let at = |seconds: u8| start + Duration::from_secs(seconds.into());
            let (mut index, mut list) = (DeadlineIndex::new(), Vec::<(u8, Instant)>::new());
            for step in steps {
                match step {
                    Step::Set(key, deadline) => {
                        index.set(key, at(deadline));
                        list.retain(|(known, _)| *known != key);
                        list.push((key, at(deadline)));
                    }
                    Step::Remove(key) => {
                        let known = list.iter().find(|(known, _)| *known == key).map(|(_, at)| *at);
                        prop_assert_eq!(index.remove(&key), known);
                        list.retain(|(known, _)| *known != key);
                    }
                    Step::Take(now, limit) => {
                        let due = index.take_due(at(now), limit.into());
                        // Stable, so that of the same instant the one that was set first is due first.
                        list.sort_by_key(|(_, at)| *at);
                        let expected: Vec<_> =
                            list.iter().filter(|(_, deadline)| *deadline <= at(now)).take(limit.into()).copied().collect();
                        list.retain(|entry| !expected.contains(entry));
                        prop_assert_eq!(due, expected.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
                    }
                }
                prop_assert_eq!(index.len(), list.len());
                prop_assert_eq!(index.is_empty(), list.is_empty());
                prop_assert_eq!(index.by_deadline.len(), list.len());
                prop_assert_eq!(index.nearest(), list.iter().map(|(_, at)| *at).min());
            }
        }
    }

    #[test]
    fn an_index_that_has_shrunk_far_frees_its_memory() {
        let mut index = DeadlineIndex::new();
        let start = Instant::now();
        (0..10_000).for_each(|key| index.set(key, start));
        assert_eq!(index.take_due(start, usize::MAX).len(), 10_000);
        assert!(index.by_key.capacity() < 1024, "{}", index.by_key.capacity());
    }
}

//! Deadlines by key, and keys by deadline.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use hashbrown::HashTable;
use tokio::time::Instant;

/// How many deadlines stand below each in the heap: four are in one cache line.
const BRANCHES: usize = 4;

/// Below this capacity nothing is shrunk.
const SMALL: usize = 1024;

/// An index of deadlines: one for each key. Setting, moving and removing one takes logarithmic time; finding what is due
/// takes time only for what is. Beside its key, a deadline takes some 40 bytes. Deadlines of the same instant are due in
/// no particular order.
#[derive(Debug)]
pub struct DeadlineIndex<K> {
    /// A heap: no deadline is earlier than the one above it, and the first one is the nearest.
    heap: Vec<Deadline>,
    keys: Vec<Entry<K>>,
    /// The places of the keys in `keys`, by their hashes.
    by_key: HashTable<u32>,
    hasher: RandomState,
    /// What deadlines are measured from: the first one that was set.
    base: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    /// Nanoseconds from `base`: 292 years either way.
    at: i64,
    /// The place of its key in `keys`. Four thousand million keys do not fit into memory.
    key: u32,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    /// The place of its deadline in `heap`.
    place: u32,
}

impl<K> Default for DeadlineIndex<K> {
    fn default() -> Self {
        Self {
            heap: Vec::new(),
            keys: Vec::new(),
            by_key: HashTable::new(),
            hasher: RandomState::new(),
            base: None,
        }
    }
}

impl<K: Hash + Eq> DeadlineIndex<K> {
    /// Makes an index without deadlines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the deadline of a key, instead of the one that it had. One in more than 292 years is in 292 years.
    pub fn set(&mut self, key: K, deadline: Instant) {
        let at = nanos_between(*self.base.get_or_insert(deadline), deadline);
        let place = match self.place_of(&key) {
            Some(place) => {
                if let Some(known) = self.heap.get_mut(place) {
                    known.at = at;
                }
                place
            }
            None => self.insert(key, at),
        };
        self.restore_order(place);
    }

    /// Removes the deadline of a key; returns it, if there was one.
    pub fn remove(&mut self, key: &K) -> Option<Instant> {
        let place = self.place_of(key)?;
        let deadline = self.heap.get(place).and_then(|deadline| self.instant(deadline.at));
        self.take(place);
        self.shrink();
        deadline
    }

    /// Returns the nearest deadline.
    pub fn nearest(&self) -> Option<Instant> {
        self.heap.first().and_then(|deadline| self.instant(deadline.at))
    }

    /// Removes and returns the keys that are due, the earliest first, but at most `limit`.
    pub fn take_due(&mut self, now: Instant, limit: usize) -> Vec<K> {
        let mut due = Vec::new();
        while due.len() < limit && self.nearest().is_some_and(|nearest| nearest <= now) {
            let Some(key) = self.take(0) else { break };
            due.push(key);
        }
        self.shrink();
        due
    }

    /// Returns how many deadlines there are.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Returns whether there is no deadline.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn instant(&self, at: i64) -> Option<Instant> {
        let (base, length) = (self.base?, Duration::from_nanos(at.unsigned_abs()));
        if at < 0 { base.checked_sub(length) } else { base.checked_add(length) }
    }

    fn place_of(&self, key: &K) -> Option<usize> {
        let found = self.by_key.find(self.hasher.hash_one(key), |number| {
            self.keys.get(*number as usize).is_some_and(|entry| entry.key == *key)
        });
        found.and_then(|number| self.keys.get(*number as usize)).map(|entry| entry.place as usize)
    }

    /// Adds a key, with its deadline at the end of the heap; returns that place.
    fn insert(&mut self, key: K, at: i64) -> usize {
        let (number, place) = (self.keys.len() as u32, self.heap.len());
        let hash = self.hasher.hash_one(&key);
        self.keys.push(Entry { key, place: place as u32 });
        self.heap.push(Deadline { at, key: number });
        let Self { keys, by_key, hasher, .. } = self;
        by_key.insert_unique(hash, number, |number| hash_of(keys, hasher, *number));
        place
    }

    /// Removes what is at a place of the heap; returns its key.
    fn take(&mut self, place: usize) -> Option<K> {
        let number = self.heap.get(place)?.key;
        self.heap.swap_remove(place);
        self.restore_order(place);
        let hash = hash_of(&self.keys, &self.hasher, number);
        if let Ok(entry) = self.by_key.find_entry(hash, |known| *known == number) {
            entry.remove();
        }
        let key = self.keys.swap_remove(number as usize).key;
        // The last key has taken its number.
        if let Some(moved) = self.keys.get(number as usize) {
            let (hash, former) = (self.hasher.hash_one(&moved.key), self.keys.len() as u32);
            if let Some(known) = self.by_key.find_mut(hash, |known| *known == former) {
                *known = number;
            }
            if let Some(deadline) = self.heap.get_mut(moved.place as usize) {
                deadline.key = number;
            }
        }
        Some(key)
    }

    /// Moves what is at a place of the heap up or down to where it belongs.
    fn restore_order(&mut self, place: usize) {
        let place = self.move_up(place);
        self.move_down(place);
    }

    fn move_up(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let above = (place - 1) / BRANCHES;
            if self.at(place) >= self.at(above) {
                break;
            }
            self.heap.swap(place, above);
            self.note_place(place);
            place = above;
        }
        place
    }

    fn move_down(&mut self, mut place: usize) {
        loop {
            let first = place * BRANCHES + 1;
            let below = (first..self.heap.len().min(first + BRANCHES)).min_by_key(|below| self.at(*below));
            let Some(below) = below.filter(|below| self.at(*below) < self.at(place)) else { break };
            self.heap.swap(place, below);
            self.note_place(place);
            place = below;
        }
        self.note_place(place);
    }

    /// The deadline at a place of the heap; after all others where there is none.
    fn at(&self, place: usize) -> i64 {
        self.heap.get(place).map_or(i64::MAX, |deadline| deadline.at)
    }

    /// Notes in a key where its deadline is now.
    fn note_place(&mut self, place: usize) {
        let Some(deadline) = self.heap.get(place) else { return };
        if let Some(entry) = self.keys.get_mut(deadline.key as usize) {
            entry.place = place as u32;
        }
    }

    /// Frees what a much larger index needed.
    fn shrink(&mut self) {
        let length = self.heap.len();
        if self.heap.capacity() > SMALL && length < self.heap.capacity() / 8 {
            let Self { heap, keys, by_key, hasher, .. } = self;
            heap.shrink_to(length * 2);
            keys.shrink_to(length * 2);
            by_key.shrink_to(length * 2, |number| hash_of(keys, hasher, *number));
        }
    }
}

fn hash_of<K: Hash>(keys: &[Entry<K>], hasher: &RandomState, number: u32) -> u64 {
    keys.get(number as usize).map_or(0, |entry| hasher.hash_one(&entry.key))
}

/// Nanoseconds from one instant to another, which may be before it.
fn nanos_between(from: Instant, to: Instant) -> i64 {
    let after = i64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(i64::MAX);
    let before = i64::try_from(from.saturating_duration_since(to).as_nanos()).unwrap_or(i64::MAX);
    after - before
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
            // Before and after the first one that is set.
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
                        let of = |key| list.iter().find(|(known, _)| *known == key).map(|(_, at)| *at);
                        let due_at: Vec<_> = due.iter().filter_map(|key| of(*key)).collect();
                        let mut expected: Vec<_> = list.iter().map(|(_, at)| *at).collect();
                        expected.sort_unstable();
                        expected.retain(|deadline| *deadline <= at(now));
                        expected.truncate(limit.into());
                        prop_assert_eq!(due_at, expected);
                        list.retain(|(key, _)| !due.contains(key));
                    }
                }
                prop_assert_eq!(index.len(), list.len());
                prop_assert_eq!(index.is_empty(), list.is_empty());
                prop_assert_eq!((index.keys.len(), index.by_key.len()), (list.len(), list.len()));
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
        let capacities = [index.heap.capacity(), index.keys.capacity(), index.by_key.capacity()];
        assert!(capacities.iter().all(|capacity| *capacity < SMALL), "{capacities:?}");
    }

    #[test]
    fn a_deadline_beyond_what_can_be_counted_is_kept_and_removed() {
        let (mut index, start) = (DeadlineIndex::new(), Instant::now());
        index.set("near", start);
        index.set("never", start + Duration::from_secs(400 * 365 * 86_400));
        assert_eq!(index.take_due(start + Duration::from_secs(86_400), 10), ["near"]);
        assert!(index.remove(&"never").is_some());
        assert!(index.is_empty());
    }

    #[test]
    fn a_deadline_takes_some_forty_bytes_beside_its_key() {
        assert_eq!((size_of::<Deadline>(), size_of::<Entry<u64>>() - size_of::<u64>()), (16, 8));
    }
}

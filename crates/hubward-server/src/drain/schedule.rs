//! When each of many connections closes within a window: evenly, since clients that may reconnect come back at once, with
//! some jitter, and in an order that nobody knows.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How much later than its place a connection may close, as a part of the distance of two: little enough that no second has more
/// than its share.
const JITTER_PART: u32 = 8;
const PARTS: u32 = 1024;

/// Returns after what time each of so many closes, in order. The first does at once, the last at the end of the window.
pub(super) fn offsets(count: usize, window: Duration) -> impl Iterator<Item = Duration> {
    let gaps = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    let jitter = window / gaps / JITTER_PART;
    let random = RandomState::new();
    (0..count).map(move |number| {
        let place = window.mul_f64((number as f64 / f64::from(gaps)).min(1.0));
        let part = (random.hash_one(number) % u64::from(PARTS)) as u32;
        place.saturating_add(jitter / PARTS * part).min(window)
    })
}

/// Puts what there is into an order that nobody knows.
pub(super) fn shuffle<T>(items: &mut [T]) {
    let random = RandomState::new();
    for last in (1..items.len()).rev() {
        let other = random.hash_one(last) % (last as u64 + 1);
        items.swap(last, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many close within any one second, at most.
    fn most_in_a_second(offsets: &[Duration]) -> usize {
        let within = |from: &Duration| {
            offsets.iter().filter(|at| *from <= **at && **at < *from + Duration::from_secs(1)).count()
        };
        offsets.iter().map(within).max().unwrap()
    }

    #[test]
    fn no_second_of_four_has_more_than_a_quarter() {
        for _ in 0..20 {
            let offsets: Vec<_> = offsets(300, Duration::from_secs(4)).collect();
            assert!(most_in_a_second(&offsets) <= 75, "{offsets:?}");
        }
        for window in 5..15 {
            let offsets: Vec<_> = offsets(300, Duration::from_secs(window)).collect();
            let most = 300_usize.div_ceil(window as usize) + 1;
            assert!(most_in_a_second(&offsets) <= most, "{window} {offsets:?}");
        }
    }

    #[test]
    fn all_close_within_the_window_in_order_and_not_at_the_same_times_twice() {
        let window = Duration::from_secs(8);
        for count in [0, 1, 2, 3, 1000] {
            let offsets: Vec<_> = offsets(count, window).collect();
            assert_eq!(offsets.len(), count);
            assert!(offsets.is_sorted() && offsets.iter().all(|offset| *offset <= window), "{offsets:?}");
        }
        assert!(offsets(1000, Duration::ZERO).all(|offset| offset.is_zero()));
        assert_ne!(offsets(100, window).collect::<Vec<_>>(), offsets(100, window).collect::<Vec<_>>());
    }

    #[test]
    fn an_order_that_was_shuffled_has_all_and_is_another_each_time() {
        let shuffled = || {
            let mut items: Vec<_> = (0..100).collect();
            shuffle(&mut items);
            items
        };
        let mut one = shuffled();
        assert_ne!(one, shuffled());
        one.sort_unstable();
        assert_eq!(one, (0..100).collect::<Vec<_>>());
        shuffle::<u8>(&mut []);
    }
}

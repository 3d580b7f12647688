//! The primaries at one time, with the slots that each has.

use crate::address::Address;
use crate::error::RedisFailure;
use crate::key_space::SLOTS;

/// The most primaries that are connected to: as many as Redis's documentation says that a Cluster can have. A node has two
/// connections to each.
const MAX_PRIMARIES: usize = 1_000;

/// The primaries, as they are at present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Primaries {
    addresses: Vec<Address>,
    /// The first slot of each range, in order, with the place of its server; a range ends where the next one begins.
    ranges: Vec<(u16, usize)>,
}

impl Primaries {
    pub(super) fn one(address: Address) -> Self {
        Self { addresses: vec![address], ranges: vec![(0, 0)] }
    }

    /// Makes them of ranges of slots, first and last, with their servers.
    pub(super) fn of_ranges(mut owned: Vec<(u16, u16, Address)>) -> Result<Self, RedisFailure> {
        owned.sort_by_key(|(first, ..)| *first);
        let mut next = 0;
        let mut primaries = Self { addresses: Vec::new(), ranges: Vec::new() };
        for (first, last, address) in owned {
            if first != next || last < first || last >= SLOTS {
                break;
            }
            let known = primaries.addresses.iter().position(|known| *known == address);
            let place = known.unwrap_or(primaries.addresses.len());
            if known.is_none() {
                if place == MAX_PRIMARIES {
                    return Err(RedisFailure::said(format!(
                        "the Redis Cluster has more than {MAX_PRIMARIES} primaries; check that the address is that of a \
                         Redis that can be trusted"
                    )));
                }
                primaries.addresses.push(address);
            }
            primaries.ranges.push((first, place));
            next = last + 1;
        }
        if next == SLOTS {
            Ok(primaries)
        } else {
            Err(RedisFailure::said(format!("no server of the Redis Cluster has the slot {next}")))
        }
    }

    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The place in [`addresses`](Self::addresses) of the server that has a slot.
    pub(crate) fn place_of(&self, slot: u16) -> usize {
        let after = self.ranges.partition_point(|(first, _)| *first <= slot);
        self.ranges.get(after.saturating_sub(1)).map_or(0, |(_, place)| *place)
    }

    /// The server that has a slot.
    pub(crate) fn address_of(&self, slot: u16) -> Option<&Address> {
        self.addresses.get(self.place_of(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        Address::new("h", port)
    }

    #[test]
    fn each_slot_has_its_server() {
        let ranges = vec![(8_000, 16_383, address(2)), (0, 99, address(1)), (100, 7_999, address(2))];
        let primaries = Primaries::of_ranges(ranges).unwrap();
        assert_eq!(primaries.addresses(), [address(1), address(2)]);
        for (slot, port) in [(0, 1), (99, 1), (100, 2), (7_999, 2), (8_000, 2), (16_383, 2)] {
            assert_eq!(primaries.address_of(slot), Some(&address(port)), "{slot}");
        }
    }

    #[test]
    fn a_cluster_has_a_thousand_primaries_at_most() {
        let ranges = |servers: u16| -> Vec<_> {
            let last = |number| if number == servers { 16_383 } else { number - 1 };
            (1..=servers).map(|number| (number - 1, last(number), address(number))).collect()
        };
        assert_eq!(Primaries::of_ranges(ranges(1_000)).unwrap().addresses().len(), 1_000);
        let refused = Primaries::of_ranges(ranges(1_001)).unwrap_err().to_string();
        assert!(refused.contains("more than 1000 primaries"), "{refused}");
    }

    #[test]
    fn a_cluster_that_lacks_slots_is_refused() {
        for ranges in [
            vec![],
            vec![(1, 16_383, address(1))],
            vec![(0, 99, address(1)), (101, 16_383, address(2))],
            vec![(0, 16_382, address(1))],
            vec![(0, 65_535, address(1))],
        ] {
            assert!(Primaries::of_ranges(ranges).is_err());
        }
    }
}

//! Input that a connection keeps: part of a message, or whole ones that could not be read yet. Reading from its front
//! moves nothing, so that a large message in small pieces, or many messages read in turns, cost no more than their
//! length.

/// Bytes that were read may stay at the front until they are this many, and more than what is left.
const KEPT_BYTES: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Unread {
    bytes: Vec<u8>,
    /// How many bytes at the front have been read.
    read: usize,
}

impl Unread {
    /// Keeps a copy of input.
    pub(super) fn of(input: &[u8]) -> Self {
        Self { bytes: input.to_vec(), read: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.read..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.read
    }

    /// Lends what more input is appended to.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Drops so many bytes from the front. Memory that is not needed is freed: an idle connection owns no buffer.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.read = (self.read + bytes).min(self.bytes.len());
        if self.is_empty() {
            *self = Self::default();
        } else if self.read >= KEPT_BYTES.max(self.len()) {
            *self = Self::of(self.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_consumed_is_gone_and_the_rest_stays_in_order() {
        let mut unread = Unread::default();
        let mut expected = 0_u64;
        for number in 0..10_000_u64 {
            unread.end().extend_from_slice(&number.to_be_bytes());
            if number % 3 > 0 {
                assert!(unread.bytes().starts_with(&expected.to_be_bytes()));
                unread.consume(8);
                expected += 1;
            }
        }
        assert_eq!(unread.len() as u64, (10_000 - expected) * 8);
        unread.consume(unread.len());
        assert!(unread.is_empty());
    }

    /// Reads pieces of `input` as they come, whole messages of so many bytes from the front, and returns how many bytes
    /// were moved to the front of the memory.
    fn moved(input: usize, piece: usize, message: usize, messages_per_turn: usize) -> usize {
        let (mut unread, mut moved, mut came) = (Unread::default(), 0, 0);
        while came < input || unread.len() >= message {
            if came < input {
                unread.end().extend(std::iter::repeat_n(7, piece));
                came += piece;
            }
            for _ in 0..messages_per_turn.min(unread.len() / message) {
                let before = unread.read;
                unread.consume(message);
                if unread.read < before {
                    moved += unread.len();
                }
            }
        }
        moved
    }

    #[test]
    fn what_is_moved_is_no_more_than_what_is_read() {
        const INPUT: usize = 1 << 20;
        // One large message, small ones in one piece, and pieces that come faster than their messages are read.
        for (piece, message, messages_per_turn) in [
            (4096, INPUT, 1),
            (INPUT, 64, 64),
            (4096, 64, 32),
            (4096, 1000, 3),
            (100, 64, 1),
            (65_536, 30_000, 1),
        ] {
            let moved = moved(INPUT, piece, message, messages_per_turn);
            assert!(moved <= INPUT, "{moved} bytes in pieces of {piece}, messages of {message}");
        }
    }

    #[test]
    fn memory_follows_what_is_left() {
        let mut unread = Unread::of(&[1; 1 << 20]);
        unread.consume((1 << 20) - 10_000);
        assert!(unread.bytes.capacity() <= 10_000);
        unread.consume(5_001);
        assert!(unread.bytes.capacity() <= 5_000);
        unread.consume(usize::MAX >> 1);
        assert_eq!(unread.bytes.capacity(), 0);
    }
}

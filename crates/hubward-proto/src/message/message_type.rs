//! The types of hub messages, by their numbers on the wire. In both forms a number takes one byte.

/// The type of a hub message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum MessageType {
    Invocation = 1,
    StreamItem = 2,
    Completion = 3,
    StreamInvocation = 4,
    CancelInvocation = 5,
    Ping = 6,
    Close = 7,
    Ack = 8,
    Sequence = 9,
}

impl MessageType {
    /// Returns the type with a number; `None` if it is unknown, and its messages are to be skipped.
    #[inline]
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            1 => Self::Invocation,
            2 => Self::StreamItem,
            3 => Self::Completion,
            4 => Self::StreamInvocation,
            5 => Self::CancelInvocation,
            6 => Self::Ping,
            7 => Self::Close,
            8 => Self::Ack,
            9 => Self::Sequence,
            _ => return None,
        })
    }

    /// Returns the number on the wire.
    #[inline]
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    /// Returns whether stateful reconnect numbers messages of this type, keeps them and sends them again.
    #[inline]
    pub(crate) const fn is_counted(self) -> bool {
        match self {
            Self::Invocation
            | Self::StreamItem
            | Self::Completion
            | Self::StreamInvocation
            | Self::CancelInvocation => true,
            Self::Ping | Self::Close | Self::Ack | Self::Sequence => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MessageType;

    #[test]
    fn a_type_is_read_from_the_number_that_it_writes() {
        for number in 1..=9 {
            assert_eq!(MessageType::from_number(number).map(|known| i64::from(known.number())), Some(number));
        }
        for number in [i64::MIN, -1, 0, 10, 257, i64::MAX] {
            assert_eq!(MessageType::from_number(number), None);
        }
    }
}

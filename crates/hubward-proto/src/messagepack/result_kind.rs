//! The result kind: the item of a MessagePack Completion that JSON does without, since it has the properties `error`
//! and `result`.

/// The kind of a call's result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum ResultKind {
    /// An error follows.
    Error = 1,
    /// Nothing follows.
    Void = 2,
    /// A value follows.
    Value = 3,
}

impl ResultKind {
    pub(super) fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Error,
            2 => Self::Void,
            3 => Self::Value,
            _ => return None,
        })
    }

    pub(super) const fn number(self) -> u8 {
        self as u8
    }
}

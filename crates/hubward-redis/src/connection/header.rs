//! The line that begins a value of Redis's protocol which has a length or a count: `$5`, `*3`. Stricter than the protocol's own
//! definition, so that nobody reads such a line in another way.

/// The most that such a line has: its type, 19 digits, and its end.
pub(super) const MAX_HEADER_BYTES: usize = 1 + MAX_DIGITS + 2;
/// As many as a number of 64 bits with a sign may have.
const MAX_DIGITS: usize = 19;

/// What such a line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ReplyHeader {
    /// The length or count; `None` for -1, which stands for nil.
    pub(super) length: Option<u64>,
    /// How long the line is, with its end.
    pub(super) bytes: usize,
}

/// A line that is none of these.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct NotAHeader;

/// Reads the line that input begins with, whose type the caller has looked at; `None` where it is incomplete.
pub(super) fn read(input: &[u8]) -> Result<Option<ReplyHeader>, NotAHeader> {
    let (mut length, mut digits, mut is_negative) = (0_u64, 0, false);
    for (place, byte) in input.iter().enumerate().skip(1) {
        match byte {
            b'0'..=b'9' if digits < MAX_DIGITS => {
                length = length * 10 + u64::from(byte - b'0');
                digits += 1;
            }
            b'-' if place == 1 => is_negative = true,
            b'\r' if digits > 0 => {
                let length = match (is_negative, length) {
                    (false, length) => Some(length),
                    (true, 1) => None,
                    (true, _) => return Err(NotAHeader),
                };
                return match input.get(place + 1) {
                    None => Ok(None),
                    Some(b'\n') => Ok(Some(ReplyHeader { length, bytes: place + 2 })),
                    Some(_) => Err(NotAHeader),
                };
            }
            _ => return Err(NotAHeader),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_digits_or_minus_one() {
        for (text, length) in [
            ("$0\r\n", Some(0)),
            ("*12\r\nrest", Some(12)),
            ("$-1\r\n", None),
            ("$9223372036854775807\r\n", Some(i64::MAX as u64)),
            ("$9999999999999999999\r\n", Some(9_999_999_999_999_999_999)),
        ] {
            let bytes = text.find('\n').unwrap() + 1;
            assert_eq!(read(text.as_bytes()), Ok(Some(ReplyHeader { length, bytes })), "{text}");
            for end in 1..bytes {
                assert_eq!(read(&text.as_bytes()[..end]), Ok(None), "{text} {end}");
            }
            assert!(bytes <= MAX_HEADER_BYTES + usize::from(length.is_none()));
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "$\r\n",
            "$-\r\n",
            "$-2\r\n",
            "$--1\r\n",
            "$+1\r\n",
            "$ 1\r\n",
            "$1 \r\n",
            "$1\n",
            "$1\r\r\n",
            "$?\r\n",
            "$12345678901234567890\r\n",
        ] {
            assert_eq!(read(text.as_bytes()), Err(NotAHeader), "{text}");
        }
    }
}

//! Why what a server has sent is refused, and its connection with it.

use super::limits::{MAX_DEPTH, MAX_LINE_BYTES, MAX_REPLY_BYTES, MAX_REPLY_VALUES, MAX_STRING_BYTES};

/// Why what a server has sent is refused. Each says what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum ReplyRefused {
    #[error(
        "what the server has sent is not Redis's protocol; check that the address and the port are those of a Redis, and \
         whether it speaks TLS there"
    )]
    NotRedis,
    #[error(
        "the server has sent a string of {bytes} bytes, and Redis allows {MAX_STRING_BYTES} (proto-max-bulk-len); check that \
         the address is that of a Redis that can be trusted"
    )]
    String { bytes: u64 },
    #[error(
        "the server has sent a line of more than {MAX_LINE_BYTES} bytes; check that the address is that of a Redis that can \
         be trusted"
    )]
    Line,
    #[error(
        "the server has sent a reply of more than {MAX_REPLY_BYTES} bytes; look for a user or a connection with very many \
         groups, and whether the address is that of a Redis that can be trusted"
    )]
    Bytes,
    #[error(
        "the server has sent a reply of more than {MAX_REPLY_VALUES} values; look for a user or a connection with very many \
         groups, and whether the address is that of a Redis that can be trusted"
    )]
    Values,
    #[error(
        "the server has sent a reply whose values are within each other more than {MAX_DEPTH} times; check that the address \
         is that of a Redis that can be trusted"
    )]
    Depth,
    #[error(
        "the server has sent a reply that nobody has asked for; check that the address is that of a Redis that can be \
         trusted"
    )]
    Unasked,
}

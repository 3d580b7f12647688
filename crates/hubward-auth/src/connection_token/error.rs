//! Why a connection token does not open. No variant carries a part of the token.

/// Why a connection token does not open.
///
/// It is for the operator. A client gets the same response for all of them as for a token of a connection
/// that no longer exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionTokenError {
    /// The token is longer than any that opens.
    #[error("the connection token is too long")]
    TooLong,
    /// The token is not base64url, or too short, or its content has a layout that this version does not
    /// write.
    #[error("the connection token is malformed")]
    Malformed,
    /// The token has a version that this node does not know.
    #[error("the connection token has an unknown version")]
    UnknownVersion,
    /// The token was sealed with a key that is not in the ring.
    #[error("the connection token was sealed with an unknown key")]
    UnknownKey,
    /// The token was altered or made up.
    #[error("the connection token does not open")]
    Forged,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_no_room_for_a_part_of_a_token() {
        assert_eq!(size_of::<ConnectionTokenError>(), 1);
    }
}

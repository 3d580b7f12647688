//! Random bytes that nobody can guess, and the ids made of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Makes an id that nobody can guess: 16 random bytes in base64url, 22 characters, as SignalR's connection ids are.
///
/// ```
/// assert_eq!(hubward_auth::random_id().len(), 22);
/// ```
pub fn random_id() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<16>())
}

#[expect(
    clippy::expect_used,
    reason = "aws-lc ends the process itself where the system has no randomness, so this never fails; and \
              ids or nonces that can be guessed would be worse than a panic"
)]
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_22_url_safe_characters_and_differ() {
        let ids: HashSet<_> = (0..1000).map(|_| random_id()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.len(), 22);
            assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        }
    }
}

//! Bytes of one node that only nodes of its cluster can read: in a store, or on their way to another node.
//!
//! Sealed bytes are `version (1) · key id (4) · nonce (12) · ciphertext · tag (16)`, as a token is, with a key of their own
//! that is derived from the sealing key. The associated data is the purpose and what they belong to.

use aws_lc_rs::aead::{Aad, Nonce};

use super::{ASSOCIATED_BYTES, HEADER_BYTES, KeyRing, NONCE_BYTES, RingKey, framed};
use crate::random::random_bytes;

/// The first byte, by which a later layout can be recognized. No token begins with it.
const VERSION: u8 = 0x81;

impl KeyRing {
    /// Seals bytes for a purpose, together with what they belong to, such as an id: they open only with the same. The first key
    /// seals, and all open, so that a rotation does not interrupt anything.
    ///
    /// ```
    /// # use hubward_auth::KeyRing;
    /// let ring = KeyRing::random();
    /// let sealed = ring.seal_bytes("notes 1", &[b"7"], b"text");
    /// assert_eq!(ring.open_bytes("notes 1", &[b"7"], sealed.clone()), Some(b"text".to_vec()));
    /// assert_eq!(ring.open_bytes("notes 1", &[b"8"], sealed), None);
    /// ```
    #[expect(
        clippy::expect_used,
        reason = "the cipher refuses only messages of many gigabytes, which no memory here holds"
    )]
    pub fn seal_bytes(&self, purpose: &str, of: &[&[u8]], bytes: &[u8]) -> Vec<u8> {
        let nonce = random_bytes::<NONCE_BYTES>();
        let RingKey { id, sealing_bytes, .. } = &*self.sealing;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + bytes.len() + sealing_bytes.algorithm().tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(bytes);
        let (_, body) = sealed.split_at_mut(HEADER_BYTES);
        let (nonce, of) = (Nonce::assume_unique_for_key(nonce), Aad::from(framed(purpose, of)));
        let tag = sealing_bytes.seal_in_place_separate_tag(nonce, of, body).expect("a message is sealed");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what was [sealed](Self::seal_bytes); `None` where it was not with a key of this ring, for this purpose and of this,
    /// or was altered since.
    pub fn open_bytes(&self, purpose: &str, of: &[&[u8]], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let (header, body) = sealed.split_at_mut_checked(HEADER_BYTES)?;
        let (associated, nonce) = header.split_at_checked(ASSOCIATED_BYTES)?;
        let (version, id) = associated.split_first()?;
        let key = self.opening.iter().find(|key| key.id == id).filter(|_| *version == VERSION)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = key.sealing_bytes.open_in_place(nonce, Aad::from(framed(purpose, of)), body).ok()?.len();
        sealed.drain(..HEADER_BYTES);
        sealed.truncate(length);
        Some(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ring;
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_and_what_it_belongs_to_and_keys_rotate() {
        let (old, both, new) = (ring(&[1]), ring(&[2, 1]), ring(&[2]));
        for text in [&b""[..], b"session", &[7; 100_000]] {
            let sealed = old.seal_bytes("park", &[b"hub", b"c1"], text);
            let open = |ring: &KeyRing, purpose, of: &[&[u8]]| ring.open_bytes(purpose, of, sealed.clone());
            assert_eq!(open(&old, "park", &[b"hub", b"c1"]).as_deref(), Some(text));
            assert_eq!(open(&both, "park", &[b"hub", b"c1"]).as_deref(), Some(text));
            assert_eq!(open(&new, "park", &[b"hub", b"c1"]), None);
            assert_eq!(open(&old, "move", &[b"hub", b"c1"]), None);
            for others in [&[&b"hub"[..], b"c2"][..], &[b"hubc", b"1"], &[b"hub"], &[]] {
                assert_eq!(open(&old, "park", others), None, "{others:?}");
            }
        }
    }

    #[test]
    fn what_was_altered_or_never_sealed_does_not_open() {
        let ring = ring(&[1]);
        let sealed = ring.seal_bytes("park", &[], b"session");
        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert_eq!(ring.open_bytes("park", &[], altered), None, "byte {place}");
            assert_eq!(ring.open_bytes("park", &[], sealed[..place].to_vec()), None, "{place} bytes");
        }
        assert_ne!(sealed, ring.seal_bytes("park", &[], b"session"), "nobody sees that two are alike");
    }
}

//! The keys of a cluster, with which connection tokens are sealed and opened.
//!
//! A token is base64url without padding of `version (1) · key id (4) · nonce (12) · ciphertext · tag (16)`,
//! sealed with AES-256-GCM-SIV, which stays secure even if a nonce repeats. Version and key id are the
//! associated data. What is sealed is described in `claims.rs`; other bytes are sealed in `sealed_bytes.rs`.

mod sealed_bytes;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubward_types::ConnectionToken;

use super::claims::ConnectionTokenClaims;
use super::error::ConnectionTokenError;
use super::sealing_key::SealingKey;
use super::sha256::{first_bytes, sha256};
use crate::error::AuthConfigError;
use crate::random::random_bytes;

/// How long a token may be, in characters. With names of usual length it has 140 to 170.
const MAX_TOKEN_BYTES: usize = 1024;

/// What [`MAX_TOKEN_BYTES`] of base64url decode to.
const MAX_SEALED_BYTES: usize = MAX_TOKEN_BYTES / 4 * 3;

/// The first byte of a token, by which a later layout can be recognized.
const VERSION: u8 = 1;

const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;
const ASSOCIATED_BYTES: usize = 1 + KEY_ID_BYTES;
/// A code has a key id and the tag of HMAC-SHA256.
const CODE_BYTES: usize = KEY_ID_BYTES + 32;
const HEADER_BYTES: usize = ASSOCIATED_BYTES + NONCE_BYTES;

/// A token needs one key and a rotation two; more only make lookups slower.
const MAX_KEYS: usize = 16;

/// The keys that connection tokens are sealed and opened with. Cloning it is cheap.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use hubward_auth::{ConnectionTokenClaims, Identity, KeyRing, random_id};
/// use hubward_types::Principal;
///
/// let ring = KeyRing::random();
/// let now = SystemTime::now();
/// let token = ring.seal(&ConnectionTokenClaims {
///     connection_id: random_id().into(),
///     hub: "clinical".into(),
///     owner: "node-1".into(),
///     identity: Identity::of(&Principal::anonymous()),
///     stateful: false,
///     issued_at: now,
///     expires_at: now + Duration::from_secs(15),
/// });
/// assert_eq!(ring.open(token.expose()).unwrap().hub.as_str(), "clinical");
/// assert!(KeyRing::random().open(token.expose()).is_err());
/// ```
#[derive(Clone)]
pub struct KeyRing {
    sealing: Arc<RingKey>,
    opening: Arc<[Arc<RingKey>]>,
}

struct RingKey {
    id: [u8; KEY_ID_BYTES],
    key: LessSafeKey,
    /// Derived, so that no code says anything about what the key seals.
    authenticating: hmac::Key,
    /// Derived, too: what it seals never opens as a token.
    sealing_bytes: LessSafeKey,
}

impl KeyRing {
    /// Makes a ring of one new random key, for a node without others: no other node opens its tokens, nor
    /// does the node itself after a restart.
    pub fn random() -> Self {
        let key = Arc::new(RingKey::new(&SealingKey::random()));
        Self { opening: [Arc::clone(&key)].into(), sealing: key }
    }

    /// Makes a ring of these keys: the first seals, all open. To rotate, first add the new key last on every
    /// node, then move it to the front, then remove the old one.
    ///
    /// # Errors
    /// Refuses an empty list, a key that is given twice, and more than 16 keys.
    pub fn new(keys: Vec<SealingKey>) -> Result<Self, AuthConfigError> {
        if keys.len() > MAX_KEYS {
            return Err(AuthConfigError::TooManyKeys { count: keys.len(), limit: MAX_KEYS });
        }
        let mut opening: Vec<Arc<RingKey>> = Vec::with_capacity(keys.len());
        for key in &keys {
            let key = Arc::new(RingKey::new(key));
            if opening.iter().any(|known| known.id == key.id) {
                return Err(AuthConfigError::SealingKeyRepeated);
            }
            opening.push(key);
        }
        let sealing = opening.first().ok_or(AuthConfigError::NoKeys)?.clone();
        Ok(Self { sealing, opening: opening.into() })
    }

    /// Seals a token. The names in it should have no more than some 600 bytes together: a token of more than
    /// 1 KiB is made but does not open.
    pub fn seal(&self, claims: &ConnectionTokenClaims) -> ConnectionToken {
        self.sealing.seal(&claims.to_bytes())
    }

    /// Opens a token. The caller checks whether it has expired, and whether it is for this hub and this user:
    /// what an expired token means depends on whether its connection was opened in time.
    ///
    /// # Errors
    /// Fails for a token that was not sealed with a key of this ring, or was altered since.
    pub fn open(&self, token: &str) -> Result<ConnectionTokenClaims, ConnectionTokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(ConnectionTokenError::TooLong);
        }
        let mut buffer = [0; MAX_SEALED_BYTES];
        let decoded = URL_SAFE_NO_PAD.decode_slice(token, &mut buffer).ok();
        let sealed = decoded.and_then(|length| buffer.get_mut(..length));
        let body = self.unseal(sealed.ok_or(ConnectionTokenError::Malformed)?)?;
        ConnectionTokenClaims::from_bytes(body).ok_or(ConnectionTokenError::Malformed)
    }

    /// Makes the code by which another node of the cluster knows that these parts come from one that has the keys. Codes of
    /// different purposes have nothing to do with each other. The first key makes codes, and all check them, so that a
    /// rotation does not interrupt anything.
    pub fn authenticate(&self, purpose: &str, parts: &[&[u8]]) -> String {
        let tag = hmac::sign(&self.sealing.authenticating, &framed(purpose, parts));
        URL_SAFE_NO_PAD.encode([&self.sealing.id[..], tag.as_ref()].concat())
    }

    /// Returns whether a code was [made](Self::authenticate) of these parts with a key of this ring.
    pub fn is_authentic(&self, purpose: &str, parts: &[&[u8]], code: &str) -> bool {
        let mut buffer = [0; CODE_BYTES];
        let decoded = URL_SAFE_NO_PAD.decode_slice(code, &mut buffer);
        let Some((id, tag)) = buffer.split_at_checked(KEY_ID_BYTES).filter(|_| decoded == Ok(CODE_BYTES))
        else {
            return false;
        };
        let key = self.opening.iter().find(|key| key.id == id);
        key.is_some_and(|key| hmac::verify(&key.authenticating, &framed(purpose, parts), tag).is_ok())
    }

    fn unseal<'a>(&self, sealed: &'a mut [u8]) -> Result<&'a [u8], ConnectionTokenError> {
        use ConnectionTokenError::{Forged, Malformed, UnknownKey, UnknownVersion};
        let (header, ciphertext) = sealed.split_at_mut_checked(HEADER_BYTES).ok_or(Malformed)?;
        let (associated, nonce) = header.split_at_checked(ASSOCIATED_BYTES).ok_or(Malformed)?;
        let (version, key_id) = associated.split_first().ok_or(Malformed)?;
        if *version != VERSION {
            return Err(UnknownVersion);
        }
        let key = self.opening.iter().find(|key| key.id == key_id).ok_or(UnknownKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Malformed)?;
        let body = key.key.open_in_place(nonce, Aad::from(associated), ciphertext);
        body.map(|body| &*body).map_err(|_| Forged)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys, redacted)", self.opening.len())
    }
}

impl RingKey {
    #[expect(
        clippy::expect_used,
        reason = "a sealing key has the 32 bytes that the cipher requires, by its type, and so has what SHA-256 derives"
    )]
    fn new(key: &SealingKey) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM_SIV, key.expose()).expect("32 bytes are a key");
        let derive = |name: &[u8]| hmac::sign(&hmac::Key::new(HMAC_SHA256, key.expose()), name);
        let authenticating = hmac::Key::new(HMAC_SHA256, derive(b"hubward authentication key").as_ref());
        let of_bytes = UnboundKey::new(&AES_256_GCM_SIV, derive(b"hubward key of sealed bytes").as_ref());
        let sealing_bytes = LessSafeKey::new(of_bytes.expect("32 bytes are a key"));
        Self { id: key_id(key), key: LessSafeKey::new(unbound), authenticating, sealing_bytes }
    }

    #[expect(
        clippy::expect_used,
        reason = "the cipher refuses only messages of many gigabytes; a body has under 200 KiB"
    )]
    fn seal(&self, body: &[u8]) -> ConnectionToken {
        let nonce = random_bytes::<NONCE_BYTES>();
        let [a, b, c, d] = self.id;
        let associated = [VERSION, a, b, c, d];
        let mut sealed = body.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut sealed)
            .expect("a short message is sealed");
        ConnectionToken::new(URL_SAFE_NO_PAD.encode([&associated[..], &nonce, &sealed].concat()))
    }
}

/// Joins the parts, each with its length before it, so that no two lists of parts give the same bytes.
fn framed(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(512);
    for part in [purpose.as_bytes()].iter().chain(parts) {
        framed.extend_from_slice(&(part.len() as u64).to_be_bytes());
        framed.extend_from_slice(part);
    }
    framed
}

/// Returns an id that distinguishes the keys of a ring without revealing anything about them.
fn key_id(key: &SealingKey) -> [u8; KEY_ID_BYTES] {
    let mut context = sha256();
    context.update(b"hubward sealing key id\0");
    context.update(key.expose());
    first_bytes(context)
}

#[cfg(test)]
mod tests;

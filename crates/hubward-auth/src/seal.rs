//! Connection tokens: what a client must present to reach its connection, sealed so that any node can open it
//! and nobody else can read or make one. Nothing is stored: a negotiate that is never followed up costs no
//! memory.
//!
//! A token is base64url without padding of `version (1) · key id (4) · nonce (12) · ciphertext · tag (16)`,
//! sealed with AES-256-GCM-SIV, which keeps its promises even should a nonce repeat. Version and key id are
//! the associated data. The body is `flags (1) · identity (16) · issued (8) · expires (8)`, then connection
//! id, hub and owner, each a length (2) and UTF-8; numbers are big-endian, times seconds since 1970.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubward_types::{ConnectionId, ConnectionToken, HubName, NodeId};

use crate::random::random_bytes;
use crate::{AuthConfigError, ConnectionTokenError, Identity};

mod key;

pub use key::SealingKey;

/// How long a token's text may be. Tokens of usual names have some 160 characters.
const MAX_TEXT_BYTES: usize = 1024;

/// What [`MAX_TEXT_BYTES`] of base64url decode to.
const MAX_SEALED_BYTES: usize = MAX_TEXT_BYTES / 4 * 3;

/// Written first, so that a later layout can be told from this one.
const VERSION: u8 = 1;

const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;
const ASSOCIATED_BYTES: usize = 1 + KEY_ID_BYTES;
const HEADER_BYTES: usize = ASSOCIATED_BYTES + NONCE_BYTES;

const FLAG_STATEFUL: u8 = 1;

/// What a connection token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionTokenClaims {
    /// The public name of the connection.
    pub connection_id: ConnectionId,
    /// The hub that it was negotiated for.
    pub hub: HubName,
    /// The node that holds the connection.
    pub owner: NodeId,
    /// Who negotiated. Later requests must be from the same.
    pub identity: Identity,
    /// Whether stateful reconnect was agreed on.
    pub stateful: bool,
    /// When it was negotiated, in whole seconds.
    pub issued_at: SystemTime,
    /// Until when the connection may be opened first, in whole seconds. It means nothing afterwards.
    pub expires_at: SystemTime,
}

/// The keys that connection tokens are sealed and opened with. Cloning it is cheap.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use hubward_auth::{Identity, KeyRing, ConnectionTokenClaims, random_id};
/// use hubward_types::Principal;
///
/// let ring = KeyRing::random();
/// let now = SystemTime::now();
/// let token = ring.seal(&ConnectionTokenClaims {
///     connection_id: random_id(),
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
}

impl KeyRing {
    /// Makes a ring of one new random key, for a node that stands alone: no other node opens its tokens, nor
    /// does the node itself after a restart.
    pub fn random() -> Self {
        Self::of_one(RingKey::new(&SealingKey::random()))
    }

    /// Makes a ring of these keys: the first seals, all open. To rotate, first add the new key last on every
    /// node, then move it to the front, then drop the old one.
    ///
    /// # Errors
    /// Refuses no key, a key given twice, and more than 16.
    pub fn new(keys: Vec<SealingKey>) -> Result<Self, AuthConfigError> {
        const LIMIT: usize = 16; // Each rotation needs two; the rest only makes lookups slower.
        if keys.len() > LIMIT {
            return Err(AuthConfigError::TooManyKeys { count: keys.len(), limit: LIMIT });
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

    fn of_one(key: RingKey) -> Self {
        let key = Arc::new(key);
        Self { opening: [Arc::clone(&key)].into(), sealing: key }
    }

    /// Seals a token. The names in it should have no more than some 600 bytes together: a token whose text
    /// would be longer than 1 KiB is made but does not open.
    pub fn seal(&self, sealed: &ConnectionTokenClaims) -> ConnectionToken {
        self.sealing.seal(body(sealed))
    }

    /// Opens a token. Whether it has lapsed, and whether it is for this hub and this principal, is for the
    /// caller to check: what a lapse means depends on whether the connection was opened in time.
    ///
    /// # Errors
    /// Tells a text that was not sealed with a key of this ring, or was altered since.
    pub fn open(&self, text: &str) -> Result<ConnectionTokenClaims, ConnectionTokenError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(ConnectionTokenError::TooLong);
        }
        let mut buffer = [0; MAX_SEALED_BYTES];
        let length =
            URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).map_err(|_| ConnectionTokenError::Malformed)?;
        let bytes = buffer.get_mut(..length).ok_or(ConnectionTokenError::Malformed)?;

        let (header, ciphertext) =
            bytes.split_at_mut_checked(HEADER_BYTES).ok_or(ConnectionTokenError::Malformed)?;
        let (associated, nonce) =
            header.split_at_checked(ASSOCIATED_BYTES).ok_or(ConnectionTokenError::Malformed)?;
        let (version, key_id) = associated.split_first().ok_or(ConnectionTokenError::Malformed)?;
        if *version != VERSION {
            return Err(ConnectionTokenError::UnknownVersion);
        }
        let key = self.opening.iter().find(|key| key.id == key_id).ok_or(ConnectionTokenError::UnknownKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| ConnectionTokenError::Malformed)?;
        let body = key
            .key
            .open_in_place(nonce, Aad::from(associated), ciphertext)
            .map_err(|_| ConnectionTokenError::Forged)?;
        read_body(body).ok_or(ConnectionTokenError::Malformed)
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
        reason = "a sealing key has the 32 bytes that the cipher asks for, by its type"
    )]
    fn new(key: &SealingKey) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM_SIV, key.expose()).expect("32 bytes are a key");
        Self { id: key_id(key), key: LessSafeKey::new(unbound) }
    }

    #[expect(
        clippy::expect_used,
        reason = "the cipher refuses only texts of many gigabytes; a body has under 200 KiB"
    )]
    fn seal(&self, mut body: Vec<u8>) -> ConnectionToken {
        let mut associated = [VERSION; ASSOCIATED_BYTES];
        for (to, from) in associated.iter_mut().skip(1).zip(self.id) {
            *to = from;
        }
        let nonce = random_bytes::<NONCE_BYTES>();
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated),
                body.get_mut(HEADER_BYTES..).unwrap_or_default(),
            )
            .expect("a short text is sealed");
        for (to, from) in body.iter_mut().zip(associated.iter().chain(&nonce)) {
            *to = *from;
        }
        body.extend_from_slice(tag.as_ref());
        ConnectionToken::new(URL_SAFE_NO_PAD.encode(body))
    }
}

/// Tells a ring's keys apart without saying anything about them.
fn key_id(key: &SealingKey) -> [u8; KEY_ID_BYTES] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"hubward sealing key id\0");
    context.update(key.expose());
    let mut id = [0; KEY_ID_BYTES];
    for (to, from) in id.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    id
}

/// Writes the body, behind room for the header.
fn body(sealed: &ConnectionTokenClaims) -> Vec<u8> {
    let mut to = Vec::with_capacity(192);
    to.extend_from_slice(&[0; HEADER_BYTES]);
    to.push(if sealed.stateful { FLAG_STATEFUL } else { 0 });
    to.extend_from_slice(sealed.identity.as_bytes());
    for time in [sealed.issued_at, sealed.expires_at] {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        to.extend_from_slice(&seconds.to_be_bytes());
    }
    for name in [sealed.connection_id.as_str(), sealed.hub.as_str(), sealed.owner.as_str()] {
        // A name that does not fit its length makes a token that is too long to open in any case.
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        to.extend_from_slice(&length.to_be_bytes());
        to.extend(name.bytes().take(usize::from(length)));
    }
    to
}

fn read_body(body: &[u8]) -> Option<ConnectionTokenClaims> {
    let mut rest = body;
    let [flags] = *take::<1>(&mut rest)?;
    let identity = Identity::from_bytes(*take(&mut rest)?);
    let issued_at = take_time(&mut rest)?;
    let expires_at = take_time(&mut rest)?;
    let connection_id = ConnectionId::from(take_name(&mut rest)?);
    let hub = HubName::from(take_name(&mut rest)?);
    let owner = NodeId::from(take_name(&mut rest)?);
    let known = flags & !FLAG_STATEFUL == 0 && rest.is_empty();
    let stateful = flags & FLAG_STATEFUL != 0;
    known.then_some(ConnectionTokenClaims {
        connection_id,
        hub,
        owner,
        identity,
        stateful,
        issued_at,
        expires_at,
    })
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(bytes)
}

fn take_time(rest: &mut &[u8]) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*take(rest)?)))
}

fn take_name<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::from(u16::from_be_bytes(*take(rest)?));
    let (name, after) = rest.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(name).ok()
}

#[cfg(test)]
mod tests;

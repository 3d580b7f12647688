//! What a connection token says, and how that is written as bytes before they are sealed.
//!
//! The layout is `flags (1) · identity (16) · issued (8) · expires (8)`, then connection id, hub and owner,
//! each as length (2) and UTF-8. Numbers are big-endian, times are seconds since 1970. Nodes of two versions
//! serve one cluster while it is upgraded: a change of the layout needs a new version in `key_ring.rs`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hubward_types::{ConnectionId, HubName, NodeId};

use super::identity::Identity;

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
    /// Who negotiated. Later requests must be from the same user.
    pub identity: Identity,
    /// Whether stateful reconnect was negotiated.
    pub stateful: bool,
    /// When it was negotiated, in whole seconds.
    pub issued_at: SystemTime,
    /// Until when the connection may be opened, in whole seconds. Once it is open, this has no meaning.
    pub expires_at: SystemTime,
}

impl ConnectionTokenClaims {
    /// Writes the claims. A name of over 64 KiB is cut, but makes a token that is too long to open anyway.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(128);
        to.push(if self.stateful { FLAG_STATEFUL } else { 0 });
        to.extend_from_slice(self.identity.as_bytes());
        for time in [self.issued_at, self.expires_at] {
            let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            to.extend_from_slice(&seconds.to_be_bytes());
        }
        for name in [self.connection_id.as_str(), self.hub.as_str(), self.owner.as_str()] {
            let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
            to.extend_from_slice(&length.to_be_bytes());
            to.extend(name.bytes().take(usize::from(length)));
        }
        to
    }

    /// Reads the claims, unless the layout is not exactly the one that is written.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let [flags] = *take::<1>(&mut rest)?;
        let claims = Self {
            identity: Identity::from_bytes(*take(&mut rest)?),
            issued_at: take_time(&mut rest)?,
            expires_at: take_time(&mut rest)?,
            connection_id: take_name(&mut rest)?.into(),
            hub: take_name(&mut rest)?.into(),
            owner: take_name(&mut rest)?.into(),
            stateful: flags & FLAG_STATEFUL != 0,
        };
        let is_known = flags & !FLAG_STATEFUL == 0 && rest.is_empty();
        is_known.then_some(claims)
    }
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

//! Identities, contents and states as bytes: one byte of version, and then MessagePack. They hold personal data and what is
//! sent to clients: they go to other nodes only over connections that are protected, and into a store only sealed.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hubward_proto::Protocol;
use hubward_transport::RequestInfo;
use hubward_types::{GroupName, Principal};
use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;

use super::form::{ContentForm, IdentityForm, ItemForm, PrincipalForm, StateForm};
use super::{
    MAX_IDENTITY_BYTES, MAX_STATE_BYTES, SavedItem, SessionContent, SessionIdentity, SessionState, StateError,
};

/// The form that is written, and the only one that is read: what it does not know, a node refuses.
const VERSION: u8 = 1;

impl SessionIdentity {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, StateError> {
        let remote = self.request.remote_address().map(|address| address.to_string());
        let form = IdentityForm {
            hub: self.hub.as_str(),
            connection: self.connection.as_str(),
            token_id: self.token_id.as_str(),
            token_expires_at: micros(self.token_expires_at),
            protocol: self.protocol.index() as u8,
            principal: self.principal.is_authenticated().then(|| principal_form(&self.principal)),
            request: Bytes::new(self.request.packed()),
            remote: remote.as_deref(),
            groups: self.groups.iter().map(GroupName::as_str).collect(),
        };
        encode(&form, MAX_IDENTITY_BYTES)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let form: IdentityForm<'_> = decode(bytes, MAX_IDENTITY_BYTES)?;
        let protocol = Protocol::ALL.get(usize::from(form.protocol)).ok_or(StateError::Malformed)?;
        let remote = form.remote.map(str::parse).transpose().map_err(|_| StateError::Malformed)?;
        let request = RequestInfo::unpack(form.request, remote).ok_or(StateError::Malformed)?;
        Ok(Self {
            hub: form.hub.into(),
            connection: form.connection.into(),
            token_id: form.token_id.into(),
            token_expires_at: time(form.token_expires_at)?,
            protocol: *protocol,
            principal: form.principal.map_or(Ok(Principal::anonymous()), principal)?,
            request: Arc::new(request),
            groups: form.groups.into_iter().map(GroupName::from).collect(),
        })
    }
}

impl SessionContent {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, StateError> {
        check_len(self.len(), MAX_STATE_BYTES)?;
        let form = ContentForm {
            session: self.session.clone(),
            waiting: self.waiting.clone(),
            items: self
                .items
                .iter()
                .map(|SavedItem { name, value }| ItemForm { name, value: Bytes::new(value) })
                .collect(),
        };
        encode(&form, MAX_STATE_BYTES)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let form: ContentForm<'_> = decode(bytes, MAX_STATE_BYTES)?;
        let item = |form: ItemForm<'_>| SavedItem { name: form.name.to_owned(), value: form.value.to_vec() };
        Ok(Self {
            session: form.session,
            waiting: form.waiting,
            items: form.items.into_iter().map(item).collect(),
        })
    }
}

impl SessionState {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, StateError> {
        let (identity, content) = (self.identity.encode()?, self.content.encode()?);
        encode(&StateForm { identity: Bytes::new(&identity), content: Bytes::new(&content) }, MAX_STATE_BYTES)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let form: StateForm<'_> = decode(bytes, MAX_STATE_BYTES)?;
        Ok(Self {
            identity: SessionIdentity::decode(form.identity)?,
            content: SessionContent::decode(form.content)?,
        })
    }
}

fn encode(form: &impl Serialize, limit: usize) -> Result<Vec<u8>, StateError> {
    let mut bytes = vec![VERSION];
    // Nothing of a form fails to be written into memory.
    rmp_serde::encode::write(&mut bytes, form).map_err(|_| StateError::Malformed)?;
    check_len(bytes.len(), limit)?;
    Ok(bytes)
}

/// The errors of the reader are not passed on: they may quote what was read.
fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], limit: usize) -> Result<T, StateError> {
    check_len(bytes.len(), limit)?;
    match bytes.split_first() {
        Some((&VERSION, form)) => rmp_serde::from_slice(form).map_err(|_| StateError::Malformed),
        Some((&version, _)) => Err(StateError::UnknownVersion(version)),
        None => Err(StateError::Malformed),
    }
}

fn check_len(bytes: usize, limit: usize) -> Result<(), StateError> {
    if bytes > limit { Err(StateError::TooLarge { bytes, limit }) } else { Ok(()) }
}

fn principal_form(principal: &Principal) -> PrincipalForm<'_> {
    PrincipalForm {
        user_id: principal.user_id().map(|user| user.as_str()),
        roles: principal.roles().collect(),
        claims: principal.all_claims().collect(),
        expires_at: principal.expires_at().map(micros),
    }
}

fn principal(form: PrincipalForm<'_>) -> Result<Principal, StateError> {
    let mut builder = Principal::builder();
    if let Some(user_id) = form.user_id {
        builder = builder.user_id(user_id);
    }
    builder = form.roles.into_iter().fold(builder, |builder, role| builder.role(role));
    builder = form.claims.into_iter().fold(builder, |builder, (name, value)| builder.claim(name, value));
    if let Some(expires_at) = form.expires_at {
        builder = builder.expires_at(time(expires_at)?);
    }
    Ok(builder.build())
}

/// Microseconds since 1970: half a million years fit.
fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn time(micros: u64) -> Result<SystemTime, StateError> {
    UNIX_EPOCH.checked_add(Duration::from_micros(micros)).ok_or(StateError::Malformed)
}

#[cfg(test)]
mod tests;

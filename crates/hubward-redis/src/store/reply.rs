//! What scripts return: a status, then values. Whatever cannot be read is an error, never a panic.

use std::str::FromStr;
use std::time::Duration;
use std::vec::IntoIter;

use hubward_backplane::{RegistryError, StoreError, UserMembership};
use redis::Value;

use crate::error::RedisFailure;

/// What a script has returned.
pub(super) struct ScriptReply {
    pub(super) status: ScriptStatus,
    values: IntoIter<Value>,
}

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ScriptStatus {
    Done,
    Fenced,
    Claimed,
    NotOwner,
    Banned,
    Duplicate,
}

impl ScriptReply {
    pub(super) fn read(value: Value) -> Result<Self, RedisFailure> {
        let Value::Array(values) = value else { return Err(unreadable("it is no array")) };
        let mut values = values.into_iter();
        let status = match values.next() {
            Some(Value::BulkString(status)) => match &status[..] {
                b"OK" => ScriptStatus::Done,
                b"FENCED" => ScriptStatus::Fenced,
                b"CLAIMED" => ScriptStatus::Claimed,
                b"NOT_OWNER" => ScriptStatus::NotOwner,
                b"BANNED" => ScriptStatus::Banned,
                b"DUPLICATE" => ScriptStatus::Duplicate,
                _ => return Err(unreadable("its status is not known")),
            },
            _ => return Err(unreadable("it has no status")),
        };
        Ok(Self { status, values })
    }

    /// Returns how many values are left.
    pub(super) fn left(&self) -> usize {
        self.values.len()
    }

    /// Reads a text; `None` at the end.
    pub(super) fn text(&mut self) -> Result<Option<String>, RedisFailure> {
        match self.values.next() {
            None => Ok(None),
            Some(Value::BulkString(bytes)) => {
                String::from_utf8(bytes).map(Some).map_err(|_| unreadable("a name in it is not UTF-8"))
            }
            Some(_) => Err(unreadable("a name in it is no text")),
        }
    }

    /// Reads a text that must be there.
    pub(super) fn expect_text(&mut self) -> Result<String, RedisFailure> {
        self.text()?.ok_or_else(ended)
    }

    /// Reads bytes that must be there.
    pub(super) fn expect_bytes(&mut self) -> Result<Vec<u8>, RedisFailure> {
        match self.values.next() {
            Some(Value::BulkString(bytes)) => Ok(bytes),
            _ => Err(ended()),
        }
    }

    /// Reads a number that must be there.
    pub(super) fn expect_number(&mut self) -> Result<u64, RedisFailure> {
        match self.values.next() {
            Some(Value::Int(number)) => {
                u64::try_from(number).map_err(|_| unreadable("a number in it is negative"))
            }
            Some(Value::BulkString(bytes)) => parse(&bytes),
            _ => Err(ended()),
        }
    }

    /// Reads a time to live: `None` where it does not end.
    pub(super) fn expect_ttl(&mut self) -> Result<Option<Duration>, RedisFailure> {
        let bytes = self.expect_bytes()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        parse(&bytes).map(|milliseconds| Some(Duration::from_millis(milliseconds)))
    }

    /// Reads memberships of a user: so many, or as many as are left.
    pub(super) fn memberships(&mut self, count: usize) -> Result<Vec<UserMembership>, RedisFailure> {
        let count = count.min(self.left());
        (0..count).map(|_| Ok((self.expect_text()?.into(), self.expect_ttl()?))).collect()
    }

    /// Reads all that is left as texts.
    pub(super) fn texts<T: From<String>>(mut self) -> Result<Vec<T>, RedisFailure> {
        let mut texts = Vec::with_capacity(self.left());
        while let Some(text) = self.text()? {
            texts.push(text.into());
        }
        Ok(texts)
    }
}

fn parse<T: FromStr>(bytes: &[u8]) -> Result<T, RedisFailure> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| unreadable("a number in it is none"))
}

fn ended() -> RedisFailure {
    unreadable("it ends too early")
}

fn unreadable(why: &str) -> RedisFailure {
    RedisFailure::unreadable(format!("what a script in Redis has returned cannot be read: {why}"))
}

/// A status that a call does not have.
fn unexpected() -> RedisFailure {
    unreadable("its status is not one of this call")
}

pub(super) fn store_error(failure: RedisFailure) -> StoreError {
    if failure.is_unreadable() {
        StoreError::Corrupt(Some(failure.boxed()))
    } else {
        StoreError::Unavailable(Some(failure.boxed()))
    }
}

pub(super) fn registry_error(failure: RedisFailure) -> RegistryError {
    RegistryError::Unavailable(Some(failure.boxed()))
}

/// A call that has had its effect, or the store's reason why not.
pub(super) fn done(mut reply: ScriptReply) -> Result<ScriptReply, StoreError> {
    match reply.status {
        ScriptStatus::Done => Ok(reply),
        ScriptStatus::Fenced => Err(StoreError::Fenced),
        ScriptStatus::NotOwner => Err(StoreError::NotOwner),
        ScriptStatus::Claimed => {
            let by = reply.expect_text().map_err(store_error)?;
            Err(StoreError::Claimed { by: by.into() })
        }
        ScriptStatus::Banned => Err(StoreError::Banned),
        ScriptStatus::Duplicate => Err(store_error(unexpected())),
    }
}

/// A call that has had its effect, or the registry's reason why not.
pub(super) fn registered(reply: ScriptReply) -> Result<ScriptReply, RegistryError> {
    match reply.status {
        ScriptStatus::Done => Ok(reply),
        ScriptStatus::Fenced => Err(RegistryError::Fenced),
        _ => Err(registry_error(unexpected())),
    }
}

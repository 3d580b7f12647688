//! The headers of a message: a small map of strings in the order of arrival. SignalR itself gives them no meaning;
//! clients put trace context there.

use std::borrow::Cow;

use crate::error::ProtocolError;
use crate::limits::Limits;

/// The headers of a hub message. An empty map costs no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Headers<'a> {
    /// Returns the value of a header by its exact name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Returns the number of headers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over names and values in the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Sets a header; a later value replaces an earlier one of the same name.
    pub(crate) fn insert(
        &mut self,
        name: Cow<'a, str>,
        value: Cow<'a, str>,
        limits: &Limits,
    ) -> Result<(), ProtocolError> {
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some(header) => header.1 = value,
            None => self.0.push((name, value)),
        }
        Limits::check("headers", self.0.len(), limits.headers)?;
        let bytes = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        Limits::check("bytes of headers", bytes, limits.header_bytes)
    }
}

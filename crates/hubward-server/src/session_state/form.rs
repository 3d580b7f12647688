//! Identities and contents as they are written: arrays of MessagePack, which borrow from the bytes that are read. What is read
//! may have been written by anybody: no list is longer than what such a list ever has, and no memory is allocated for a
//! length that is only declared.

use std::fmt;
use std::marker::PhantomData;

use hubward_proto::{Frame, SessionSnapshot};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_bytes::Bytes;

/// The most claims or roles of a principal: several times as many as a bearer token may have.
const MOST_CLAIMS: usize = 1_024;
/// The most groups of a connection: far above any limit of a hub that makes sense.
const MOST_GROUPS: usize = 100_000;
/// The most messages that wait: above what the mailboxes of hubs are limited to.
const MOST_WAITING: usize = 100_000;
/// The most items: one for each type that a hub declares.
const MOST_ITEMS: usize = 256;

#[derive(Serialize, Deserialize)]
pub(super) struct IdentityForm<'a> {
    pub(super) hub: &'a str,
    pub(super) connection: &'a str,
    pub(super) token_id: &'a str,
    /// Microseconds since 1970, as all times.
    pub(super) token_expires_at: u64,
    pub(super) protocol: u8,
    #[serde(borrow)]
    pub(super) principal: Option<PrincipalForm<'a>>,
    #[serde(borrow)]
    pub(super) request: &'a Bytes,
    pub(super) remote: Option<&'a str>,
    #[serde(borrow, deserialize_with = "at_most::<_, _, MOST_GROUPS>")]
    pub(super) groups: Vec<&'a str>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PrincipalForm<'a> {
    pub(super) user_id: Option<&'a str>,
    #[serde(borrow, deserialize_with = "at_most::<_, _, MOST_CLAIMS>")]
    pub(super) roles: Vec<&'a str>,
    #[serde(borrow, deserialize_with = "at_most::<_, _, MOST_CLAIMS>")]
    pub(super) claims: Vec<(&'a str, &'a str)>,
    pub(super) expires_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ContentForm<'a> {
    pub(super) session: SessionSnapshot,
    #[serde(deserialize_with = "at_most::<_, _, MOST_WAITING>")]
    pub(super) waiting: Vec<Frame>,
    #[serde(borrow, deserialize_with = "at_most::<_, _, MOST_ITEMS>")]
    pub(super) items: Vec<ItemForm<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ItemForm<'a> {
    pub(super) name: &'a str,
    #[serde(borrow)]
    pub(super) value: &'a Bytes,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StateForm<'a> {
    #[serde(borrow)]
    pub(super) identity: &'a Bytes,
    #[serde(borrow)]
    pub(super) content: &'a Bytes,
}

/// Reads a list of at most so many.
pub(crate) fn at_most<'de, D, T, const MOST: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct AtMost<T, const MOST: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for AtMost<T, MOST> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = seq.next_element()? {
                if list.len() == MOST {
                    return Err(A::Error::custom("too long"));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(AtMost::<T, MOST>(PhantomData))
}

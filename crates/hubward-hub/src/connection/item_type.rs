//! The types of items that move with a connection to another node, by the names that their hub gave them.

use std::any::TypeId;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connection::items::Items;
use crate::error::HubError;

/// A type of items that moves with a connection. Made by [`Hub::persist_item`](crate::Hub::persist_item). For engines.
#[derive(Clone)]
pub struct ItemType {
    name: Arc<str>,
    id: TypeId,
    save: fn(&Items) -> Saved,
    restore: fn(&Items, &[u8]) -> Result<(), HubError>,
}

/// The bytes of a value, where there is one.
type Saved = Option<Result<Vec<u8>, HubError>>;

impl ItemType {
    pub(crate) fn of<T>(name: &str) -> Self
    where
        T: Serialize + DeserializeOwned + Clone + Send + 'static,
    {
        Self { name: name.into(), id: TypeId::of::<T>(), save: save::<T>, restore: restore::<T> }
    }

    /// Returns the name, which is the same on every node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value of this type as bytes, where a connection has one.
    ///
    /// # Errors
    /// The value cannot be serialized. Its code may panic as well.
    pub fn save(&self, items: &Items) -> Option<Result<Vec<u8>, HubError>> {
        (self.save)(items)
    }

    /// Puts a value of this type in, from bytes.
    ///
    /// # Errors
    /// The bytes are no value of this type. Its code may panic as well.
    pub fn restore(&self, items: &Items, bytes: &[u8]) -> Result<(), HubError> {
        (self.restore)(items, bytes)
    }

    /// Whether two of a hub would be mistaken for each other.
    pub(crate) fn clashes_with(&self, other: &Self) -> bool {
        self.name == other.name || self.id == other.id
    }
}

/// Serializes a clone, so that the items are not locked meanwhile. Fields are named: another version of the type may have more.
fn save<T: Serialize + Clone + 'static>(items: &Items) -> Saved {
    let value = items.cloned::<T>()?;
    Some(rmp_serde::to_vec_named(&value).map_err(HubError::hidden))
}

fn restore<T: DeserializeOwned + Send + 'static>(items: &Items, bytes: &[u8]) -> Result<(), HubError> {
    let value: T = rmp_serde::from_slice(bytes).map_err(HubError::hidden)?;
    items.insert(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Ward {
        number: u32,
        beds: HashMap<String, Option<f64>>,
    }

    #[test]
    fn a_value_is_the_same_on_another_node() {
        let ward =
            Ward { number: 7, beds: HashMap::from([("a".to_owned(), Some(0.1)), ("b".to_owned(), None)]) };
        let (here, there) = (Items::default(), Items::default());
        let item = ItemType::of::<Ward>("ward");
        assert!(item.save(&here).is_none(), "there is none");
        here.insert(ward.clone());
        let bytes = item.save(&here).unwrap().unwrap();
        item.restore(&there, &bytes).unwrap();
        assert_eq!(there.cloned::<Ward>(), Some(ward));
    }

    #[test]
    fn another_version_of_a_type_may_have_more_fields() {
        #[derive(Clone, Serialize, Deserialize)]
        struct Newer {
            beds: HashMap<String, Option<f64>>,
            number: u32,
            #[serde(default)]
            floor: u32,
        }
        let items = Items::default();
        items.insert(Ward { number: 7, beds: HashMap::new() });
        let bytes = ItemType::of::<Ward>("ward").save(&items).unwrap().unwrap();
        ItemType::of::<Newer>("ward").restore(&items, &bytes).unwrap();
        assert_eq!(items.cloned::<Newer>().map(|newer| (newer.number, newer.floor)), Some((7, 0)));
    }

    #[test]
    fn what_is_no_value_of_the_type_is_an_error_and_changes_nothing() {
        let items = Items::default();
        items.insert(7_u32);
        assert!(ItemType::of::<u32>("number").restore(&items, b"\xa1x").is_err());
        assert_eq!(items.cloned::<u32>(), Some(7));
    }
}

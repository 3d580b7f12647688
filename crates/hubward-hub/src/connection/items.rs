//! What a hub keeps per connection: one value of each type.

use std::any::{Any, TypeId};
use std::collections::HashMap;

use parking_lot::Mutex;

type ByType = HashMap<TypeId, Box<dyn Any + Send>>;

/// The items of a connection: values that live as long as it does, one of each type. An empty collection costs a
/// pointer.
///
/// ```
/// use hubward_hub::Items;
///
/// #[derive(Clone, PartialEq, Debug)]
/// struct Ward(u32);
///
/// let items = Items::default();
/// items.insert(Ward(7));
/// assert_eq!(items.cloned::<Ward>(), Some(Ward(7)));
/// assert_eq!(items.remove::<Ward>(), Some(Ward(7)));
/// assert_eq!(items.cloned::<Ward>(), None);
/// ```
#[derive(Default)]
pub struct Items(Mutex<Option<Box<ByType>>>);

impl Items {
    /// Puts a value in; returns the one of the same type that it replaces.
    pub fn insert<T: Send + 'static>(&self, value: T) -> Option<T> {
        let replaced = self.0.lock().get_or_insert_default().insert(TypeId::of::<T>(), Box::new(value));
        replaced.and_then(|any| any.downcast().ok()).map(|boxed| *boxed)
    }

    /// Returns a clone of the value of this type.
    pub fn cloned<T: Clone + 'static>(&self) -> Option<T> {
        self.0.lock().as_ref()?.get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }

    /// Changes the value of this type in place, starting from the default where there is none, and returns what
    /// `change` returns. `change` must not use these items itself: they are locked meanwhile.
    pub fn update<T: Default + Send + 'static, R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut values = self.0.lock();
        let any =
            values.get_or_insert_default().entry(TypeId::of::<T>()).or_insert_with(|| Box::new(T::default()));
        match any.downcast_mut() {
            Some(value) => change(value),
            // Cannot happen, since the key is the type; a fresh value does no harm.
            None => change(&mut T::default()),
        }
    }

    /// Takes the value of this type out.
    pub fn remove<T: 'static>(&self) -> Option<T> {
        let any = self.0.lock().as_mut()?.remove(&TypeId::of::<T>())?;
        any.downcast().ok().map(|boxed| *boxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_replaces_the_one_of_its_type_and_no_other() {
        let items = Items::default();
        assert_eq!(items.insert(1u32), None);
        assert_eq!(items.insert("one"), None);
        assert_eq!(items.insert(2u32), Some(1));
        assert_eq!(items.cloned::<&str>(), Some("one"));
    }

    #[test]
    fn an_update_starts_from_the_default() {
        let items = Items::default();
        let count = || items.update(|calls: &mut u32| std::mem::replace(calls, *calls + 1));
        assert_eq!([count(), count(), count()], [0, 1, 2]);
    }
}

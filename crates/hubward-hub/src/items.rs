//! What a hub keeps per connection: one value of each type.

use std::any::{Any, TypeId};
use std::collections::HashMap;

use parking_lot::Mutex;

type Values = HashMap<TypeId, Box<dyn Any + Send>>;

/// The items of a connection: values that live as long as it does, one of each type. Empty ones cost a pointer.
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
pub struct Items(Mutex<Option<Box<Values>>>);

impl Items {
    /// Puts a value in; returns the one of the same type that it replaces.
    pub fn insert<T: Send + 'static>(&self, value: T) -> Option<T> {
        let before = self.0.lock().get_or_insert_default().insert(TypeId::of::<T>(), Box::new(value));
        before.and_then(|any| any.downcast().ok()).map(|boxed| *boxed)
    }

    /// Returns a clone of the value of this type.
    pub fn cloned<T: Clone + 'static>(&self) -> Option<T> {
        self.0.lock().as_ref()?.get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }

    /// Changes the value of this type in place; makes it first where it is missing.
    pub fn update<T: Default + Send + 'static, R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut values = self.0.lock();
        let any =
            values.get_or_insert_default().entry(TypeId::of::<T>()).or_insert_with(|| Box::new(T::default()));
        match any.downcast_mut() {
            Some(value) => change(value),
            // The key is the type, so this cannot be; a fresh value is the harmless answer.
            None => change(&mut T::default()),
        }
    }

    /// Takes the value of this type out.
    pub fn remove<T: 'static>(&self) -> Option<T> {
        let any = self.0.lock().as_mut()?.remove(&TypeId::of::<T>())?;
        any.downcast().ok().map(|boxed| *boxed)
    }
}

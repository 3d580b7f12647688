//! Connections that a message passes over.

use std::collections::HashSet;

use hubward_types::ConnectionId;

/// Up to here a look along the list is faster than hashing each recipient's id.
const SHORT: usize = 8;

/// A list of connections, made so that asking each of many recipients stays cheap however long the list is.
pub(crate) enum Except<'a> {
    Short(&'a [ConnectionId]),
    Long(HashSet<&'a ConnectionId>),
}

impl<'a> Except<'a> {
    pub(crate) fn new(ids: &'a [ConnectionId]) -> Self {
        if ids.len() <= SHORT { Self::Short(ids) } else { Self::Long(ids.iter().collect()) }
    }

    pub(crate) fn contains(&self, id: &ConnectionId) -> bool {
        match self {
            Self::Short(ids) => ids.contains(id),
            Self::Long(ids) => ids.contains(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_says_the_same_as_a_short_one() {
        for length in [0, 1, SHORT, SHORT + 1, 100] {
            let ids: Vec<ConnectionId> = (0..length).map(|i| format!("c{i}").into()).collect();
            let except = Except::new(&ids);
            assert!(ids.iter().all(|id| except.contains(id)));
            assert!(!except.contains(&"another".into()));
        }
    }
}

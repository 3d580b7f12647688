//! Connections that a message is not for.

use std::collections::HashSet;

use hubward_types::ConnectionId;

/// Up to here a scan of the list is faster than hashing each recipient's id.
const SHORT: usize = 8;

/// A list of connections, prepared so that checking each of many recipients stays cheap however long the list is.
pub(crate) enum Exclusions<'a> {
    Short(&'a [ConnectionId]),
    Long(HashSet<&'a ConnectionId>),
}

impl<'a> Exclusions<'a> {
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
    fn a_long_list_excludes_the_same_as_a_short_one() {
        for length in [0, 1, SHORT, SHORT + 1, 100] {
            let ids: Vec<ConnectionId> = (0..length).map(|i| format!("c{i}").into()).collect();
            let exclusions = Exclusions::new(&ids);
            assert!(ids.iter().all(|id| exclusions.contains(id)));
            assert!(!exclusions.contains(&"another".into()));
        }
    }
}

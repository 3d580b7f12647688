//! The id of a node: its name, and what tells this start of it from all others.

use hubward_types::NodeId;

/// Characters of randomness: 48 bits, for the starts of nodes of one name.
const SUFFIX_CHARACTERS: usize = 8;

/// Makes an id that no other start of a node of this name has. Otherwise a pod that is restarted under its name would be
/// taken for its predecessor, which the others have not missed yet.
pub(crate) fn of_this_start(name: &NodeId) -> NodeId {
    let suffix: String = hubward_auth::random_id().chars().take(SUFFIX_CHARACTERS).collect();
    format!("{name}-{suffix}").into()
}

#[cfg(test)]
mod tests {
    use crate::{Cluster, Hub, Hubward};

    #[test]
    fn each_start_of_a_node_has_an_id_of_its_own_that_begins_with_its_name() {
        let cluster = Cluster::in_memory();
        let ids = [
            Hubward::builder().node("pod-1").build().unwrap(),
            Hubward::builder().node("pod-1").build().unwrap(),
            Hubward::builder().join(&cluster, "pod-1").build().unwrap(),
        ]
        .map(|hubs| hubs.node().to_string());
        assert!(ids.iter().all(|id| id.starts_with("pod-1-") && id.len() == "pod-1-".len() + 8), "{ids:?}");
        assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    }

    #[tokio::test]
    async fn a_node_that_is_started_again_is_not_refused_because_its_predecessor_still_counts_as_alive() {
        let cluster = Cluster::in_memory();
        let start =
            || Hubward::builder().hub("/hub", Hub::new("hub")).join(&cluster, "pod-1").build().unwrap();
        let (crashed, restarted) = (start(), start());
        crashed.start().await.unwrap();
        restarted.start().await.unwrap();
    }
}

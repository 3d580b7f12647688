//! The in-memory network as a network of the suite, which what wraps its backplanes can be tested on, too.

use std::future::ready;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hubward_types::NodeId;

use super::recording_node::TestNetwork;
use crate::backplane::Backplane;
use crate::memory::InMemoryNetwork;
use crate::topic::Topic;

impl TestNetwork for InMemoryNetwork {
    fn backplane(&self, node: NodeId) -> Arc<dyn Backplane> {
        Arc::new(self.backplane(node))
    }

    fn interrupt<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()> {
        Self::interrupt(self, node);
        ready(()).boxed()
    }

    fn resume<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()> {
        Self::resume(self, node);
        ready(()).boxed()
    }

    fn hold<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()> {
        Self::hold(self, node);
        ready(()).boxed()
    }

    fn release<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()> {
        Self::release(self, node);
        ready(()).boxed()
    }

    fn refuse(&self, topic: Topic) -> BoxFuture<'_, ()> {
        Self::refuse(self, topic);
        ready(()).boxed()
    }
}

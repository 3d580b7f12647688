//! A call with streams, counted by its connection for as long as it runs.

use std::sync::Arc;

use super::handle::ConnectionHandle;

/// A call with streams that has not ended. Dropped when it has, after its completion was sent.
pub(crate) struct OpenStream(Arc<ConnectionHandle>);

impl OpenStream {
    pub(crate) fn begin(connection: &Arc<ConnectionHandle>) -> Self {
        connection.begin_stream();
        Self(connection.clone())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.end_stream();
    }
}

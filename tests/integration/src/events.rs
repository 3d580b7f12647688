//! What happens inside a hub, in order, for a test to wait for.

use hubward_testing::within;
use tokio::sync::mpsc;

/// Makes both ends: a hub's methods and callbacks record, the test reads.
pub fn events<T>() -> (EventRecorder<T>, Events<T>) {
    let (tx, rx) = mpsc::unbounded_channel();
    (EventRecorder(tx), Events(rx))
}

/// Records what happens. Clones record into the same sequence.
#[derive(Debug)]
pub struct EventRecorder<T>(mpsc::UnboundedSender<T>);

impl<T> EventRecorder<T> {
    /// Records an event. A test that has ended does not read it any more.
    pub fn record(&self, event: impl Into<T>) {
        let _ = self.0.send(event.into());
    }
}

impl<T> Clone for EventRecorder<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What was recorded.
#[derive(Debug)]
pub struct Events<T>(mpsc::UnboundedReceiver<T>);

impl<T> Events<T> {
    /// Waits for the next event.
    pub async fn next(&mut self) -> T {
        within("an event", self.0.recv()).await.expect("a recorder is left")
    }

    /// The next event, if it has been recorded.
    pub fn try_next(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

impl Events<String> {
    /// Waits for exactly these events, in this order.
    pub async fn expect(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(within(expected, self.0.recv()).await.as_deref(), Some(*expected));
        }
    }
}

//! The calls of one connection that go on in tasks of their own. A connection that moves to another node waits for them; those
//! that take too long it fails, and what they complete with later is not sent.

use parking_lot::Mutex;

/// Nothing but a pointer and two numbers where no call runs.
#[derive(Default)]
pub(crate) struct OpenCalls(Mutex<Vec<Open>>);

struct Open {
    call: u64,
    /// Where the client waits for a completion.
    id: Option<Box<str>>,
    /// Whether it is sending its completion: it is about to end, and cannot fail any more.
    completes: bool,
}

impl OpenCalls {
    pub(crate) fn begin(&self, call: u64, id: Option<&str>) {
        let open = Open { call, id: id.map(Box::from), completes: false };
        self.0.lock().push(open);
    }

    /// Returns whether a call may send its completion, which it does now: not where it has failed.
    pub(crate) fn completes(&self, call: u64) -> bool {
        let mut calls = self.0.lock();
        let found = calls.iter_mut().find(|open| open.call == call);
        found.map(|open| open.completes = true).is_some()
    }

    /// Notes that a call has ended, and what it completed with has been sent.
    pub(crate) fn ended(&self, call: u64) {
        let mut calls = self.0.lock();
        calls.retain(|open| open.call != call);
        if calls.is_empty() {
            *calls = Vec::new();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Fails all calls that do not complete yet. Returns the ids that their client waits for.
    pub(crate) fn fail(&self) -> Vec<Box<str>> {
        let mut calls = self.0.lock();
        let (completing, failed) = std::mem::take(&mut *calls).into_iter().partition(|open| open.completes);
        *calls = completing;
        let failed: Vec<Open> = failed;
        failed.into_iter().filter_map(|open| open.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_has_failed_does_not_complete_and_one_that_completes_does_not_fail() {
        let calls = OpenCalls::default();
        for call in 1..=3 {
            calls.begin(call, Some(&call.to_string()));
        }
        calls.begin(4, None);
        assert!(calls.completes(1));
        assert_eq!(calls.fail(), ["2".into(), "3".into()]);
        assert!(!calls.completes(2) && !calls.completes(4));
        assert!(!calls.is_empty(), "the first has yet to send its completion");
        calls.ended(1);
        calls.ended(2);
        assert!(calls.is_empty());
    }
}

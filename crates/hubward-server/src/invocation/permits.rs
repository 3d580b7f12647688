//! The permits of one connection's calls: the right to run, of which a client has few at once. A call that waits for a
//! client result has none, and gets one back before it goes on.

use std::collections::{HashMap, VecDeque};

use hubward_hub::HubOptions;
use smallvec::SmallVec;
use tokio::sync::oneshot;

/// How many calls of one connection there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    /// Those that hold a permit.
    pub(crate) parallel: usize,
    /// Those besides that wait for client results.
    pub(crate) total: usize,
}

impl CallLimits {
    pub(crate) fn of(options: &HubOptions) -> Self {
        let parallel = options.maximum_parallel_invocations.max(1);
        Self { parallel, total: options.calls_per_connection.max(parallel) }
    }
}

/// Who holds a permit, and who waits for one to go on. What few connections need is boxed.
#[derive(Default)]
pub(crate) struct Permits {
    holding: SmallVec<[u64; 2]>,
    suspended: Option<Box<Suspended>>,
}

/// Calls that have no permit because of client results.
#[derive(Default)]
struct Suspended {
    /// How many results each waits for.
    calls: HashMap<u64, usize>,
    /// Those that have theirs, and wait for a permit to go on.
    resuming: VecDeque<(u64, oneshot::Sender<()>)>,
}

impl Permits {
    /// Whether the next call may start, or fail because there are too many. It waits only while another one runs, never
    /// where all wait for client results: those are read behind it.
    pub(crate) fn may_start(&self, limits: CallLimits) -> bool {
        self.holding.len() < limits.parallel && (self.holding.is_empty() || !self.is_full(limits))
    }

    pub(crate) fn is_full(&self, limits: CallLimits) -> bool {
        let suspended = self.suspended.as_ref().map_or(0, |suspended| suspended.calls.len());
        self.holding.len() + suspended >= limits.total
    }

    /// Whether no call runs, or waits for a client result.
    pub(crate) fn is_idle(&self) -> bool {
        self.holding.is_empty() && self.suspended.is_none()
    }

    /// Gives a permit to a call that has started.
    pub(crate) fn hold(&mut self, call: u64) {
        self.holding.push(call);
    }

    /// Takes the permit of a call that has ended.
    pub(crate) fn ended(&mut self, call: u64) {
        self.holding.retain(|held| *held != call);
        if let Some(suspended) = &mut self.suspended {
            suspended.calls.remove(&call);
            self.tidy();
        }
    }

    /// Takes the permit of a call that waits for a client result.
    pub(crate) fn suspend(&mut self, call: u64) {
        if let Some(place) = self.holding.iter().position(|held| *held == call) {
            self.holding.remove(place);
            self.suspended.get_or_insert_default().calls.insert(call, 1);
        } else if let Some(results) = self.suspended.as_mut().and_then(|calls| calls.calls.get_mut(&call)) {
            *results += 1;
        }
    }

    /// Notes that a call waits for one client result less. When it waits for none, it gets its permit when it is its
    /// turn; one that goes on already has it at once. A call that takes none goes on.
    pub(crate) fn resume(&mut self, call: u64, granted: Option<oneshot::Sender<()>>) {
        let Some(suspended) = &mut self.suspended else { return go_on(granted) };
        let Some(results) = suspended.calls.get_mut(&call) else { return go_on(granted) };
        *results = results.saturating_sub(1);
        match granted {
            Some(granted) if *results == 0 => suspended.resuming.push_back((call, granted)),
            None if *results == 0 => {
                suspended.calls.remove(&call);
                self.holding.push(call);
                self.tidy();
            }
            granted => go_on(granted),
        }
    }

    /// Gives permits to calls that go on: before any new call starts.
    pub(crate) fn grant(&mut self, limits: CallLimits) {
        let Some(suspended) = &mut self.suspended else { return };
        while self.holding.len() < limits.parallel
            && let Some((call, granted)) = suspended.resuming.pop_front()
        {
            if suspended.calls.get(&call) == Some(&0) {
                suspended.calls.remove(&call);
                self.holding.push(call);
            }
            go_on(Some(granted));
        }
        self.tidy();
    }

    /// Lets all go on that wait for a permit: the connection closes.
    pub(crate) fn close(&mut self) {
        self.suspended = None;
    }

    fn tidy(&mut self) {
        let empty = |suspended: &Suspended| suspended.calls.is_empty() && suspended.resuming.is_empty();
        if self.suspended.as_deref().is_some_and(empty) {
            self.suspended = None;
        }
    }
}

/// Lets a call go on; one that does not wait for it any more has gone on.
fn go_on(granted: Option<oneshot::Sender<()>>) {
    if let Some(granted) = granted {
        let _ = granted.send(());
    }
}

#[cfg(test)]
mod tests;

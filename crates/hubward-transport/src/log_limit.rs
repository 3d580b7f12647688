//! How many log lines clients can cause at will: some of each kind, and then one with the number of the rest. Only what is
//! refused, fails, begins or ends comes here, so that its lock is not on the way of messages.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The time that a limit is for: short enough that an operator who watches the log learns the number soon.
const WINDOW: Duration = Duration::from_secs(10);

/// How many lines of one kind are logged in ten seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Of what one mistake causes again and again, such as a program that publishes under the nodes' prefix.
    One = 1,
    /// Of what should be rare: enough to see who causes it and why, and a rate that no log minds.
    Few = 10,
    /// Of what belongs to every connection: more than clients cause that connect as they should, and a bound.
    Many = 1000,
}

/// A limit of log lines for each kind `K`, of which there has to be a fixed number.
#[derive(Clone)]
pub struct LogLimit<K> {
    windows: Arc<Windows<K>>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl<K> fmt::Debug for LogLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLimit").finish_non_exhaustive()
    }
}

/// The windows of all kinds. What they still withhold is counted when they are dropped.
struct Windows<K>(Mutex<HashMap<K, Window>>);

struct Window {
    began: Instant,
    lines: usize,
    withheld: u64,
    /// What logs the number of withheld lines, where there are any.
    rest: Option<Rest>,
    /// Whether a task waits to do so.
    awaited: bool,
}

/// Logs how many lines were withheld.
type Rest = Box<dyn FnOnce(u64) + Send>;

impl<K: Clone + Eq + Hash + Send + 'static> LogLimit<K> {
    /// Makes a limit. The numbers are logged by tasks of the tracker, which end at the shutdown at the latest.
    pub fn new(tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        Self { windows: Arc::new(Windows(Mutex::default())), tasks, shutdown }
    }

    /// Returns whether a line may be logged. Where it may not, `summarize` logs how many could not when the time of the
    /// limit is over, whether or not more come; only the first that is withheld is taken for that.
    pub fn allows(&self, kind: K, most: Lines, summarize: impl FnOnce(u64) + Send + 'static) -> bool {
        let now = Instant::now();
        let mut windows = self.windows.0.lock();
        let window = windows.entry(kind.clone()).or_insert(Window::new(now));
        if window.is_over(now) {
            let ended = std::mem::replace(window, Window { lines: 1, ..Window::new(now) });
            // It may log, which is done outside of the lock.
            drop(windows);
            ended.end();
            return true;
        }
        if window.lines < most as usize {
            window.lines += 1;
            return true;
        }
        window.withheld += 1;
        if window.rest.is_some() {
            return false;
        }
        window.rest = Some(Box::new(summarize));
        // The shutdown is not to wait for a task, and a thread without a runtime has none.
        let Ok(runtime) = Handle::try_current() else { return false };
        if !self.shutdown.is_cancelled() {
            window.awaited = true;
            let until = window.began + WINDOW;
            drop(windows);
            self.tasks.spawn_on(self.clone().summarize_at(until, kind), &runtime);
        }
        false
    }

    async fn summarize_at(self, until: Instant, kind: K) {
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = self.shutdown.cancelled() => {}
        }
        let rest = self.windows.0.lock().get_mut(&kind).and_then(|window| {
            window.awaited = false;
            Some((window.rest.take()?, std::mem::take(&mut window.withheld)))
        });
        if let Some((rest, withheld)) = rest {
            rest(withheld);
        }
    }
}

impl Window {
    fn new(began: Instant) -> Self {
        Self { began, lines: 0, withheld: 0, rest: None, awaited: false }
    }

    /// Whether its time is over. A task that has not logged its number as long again never will: its runtime has ended, or nobody
    /// drives it.
    fn is_over(&self, now: Instant) -> bool {
        let time = if self.awaited { 2 * WINDOW } else { WINDOW };
        now.duration_since(self.began) >= time
    }

    fn end(self) {
        if let Some(rest) = self.rest {
            rest(self.withheld);
        }
    }
}

impl<K> Drop for Windows<K> {
    fn drop(&mut self) {
        std::mem::take(self.0.get_mut()).into_values().for_each(Window::end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: usize = Lines::Few as usize;

    struct Limited {
        limit: LogLimit<&'static str>,
        summaries: Arc<Mutex<Vec<u64>>>,
    }

    impl Limited {
        fn new() -> Self {
            let limit = LogLimit::new(TaskTracker::new(), CancellationToken::new());
            Self { limit, summaries: Arc::default() }
        }

        fn lines(&self, kind: &'static str, attempts: usize) -> usize {
            let allowed = || {
                let summaries = self.summaries.clone();
                self.limit.allows(kind, Lines::Few, move |withheld| summaries.lock().push(withheld))
            };
            (0..attempts).filter(|_| allowed()).count()
        }

        fn summaries(&self) -> Vec<u64> {
            std::mem::take(&mut self.summaries.lock())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_a_flood_is_one_line_though_nothing_more_comes() {
        let limited = Limited::new();
        assert_eq!(limited.lines("a", 1000), LINES);
        assert_eq!(limited.lines("b", 3), 3, "each kind has its own limit");
        tokio::time::sleep(2 * WINDOW).await;
        assert_eq!(limited.summaries(), [1000 - LINES as u64]);
        assert_eq!(limited.lines("a", 2), 2, "the limit begins anew");
        tokio::time::sleep(2 * WINDOW).await;
        assert!(limited.summaries().is_empty(), "nothing was withheld");
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_is_logged_at_the_shutdown_and_the_limit_holds_after_it() {
        let limited = Limited::new();
        limited.lines("a", LINES + 2);
        limited.limit.shutdown.cancel();
        limited.limit.tasks.close();
        limited.limit.tasks.wait().await;
        assert_eq!(limited.summaries(), [2]);
        assert_eq!(limited.lines("a", 100), 0);
        assert!(limited.limit.tasks.is_empty(), "nobody has to wait for a task");
        tokio::time::advance(WINDOW).await;
        assert_eq!(limited.lines("a", LINES + 3), LINES);
        assert_eq!(
            limited.summaries(),
            [100],
            "what was withheld since is counted when the limit begins anew"
        );
        let summaries = limited.summaries.clone();
        drop(limited);
        assert_eq!(*summaries.lock(), [3], "and at last when nothing can come any more");
    }

    #[tokio::test(start_paused = true)]
    async fn whose_runtime_does_not_go_on_is_counted_when_the_limit_begins_anew() {
        let limited = Limited::new();
        let idle = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let entered = idle.enter();
        limited.lines("a", LINES + 2);
        drop(entered);
        assert_eq!(limited.lines("a", 1), 0);
        tokio::time::advance(3 * WINDOW).await;
        assert_eq!(limited.lines("a", 1), 1);
        assert_eq!(limited.summaries(), [3]);
        idle.shutdown_background();
    }

    #[test]
    fn a_thread_without_a_runtime_is_limited_as_well() {
        let limited = Limited::new();
        assert_eq!(limited.lines("a", LINES + 2), LINES);
        let summaries = limited.summaries.clone();
        drop(limited);
        assert_eq!(*summaries.lock(), [2]);
    }
}

//! Tests of waking in portions, by one thread at a time.

mod stress;

use std::time::Duration;

use hubward_testing::WakeCounter;

use super::*;
use crate::connection::wake_batch;

/// Portions of a node whose connections run in this runtime, if there is one.
fn here() -> Arc<WakePortions> {
    let portions = WakePortions::new(TaskTracker::new(), ConnectionRuntime::default());
    portions.runtime.note();
    portions
}

fn wakers(counter: &Arc<WakeCounter>, count: usize) -> std::vec::IntoIter<Waker> {
    vec![Waker::from(counter.clone()); count].into_iter()
}

#[tokio::test]
async fn a_portion_is_woken_at_once_and_the_rest_after_it_even_where_more_come() {
    let portions = here();
    let (first, second) = (Arc::<WakeCounter>::default(), Arc::<WakeCounter>::default());
    portions.wake(wakers(&first, 3 * PER_WORKER));
    portions.wake(wakers(&second, 1));
    assert_eq!(
        (first.count(), second.count()),
        (PER_WORKER, 0),
        "those that were there first are woken first"
    );
    portions.tasks.close();
    portions.tasks.wait().await;
    assert_eq!((first.count(), second.count()), (3 * PER_WORKER, 1));
}

#[tokio::test]
async fn nothing_is_left_behind_and_the_next_ones_are_woken_again() {
    let portions = here();
    for count in [1, PER_WORKER, PER_WORKER + 1, 10 * PER_WORKER] {
        let counter = Arc::<WakeCounter>::default();
        portions.wake(wakers(&counter, count));
        while !portions.tasks.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(counter.count(), count);
        assert_eq!(portions.queue.lock().wakers.capacity(), 0);
    }
}

#[tokio::test]
async fn what_becomes_ready_while_many_are_woken_waits_for_a_portion_of_them_and_not_for_all() {
    let portions = here();
    let (wakers, ran) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    for _ in 0..20 * PER_WORKER {
        let (wakers, ran) = (wakers.clone(), ran.clone());
        portions.tasks.spawn(async move {
            let mut waits = true;
            poll_fn(|cx| match std::mem::take(&mut waits) {
                true => {
                    wakers.lock().push(cx.waker().clone());
                    Poll::Pending
                }
                false => Poll::Ready(()),
            })
            .await;
            ran.fetch_add(1, Ordering::Relaxed);
        });
    }
    while wakers.lock().len() < 20 * PER_WORKER {
        tokio::task::yield_now().await;
    }
    portions.wake(std::mem::take(&mut *wakers.lock()).into_iter());
    let mut ran_before = 0;
    while ran.load(Ordering::Relaxed) < 20 * PER_WORKER {
        let ran_at = ran.clone();
        let ready = portions.tasks.spawn(async move { ran_at.load(Ordering::Relaxed) });
        let ran_now = ready.await.unwrap();
        assert!(ran_now - ran_before <= 3 * PER_WORKER, "{}", ran_now - ran_before);
        ran_before = ran_now;
    }
}

#[test]
fn those_that_wait_in_a_runtime_that_ends_are_woken_and_so_are_those_of_the_next_one() {
    let portions = here();
    let (first, second) = (Arc::<WakeCounter>::default(), Arc::<WakeCounter>::default());
    runtime_without_timer().block_on(async {
        portions.runtime.note();
        portions.wake(wakers(&first, 3 * PER_WORKER));
    });
    assert_eq!(first.count(), 3 * PER_WORKER);
    runtime_without_timer().block_on(async {
        portions.runtime.note();
        portions.wake(wakers(&second, 3 * PER_WORKER));
        assert_eq!(second.count(), PER_WORKER);
        portions.tasks.close();
        portions.tasks.wait().await;
    });
    assert_eq!(second.count(), 3 * PER_WORKER);
}

#[test]
fn where_there_is_no_runtime_all_are_woken_at_once() {
    let counter = Arc::<WakeCounter>::default();
    here().wake(wakers(&counter, 3 * PER_WORKER));
    assert_eq!(counter.count(), 3 * PER_WORKER);
}

/// Returns portions that have just ended a round in which each task had several messages.
async fn after_a_burst() -> (Arc<WakePortions>, Arc<WakeCounter>) {
    let (portions, before) = (here(), Arc::<WakeCounter>::default());
    portions.note_messages(16 * 3 * PER_WORKER);
    portions.wake(wakers(&before, 3 * PER_WORKER));
    // A clock that stands still would let the round take no time.
    tokio::time::advance(Duration::from_millis(1)).await;
    portions.tasks.close();
    portions.tasks.wait().await;
    assert_eq!(before.count(), 3 * PER_WORKER);
    (portions, before)
}

/// Returns portions whose next round has come and waits, because each task had several messages in the one before, with
/// the number of tasks that it has woken.
async fn pausing() -> (Arc<WakePortions>, Arc<WakeCounter>) {
    let (portions, _) = after_a_burst().await;
    let counter = Arc::<WakeCounter>::default();
    portions.wake(wakers(&counter, 3 * PER_WORKER));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(counter.count(), 0);
    (portions, counter)
}

#[tokio::test(start_paused = true)]
async fn where_messages_follow_each_other_closely_a_round_waits_for_more_of_them_but_not_long() {
    let (portions, counter) = pausing().await;
    let began = Instant::now();
    portions.tasks.wait().await;
    assert_eq!(counter.count(), 3 * PER_WORKER);
    assert!(began.elapsed() <= Duration::from_millis(11), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_round_begins_when_as_many_messages_have_come_as_before() {
    let (portions, counter) = pausing().await;
    let began = Instant::now();
    (0..16).for_each(|_| portions.note_messages(3 * PER_WORKER));
    portions.tasks.wait().await;
    assert_eq!((counter.count(), began.elapsed()), (3 * PER_WORKER, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_round_begins_when_a_mailbox_fills() {
    let (portions, counter) = pausing().await;
    let began = Instant::now();
    let batch = wake_batch::WakeBatch::open();
    wake_batch::hurry();
    wake_batch::divide(&portions, 1);
    drop(batch);
    portions.tasks.wait().await;
    assert_eq!((counter.count(), began.elapsed()), (3 * PER_WORKER, Duration::ZERO));
}

#[test]
fn a_runtime_that_ends_in_a_pause_wakes_all() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let counter = runtime.unwrap().block_on(async { pausing().await.1 });
    assert_eq!(counter.count(), 3 * PER_WORKER);
}

fn runtime_without_timer() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[tokio::test]
async fn those_that_a_runtime_wakes_which_nobody_drives_any_more_are_woken_where_connections_run() {
    let (portions, counter) = (here(), Arc::<WakeCounter>::default());
    let (sending, wakers) = (portions.clone(), wakers(&counter, 3 * PER_WORKER));
    let elsewhere = std::thread::spawn(move || {
        let runtime = runtime_without_timer();
        runtime.block_on(async { sending.wake(wakers) });
        runtime
    });
    let kept = elsewhere.join().unwrap();
    hubward_testing::eventually("all", async || counter.count() == 3 * PER_WORKER).await;
    kept.shutdown_background();
}

/// Portions that pause for a minute before the next round.
fn patient() -> Arc<WakePortions> {
    let portions = here();
    let round = WakeRound { took: Duration::from_secs(1), tasks: 1, messages: 16 };
    portions.queue.lock().pacing.end_round(&round, Instant::now() + Duration::from_secs(60));
    portions
}

#[tokio::test]
async fn where_a_mailbox_has_filled_in_a_batch_its_round_does_not_wait() {
    let (portions, counter) = (patient(), Arc::<WakeCounter>::default());
    let batch = wake_batch::WakeBatch::open();
    wakers(&counter, 3 * PER_WORKER).for_each(wake_batch::wake);
    wake_batch::divide(&portions, 3 * PER_WORKER);
    wake_batch::hurry();
    drop(batch);
    hubward_testing::eventually("all", async || counter.count() == 3 * PER_WORKER).await;
}

#[tokio::test]
async fn whoever_sends_in_a_runtime_without_a_timer_may_begin_a_pause() {
    let (portions, counter) = (patient(), Arc::<WakeCounter>::default());
    let (sending, wakers) = (portions.clone(), wakers(&counter, 3 * PER_WORKER));
    let send = async move {
        sending.wake(wakers);
        tokio::task::yield_now().await;
    };
    std::thread::spawn(|| runtime_without_timer().block_on(send)).join().unwrap();
    assert_eq!(counter.count(), 0);
    portions.hurry();
    hubward_testing::eventually("all", async || counter.count() == 3 * PER_WORKER).await;
}

#[tokio::test]
async fn a_thread_without_a_runtime_wakes_in_portions_where_connections_run() {
    let (portions, counter) = (here(), Arc::<WakeCounter>::default());
    let (sending, wakers) = (portions.clone(), wakers(&counter, 3 * PER_WORKER));
    std::thread::spawn(move || sending.wake(wakers)).join().unwrap();
    assert_eq!(counter.count(), PER_WORKER);
    hubward_testing::eventually("all", async || counter.count() == 3 * PER_WORKER).await;
}

#[tokio::test]
async fn however_often_connections_are_to_be_woken_before_they_are_each_has_few_wakers_in_the_queue() {
    const CONNECTIONS: usize = 10 * PER_WORKER;
    let portions = here();
    let counters: Vec<_> = (0..CONNECTIONS).map(|_| Arc::<WakeCounter>::default()).collect();
    let all = || counters.iter().map(|counter| Waker::from(counter.clone())).collect::<Vec<_>>().into_iter();
    for _ in 0..1_000 {
        portions.wake(all());
        let waiting = portions.queue.lock().wakers.len();
        assert!(waiting <= MANY_WAKERS.max(3 * CONNECTIONS), "{waiting}");
    }
    portions.tasks.close();
    portions.tasks.wait().await;
    assert!(counters.iter().all(|counter| counter.count() > 0));
}

//! Tests of what a hub is notified of, in paused time.

use hubward_hub::{Hub, HubHandle};
use tracing::Level;

use super::*;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::log::CapturedLog;
use crate::testing::{Journal, handle, pass, take_mail};

const SECOND: Duration = Duration::from_secs(1);

/// A hub that notes what it is notified of.
fn noting(journal: &Journal) -> Hub {
    let (interrupted, resumed) = (journal.clone(), journal.clone());
    Hub::new("hub")
        .on_link_interrupted(move |_| interrupted.noting("interrupted"))
        .on_link_resumed(move |_, LinkResumed { gap, .. }| resumed.noting(format!("resumed after {gap:?}")))
}

fn interrupt(node: &TestNode) {
    node.network.interrupt(node.node.id());
}

fn resume(node: &TestNode) {
    node.network.resume(node.node.id());
}

#[tokio::test(start_paused = true)]
async fn a_hub_is_notified_once_each_way_on_each_node_that_is_concerned() {
    let (journal, other) = (Journal::default(), Journal::default());
    let journals = std::cell::Cell::new(Some([other.clone(), journal.clone()].to_vec()));
    let (node, _whole) = TestNode::start_two(|| {
        let mut left = journals.take().unwrap();
        let hub = noting(&left.pop().unwrap());
        journals.set(Some(left));
        hub
    })
    .await;
    for _ in 0..2 {
        interrupt(&node);
        interrupt(&node);
        pass(SECOND).await;
        assert_eq!(journal.take(), ["interrupted"]);
        resume(&node);
        resume(&node);
        settle().await;
        assert_eq!(journal.take(), ["resumed after 1s"]);
    }
    assert!(other.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_callback_sends_reaches_this_node_at_once_and_the_others_behind_what_was_held() {
    let hub = || {
        let sends = |text: &'static str| async move |hub: HubHandle| hub.all().send(text, ()).await;
        let (interrupted, resumed) = (sends("Interrupted"), sends("Resumed"));
        Hub::new("hub").on_link_interrupted(interrupted).on_link_resumed(move |hub, _| resumed(hub))
    };
    let (node, other) = TestNode::start_two(hub).await;
    let (here, there) = (handle("here"), handle("there"));
    node.open(&here).await;
    other.open(&there).await;
    let targets = |connection| {
        let (mail, _) = take_mail(connection);
        mail.iter().map(|message| message.split('"').nth(5).unwrap().to_owned()).collect::<Vec<_>>()
    };
    interrupt(&node);
    settle().await;
    assert_eq!(targets(&here), ["Interrupted"]);
    node.engine.handle().all().send("Between", ()).await.unwrap();
    resume(&node);
    settle().await;
    assert_eq!(targets(&here), ["Between", "Resumed"]);
    assert_eq!(targets(&there), ["Interrupted", "Between", "Resumed"]);
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_fails_panics_or_takes_too_long_is_logged_and_stops_no_other() {
    let journal = Journal::default();
    let (noted, runs) = (journal.clone(), std::sync::atomic::AtomicUsize::new(0));
    let interrupted = move |_| {
        let run = runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            match run {
                0 => Err::<(), _>(HubError::shown("the first one fails")),
                1 => panic!("a test's panic"),
                _ => std::future::pending().await,
            }
        }
    };
    let hub = Hub::new("hub")
        .on_link_interrupted(interrupted)
        .on_link_resumed(move |_, _| -> std::future::Ready<()> { noted.noting("resumed") });
    let node = TestNode::start(hub).await;
    let log = CapturedLog::start();
    for _ in 0..3 {
        interrupt(&node);
        settle().await;
        resume(&node);
        pass(CALLBACK_TIMEOUT).await;
        assert_eq!(journal.take(), ["resumed"]);
    }
    let of_callbacks =
        |level| log.lines(level).into_iter().filter(|line| line.starts_with("on_")).collect::<Vec<_>>();
    let warnings = of_callbacks(Level::WARN);
    let [failed, stopped] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(failed.starts_with("on_link_interrupted failed. hub=hub"), "{failed}");
    assert!(
        failed.contains("the first one fails") && stopped.contains("took more than 30 s"),
        "{warnings:?}"
    );
    let panics = of_callbacks(Level::ERROR);
    assert!(panics[0].starts_with("on_link_interrupted panicked.") && panics.len() == 1, "{panics:?}");
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_before_its_first_await_or_when_it_is_dropped_stops_no_other() {
    struct PanicsInDrop;
    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("a test's panic");
        }
    }
    let journal = Journal::default();
    let (noted, runs) = (journal.clone(), std::sync::atomic::AtomicUsize::new(0));
    let resumed = move |_, _| {
        let run = runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        assert_ne!(run, 0, "a test's panic");
        let noted = noted.clone();
        async move {
            if run == 1 {
                let _panics = PanicsInDrop;
                std::future::pending::<()>().await;
            }
            noted.note("resumed");
        }
    };
    let node = TestNode::start(Hub::new("hub").on_link_resumed(resumed)).await;
    for _ in 0..3 {
        interrupt(&node);
        resume(&node);
        pass(CALLBACK_TIMEOUT * 2).await;
    }
    assert_eq!(journal.take(), ["resumed"]);
}

#[tokio::test(start_paused = true)]
async fn one_warning_each_way_is_logged_for_a_node_whatever_its_hubs_do() {
    let node = TestNode::start(Hub::new("hub")).await;
    let log = CapturedLog::start();
    interrupt(&node);
    for _ in 0..3 {
        node.engine.handle().all().send("M", ()).await.unwrap();
    }
    pass(SECOND).await;
    resume(&node);
    settle().await;
    let lines = log.lines(Level::WARN);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].ends_with("duration=1s discarded=0"), "{lines:?}");
}

//! `hubward demo` when it is to end: ready before, and gone in time.

use std::process::Stdio;
use std::time::Duration;

use hubward_testing::{Http, within};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::demo::announced;
use crate::hubward;
use crate::vitals::watch;

#[tokio::test]
async fn a_second_signal_ends_the_demo_at_once_though_a_client_does_not_go() {
    let mut demo = hubward(&["demo", "--port", "0"]);
    let mut demo = demo.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let printed = within("the demo", announced(&mut demo)).await.unwrap();
    let url = printed.split_once("Open http://").unwrap().1.split_whitespace().next().unwrap();
    let address = url.parse().unwrap();
    assert_eq!(Http::exchange(address, "GET", "/health/ready", &[], b"").await.status, 200);
    // It never answers its Close message, for which the demo would wait five seconds.
    let mut client = watch(address).await;
    let id = demo.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    let close = async { while !client.frame().await.unwrap().1.starts_with(br#"{"type":7"#) {} };
    within("the Close message", close).await;
    let begun = Instant::now();
    kill_process(id, Signal::TERM).unwrap();
    let ended = within("the demo's end", demo.wait()).await.unwrap();
    assert!(ended.success(), "{ended}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

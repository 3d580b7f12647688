//! No server and no folder outlives its test, however that ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_testing::{eventually, within};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// Whether a process of this id runs. Only Linux shows this here.
fn runs(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

#[tokio::test]
async fn a_server_ends_when_it_is_dropped() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let (process, folder) = (server.process_id(), server.folder().to_owned());
    server.pause();
    assert!(runs(process) && folder.exists());
    drop(server);
    assert!(!runs(process) && !folder.exists());
}

#[tokio::test]
async fn a_server_ends_when_its_test_is_killed() {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["ending::starts_a_server_and_is_killed", "--exact", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(test.stdout.take().unwrap()).lines();
    let (process, folder) = loop {
        let line = within("the other test's server", lines.next_line()).await.unwrap().unwrap();
        if let Some((_, server)) = line.split_once("server ") {
            let (process, folder) = server.split_once(' ').unwrap();
            break (process.parse().unwrap(), PathBuf::from(folder));
        }
    };
    assert!(runs(process) && folder.exists());
    test.kill().await.unwrap();
    eventually("the server to end", async || !runs(process) && !folder.exists()).await;
}

#[tokio::test]
#[ignore = "is started and killed by another test"]
async fn starts_a_server_and_is_killed() {
    let server = RedisServer::start(RedisOptions::default()).await;
    // Also one that is stopped must end.
    server.pause();
    println!("server {} {}", server.process_id(), server.folder().display());
    std::future::pending::<()>().await;
}

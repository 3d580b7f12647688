//! What a test asks a server, with `redis-cli`.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::wait::within;

/// How to reach one server.
#[derive(Clone, Debug)]
pub(crate) struct Cli {
    /// Options that stand before each command.
    options: Vec<String>,
}

impl Cli {
    pub(crate) fn new(options: Vec<String>) -> Self {
        Self { options }
    }

    /// Runs a command, and returns the reply as `redis-cli` prints it, or the error.
    pub(crate) async fn run(&self, command: &[&str]) -> Result<String, String> {
        self.run_with_input(command, None).await
    }

    /// Runs a command whose last argument is `input`, where there is one.
    pub(crate) async fn run_with_input(
        &self,
        command: &[&str],
        input: Option<&[u8]>,
    ) -> Result<String, String> {
        let mut client = Command::new("redis-cli");
        client.args(&self.options);
        // An error reply makes it fail.
        client.arg("-e");
        if input.is_some() {
            client.arg("-x");
        }
        client.args(command).kill_on_drop(true);
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = client.spawn().expect("redis-cli can be run (Debian: apt-get install redis-tools)");
        let mut stdin = client.stdin.take().unwrap();
        let output = within("redis-cli", async {
            // Where it ends before it has read all of it, its output says why.
            let _ = stdin.write_all(input.unwrap_or_default()).await;
            drop(stdin);
            client.wait_with_output().await.unwrap()
        })
        .await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(format!("{} {}", text(&output.stdout), text(&output.stderr)).trim().to_owned()),
        }
    }
}

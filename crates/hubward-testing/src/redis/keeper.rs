//! The parent of a server's process: a shell that ends with the test, and ends the server first.
//!
//! A test that is killed runs no destructors. Its end of the pipe is closed by the kernel, and then the shell kills the
//! server, also one that is stopped, and removes its folder.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Reads `start` and `kill`, a line each, and writes a line when that is done. Signals that are meant for the test do not
/// end it, since nobody would then end the server.
const SCRIPT: &str = r#"
trap '' HUP INT PIPE TERM
folder=$1; shift
end() { [ -z "$pid" ] || { kill -9 "$pid"; wait "$pid"; pid=; }; }
while read -r command; do
  case $command in
    start) "$@" >>"$folder/log" 2>&1 & pid=$!; echo "$pid" ;;
    kill) end; echo ;;
  esac
done
end
rm -rf -- "$folder"
"#;

/// Keeps one process and its folder.
#[derive(Debug)]
pub(crate) struct Keeper {
    shell: Child,
    /// None while it is being dropped.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
    /// None while the process does not run.
    process: Option<Pid>,
}

impl Keeper {
    /// Takes over a folder, and the command that [`start`](Self::start) is to run.
    pub(crate) fn new(folder: PathBuf, command: &[&str]) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "keeper"])
            .arg(&folder)
            .args(command)
            // Not in the group of the test: a signal to that group must not end it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().unwrap());
        Self { shell, commands, answers, folder, process: None }
    }

    /// Starts the process, which must not run.
    pub(crate) fn start(&mut self) {
        assert!(self.process.is_none(), "the process runs already");
        let id = self.ask("start").parse().unwrap();
        self.process = Pid::from_raw(id);
    }

    /// Kills the process where it runs, and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.ask("kill");
        self.process = None;
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).unwrap();
    }

    /// Returns whether the process was started and not killed since.
    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Returns the id of the process, which must run.
    pub(crate) fn process(&self) -> Pid {
        self.process.expect("the process runs")
    }

    /// Returns the folder, which is removed when this is dropped.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns what the process has printed since it was first started.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.shell.wait();
    }
}

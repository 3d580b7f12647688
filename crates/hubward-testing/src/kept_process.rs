//! A process that ends with its test, however that ends.
//!
//! A test that is killed runs no destructors. So the process's parent is a shell with a pipe to the test. When the kernel
//! closes the test's end of it, the shell kills the process, also one that is stopped, and removes its folder.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::port::Port;

/// Reads `start` and `kill`, a line each, and writes a line when that is done. Signals that are meant for the test do not
/// end it, since nobody would then end the process.
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

/// A process with a folder of its own, until it is dropped. It does not run before it is started.
#[derive(Debug)]
pub struct KeptProcess {
    shell: Child,
    /// None while it is being dropped.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
    /// None while the process does not run.
    process: Option<Pid>,
}

impl KeptProcess {
    /// Takes over a folder, which is to be removed, and the command that [`start`](Self::start) is to run.
    pub fn new(folder: PathBuf, command: &[&str]) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "kept-process"])
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
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "the process runs already");
        let id = self.ask("start").parse().unwrap();
        self.process = Pid::from_raw(id);
    }

    /// Kills the process where it runs, and waits for its end.
    pub fn kill(&mut self) {
        self.ask("kill");
        self.process = None;
    }

    /// Stops the process (SIGSTOP): its sockets stay open, and it does nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets the process go on (SIGCONT).
    pub fn continue_(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks the process to end (SIGTERM), without waiting for it.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Returns whether the process was started and not killed since.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Returns the id of the process, which must run.
    pub fn process_id(&self) -> u32 {
        self.process().as_raw_nonzero().get().unsigned_abs()
    }

    /// Returns the folder, which is removed when this is dropped.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns what the process has printed since it was first started.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn process(&self) -> Pid {
        self.process.expect("the process runs")
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).unwrap();
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for KeptProcess {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.shell.wait();
    }
}

/// Makes a temporary folder that only this user can read, for what has this port.
#[must_use]
pub fn folder_of(port: &Port) -> PathBuf {
    // No two processes have the same port at the same time.
    let name = format!("hubward-test-{}-{}", std::process::id(), port.number());
    let folder = std::env::temp_dir().canonicalize().unwrap().join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
    folder
}

//! A node in a process of its own, so that what it holds can be read from outside: memory, processor time, sockets, and
//! its log. Only Linux shows these.
//!
//! The process is the test's own program, started again with the name of one test that serves until it is killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::connect::Connect;

/// What stands before the addresses that a node announces.
const LISTENING: &str = "a node listens on ";

/// Clock ticks of `/proc/PID/stat` in a second: the same on every Linux, whatever the kernel's own clock is.
const TICKS_PER_SECOND: u64 = 100;

/// How much of the log a failed test shows.
const SHOWN_LOG_BYTES: usize = 8 * 1024;

/// A node that serves until it is dropped.
pub struct NodeProcess {
    /// Where its nodes listen; most have one.
    pub addresses: Vec<SocketAddr>,
    child: Child,
    log: Arc<Mutex<Vec<u8>>>,
}

impl NodeProcess {
    /// Starts this program's ignored test `test`, which is to call [`announce`], and waits until it listens.
    pub fn start(test: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut stderr = child.stderr.take().unwrap();
        let written = log.clone();
        std::thread::spawn(move || {
            let mut part = [0; 16 * 1024];
            while let Ok(length @ 1..) = stderr.read(&mut part) {
                written.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut node = Self { addresses: Vec::new(), child, log };
        let mut line = String::new();
        while stdout.read_line(&mut line).is_ok_and(|length| length > 0) {
            if let Some((_, addresses)) = line.split_once(LISTENING) {
                node.addresses =
                    addresses.split_whitespace().map(|address| address.parse().unwrap()).collect();
                break;
            }
            line.clear();
        }
        assert!(!node.addresses.is_empty(), "the node's process ended before it listened");
        // What else it prints must go somewhere.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        node
    }

    /// Where the first node listens.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Begins to connect a client to a hub of the first node.
    pub fn client(&self, path: &str) -> Connect {
        Connect::new(self.address(), path)
    }

    /// Returns how much memory is resident now.
    pub fn resident_bytes(&self) -> usize {
        self.status("VmRSS:")
    }

    /// Returns the most memory that was resident since the start, or since [`forget_peak`](Self::forget_peak).
    pub fn peak_bytes(&self) -> usize {
        self.status("VmHWM:")
    }

    /// Lets the peak begin anew, and returns what is resident now.
    pub fn forget_peak(&self) -> usize {
        std::fs::write(self.file("clear_refs"), "5").unwrap();
        self.resident_bytes()
    }

    /// Returns the processor time that was used since the start, of all threads.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(self.file("stat")).unwrap();
        // The program's name, in parentheses, may have spaces; the fields after it are the third and the following.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    /// Counts the sockets that are open.
    pub fn sockets(&self) -> usize {
        let files = std::fs::read_dir(self.file("fd")).unwrap();
        let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }

    /// Returns what was logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    /// Whether the process is alive.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn status(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(self.file("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let mut from = log.len().saturating_sub(SHOWN_LOG_BYTES);
            while !log.is_char_boundary(from) {
                from += 1;
            }
            eprintln!("the node's log ({} bytes) ends with:\n{}", log.len(), &log[from..]);
        }
    }
}

/// In the node's process: announces where it listens.
pub fn announce(addresses: &[SocketAddr]) {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    // Not `println!`, which a test's harness may capture.
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{LISTENING}{}", addresses.join(" ")).unwrap();
    stdout.flush().unwrap();
}

/// In the node's process: waits until the test that started it is gone, however that ended.
pub async fn parent_ended() {
    let (ended, wait) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(ended);
    });
    let _ = wait.await;
}

//! The processes that are measured: started, and asked what CPU they have used.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hubward::auth::DevelopmentIssuer;
use hubward_testing::{KeptProcess, Port, folder_of};
use hubward_tests::eventually;

/// A process that ends with the measurement.
pub(crate) struct Measured {
    process: KeptProcess,
    /// Stays its own for as long as it runs.
    port: Port,
}

impl Measured {
    /// Starts this program again, in another role.
    pub(crate) fn role(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().unwrap();
        Self::start(|_| {
            [&[program.to_str().unwrap()], arguments].concat().into_iter().map(str::to_owned).collect()
        })
    }

    /// Starts a node, and waits until it listens.
    pub(crate) async fn node(arguments: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_conformance-server");
        let node = Self::start(|port| {
            let address = port.address().to_string();
            let command = [&[program, "--listen", &address], arguments].concat();
            command.into_iter().map(str::to_owned).collect()
        });
        eventually("the node to listen", async || node.process.log().contains("listening")).await;
        node
    }

    fn start(command: impl FnOnce(&Port) -> Vec<String>) -> Self {
        let port = Port::reserve();
        let command = command(&port);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut process = KeptProcess::new(folder_of(&port), &command);
        process.start();
        Self { process, port }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.process_id()
    }
}

/// Returns how long the threads of a process have run.
pub(crate) fn cpu(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let ran = threads.filter_map(|thread| {
        // Run time in ns, wait time in ns, how often.
        let statistics = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        statistics.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(ran.sum())
}

/// Divides a duration, in µs.
pub(crate) fn microseconds_each(duration: Duration, number: usize) -> f64 {
    duration.as_secs_f64() * 1e6 / number as f64
}

/// Makes a token of a user for a node.
pub(crate) fn token(user: &str) -> String {
    let key = "conformance-signing-key-of-32-bytes-or-more";
    let issuer = DevelopmentIssuer::new(key, "https://issuer.example", "hubs").unwrap();
    let hour = Duration::from_secs(3600);
    issuer.mint(user, &[], &[], hour, SystemTime::now()).unwrap().expose().to_owned()
}

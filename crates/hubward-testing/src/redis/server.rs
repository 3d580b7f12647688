//! One `redis-server` process.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use crate::certificates::Certificates;
use crate::kept_process::{KeptProcess, folder_of};
use crate::port::Port;
use crate::redis::cli::Cli;
use crate::redis::options::{FIXTURE_USER, RedisOptions, Tls};
use crate::wait::{TIMEOUT, eventually};

/// Where a server keeps its data, in its folder.
const DATA: [&str; 2] = ["dump.rdb", "appendonlydir"];

/// How often a server that starts is asked whether it is ready.
const CHECK_INTERVAL: std::time::Duration = std::time::Duration::from_millis(10);

/// A `redis-server` process that is killed, and its folder removed, when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    options: RedisOptions,
    certificates: Option<Certificates>,
    cli: Cli,
    process: KeptProcess,
    /// The port, which stays this server's while it does not run, and others that its configuration names.
    ports: Vec<Port>,
}

/// What a server that restarts has of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// What it had. Of a server that was killed before, and is not persistent, nothing is kept.
    Kept,
    /// Nothing.
    Lost,
}

impl RedisServer {
    /// Starts a server, and waits until it answers.
    pub async fn start(options: RedisOptions) -> Self {
        Self::start_with(options, &[], Vec::new()).await
    }

    /// The same with more arguments for `redis-server`, and with ports that the server is to own.
    pub(crate) async fn start_with(options: RedisOptions, arguments: &[&str], others: Vec<Port>) -> Self {
        let port = Port::reserve();
        let folder = folder_of(&port);
        let certificates = (options.tls != Tls::Off).then(|| Certificates::create(&folder));
        let configuration = folder.join("redis.conf");
        std::fs::write(&configuration, lines(&options, &port, &folder, certificates.as_ref())).unwrap();
        let cli = Cli::new(cli_options(&options, &port, certificates.as_ref()));
        let command = [&["redis-server", configuration.to_str().unwrap()], arguments].concat();
        let process = KeptProcess::new(folder, &command);
        let ports = std::iter::once(port).chain(others).collect();
        let mut server = Self { options, certificates, cli, process, ports };
        server.start_process().await;
        server
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.ports[0].address()
    }

    /// Returns its URL, with the password of the user `default`, which is not escaped.
    pub fn url(&self) -> String {
        let scheme = if self.options.tls == Tls::Off { "redis" } else { "rediss" };
        let password = self.options.password.as_ref().map(|password| format!(":{password}@"));
        format!("{scheme}://{}{}", password.unwrap_or_default(), self.address())
    }

    /// Returns the files for TLS, where it speaks TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Returns the id of its process, which must run.
    pub fn process_id(&self) -> u32 {
        self.process.process_id()
    }

    /// Returns the folder of its files.
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }

    /// Returns what it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Runs a command with `redis-cli`, and returns the reply as that prints it to a file. An error fails the test.
    pub async fn cli(&self, command: &[&str]) -> String {
        self.try_cli(command).await.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// The same for a command that may fail.
    ///
    /// # Errors
    /// The error, as `redis-cli` prints it.
    pub async fn try_cli(&self, command: &[&str]) -> Result<String, String> {
        self.cli.run(command).await
    }

    /// Runs a command whose last argument are these bytes.
    pub async fn cli_with(&self, command: &[&str], last: &[u8]) -> String {
        let reply = self.cli.run_with_input(command, Some(last)).await;
        reply.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Returns a field of the reply to `INFO`. An error fails the test.
    pub async fn info(&self, field: &str) -> String {
        self.try_info(field).await.unwrap_or_else(|error| panic!("INFO {field}: {error}"))
    }

    async fn try_info(&self, field: &str) -> Result<String, String> {
        let info = self.try_cli(&["info", "everything"]).await?;
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.map(|value| value.trim().to_owned()).ok_or_else(|| "there is no such field".to_owned())
    }

    /// Stops the process (SIGSTOP): connections stay open, and nothing is answered.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets the process go on (SIGCONT).
    pub fn continue_(&self) {
        self.process.continue_();
    }

    /// Returns whether it was started and not killed since.
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Kills the process (SIGKILL) where it runs, and waits for its end.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills the process where it runs, starts it again on the same port, and waits until it answers.
    pub async fn restart(&mut self, data: Data) {
        let is_to_be_saved = data == Data::Kept && !self.options.is_persistent;
        if is_to_be_saved && self.is_running() {
            self.cli(&["save"]).await;
        }
        self.kill();
        if data == Data::Lost {
            for path in DATA.map(|name| self.folder().join(name)) {
                let _ = std::fs::remove_file(&path);
                let _ = std::fs::remove_dir_all(&path);
            }
        }
        self.start_process().await;
    }

    async fn start_process(&mut self) {
        self.process.start();
        let ready = async {
            while self.try_cli(&["ping"]).await.as_deref() != Ok("PONG") {
                tokio::time::sleep(CHECK_INTERVAL).await;
            }
        };
        if tokio::time::timeout(TIMEOUT, ready).await.is_err() {
            panic!("redis-server does not answer; it logged:\n{}", self.log());
        }
    }
}

/// Waits until a server's reply to `INFO` has this value in this field.
pub(crate) async fn info_is(server: &RedisServer, field: &str, value: &str) {
    // A server that changes its role closes connections.
    eventually(&format!("{field}:{value}"), async || {
        server.try_info(field).await.is_ok_and(|found| found == value)
    })
    .await;
}

/// Waits until `replica` has all that `primary` has now.
pub(crate) async fn has_caught_up(replica: &RedisServer, primary: &RedisServer) {
    let offset = |text: String| text.parse::<u64>().unwrap();
    let wanted = offset(primary.info("master_repl_offset").await);
    eventually("a replica that has caught up", async || {
        replica.try_info("master_repl_offset").await.is_ok_and(|found| offset(found) >= wanted)
    })
    .await;
}

fn lines(options: &RedisOptions, port: &Port, folder: &Path, certificates: Option<&Certificates>) -> String {
    let mut lines = options.lines();
    writeln!(lines, "dir \"{}\"", folder.display()).unwrap();
    let Some(files) = certificates else {
        writeln!(lines, "port {}", port.number()).unwrap();
        return lines;
    };
    let auth_clients = if options.tls == Tls::WithClientCertificates { "yes" } else { "no" };
    writeln!(lines, "port 0\ntls-port {}\ntls-auth-clients {auth_clients}", port.number()).unwrap();
    writeln!(lines, "tls-ca-cert-file \"{}\"", files.authority.display()).unwrap();
    writeln!(lines, "tls-cert-file \"{}\"", files.server.display()).unwrap();
    writeln!(lines, "tls-key-file \"{}\"", files.server_key.display()).unwrap();
    lines
}

fn cli_options(options: &RedisOptions, port: &Port, certificates: Option<&Certificates>) -> Vec<String> {
    let mut cli = vec!["-h".to_owned(), "127.0.0.1".to_owned(), "-p".to_owned(), port.number().to_string()];
    if options.has_users() {
        let login = ["--user", FIXTURE_USER, "--pass", "none", "--no-auth-warning"];
        cli.extend(login.map(str::to_owned));
    }
    if let Some(files) = certificates {
        cli.push("--tls".to_owned());
        let files = [("--cacert", &files.authority), ("--cert", &files.client), ("--key", &files.client_key)];
        cli.extend(
            files.into_iter().flat_map(|(option, path)| [option.to_owned(), path.display().to_string()]),
        );
    }
    cli
}

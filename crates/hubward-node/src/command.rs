//! The command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A SignalR hub cluster.
#[derive(Parser)]
#[command(name = "hubward", version)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a node, or several, with two hubs and a page to try them. Needs no Redis, but can use one.
    Demo(DemoOptions),
    /// Check the configuration and the Redis that it names, and say what to do about what is wrong.
    Check(CheckOptions),
    /// Mint a development token, for `hubward demo` or for a program of yours.
    Token(TokenOptions),
}

/// The environment variable that may hold the development key, which a command line would show to other users.
pub(crate) const KEY_VARIABLE: &str = "HUBWARD_DEVELOPMENT_KEY";

/// The environment variable that may hold the URL of Redis, whose password a command line would show.
pub(crate) const REDIS_VARIABLE: &str = "HUBWARD_REDIS";

/// The issuer and the audience of development tokens where no others are given.
pub(crate) const DEVELOPMENT_ISSUER: &str = "https://hubward.invalid/development";
pub(crate) const DEVELOPMENT_AUDIENCE: &str = "hubward-development";

#[derive(Args)]
pub(crate) struct DemoOptions {
    /// Number of nodes to start, on consecutive ports.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) nodes: u16,
    /// Port of the first node; 0: a free one for each.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Address to listen on. Anyone who reaches it can sign in as anyone: keep it local.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) address: IpAddr,
    /// Another name that browsers reach the demo by, without a port; may be given several times. Requests are refused that
    /// name any host but these, localhost and the address: web pages of strangers could use the demo otherwise.
    #[arg(long = "host", value_parser = host)]
    pub(crate) hosts: Vec<String>,
    /// The signing key, at least 32 bytes, so that `hubward token` can mint tokens for this demo. Default: a random
    /// key.
    #[arg(long, env = KEY_VARIABLE, hide_env_values = true)]
    pub(crate) key: Option<DevelopmentKey>,
    /// Join the nodes by this Redis, each in a process of its own: redis://host:6379, redis-sentinel://… or
    /// redis-cluster://…
    #[arg(long, value_name = "URL", env = REDIS_VARIABLE, hide_env_values = true)]
    pub(crate) redis: Option<RedisUrl>,
    /// The configuration file, whose section `redis` may say the same in more detail.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Which of the nodes this process is, from 0 on. Given by the process that starts the others.
    #[arg(long, hide = true)]
    pub(crate) only: Option<u16>,
}

#[derive(Args)]
pub(crate) struct CheckOptions {
    /// The Redis to check, before what the configuration says: redis://host:6379, redis-sentinel://… or redis-cluster://…
    #[arg(long, value_name = "URL", env = REDIS_VARIABLE, hide_env_values = true)]
    pub(crate) redis: Option<RedisUrl>,
    /// The configuration file: TOML or, where its name ends in .json, JSON. Variables such as HUBWARD_REDIS__URL come before
    /// what it says.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct TokenOptions {
    /// The signing key, at least 32 bytes. For development only: whoever has it can be anyone.
    #[arg(long, env = KEY_VARIABLE, hide_env_values = true)]
    pub(crate) key: DevelopmentKey,
    /// The user id.
    #[arg(long)]
    pub(crate) user: String,
    /// A role; may be given several times.
    #[arg(long = "role")]
    pub(crate) roles: Vec<String>,
    /// A claim, as name=value; may be given several times.
    #[arg(long = "claim", value_parser = claim)]
    pub(crate) claims: Vec<(String, String)>,
    /// The issuer. Default: that of `hubward demo`.
    #[arg(long, default_value = DEVELOPMENT_ISSUER, hide_default_value = true)]
    pub(crate) issuer: String,
    /// The audience. Default: that of `hubward demo`.
    #[arg(long, default_value = DEVELOPMENT_AUDIENCE, hide_default_value = true)]
    pub(crate) audience: String,
    /// Seconds until the token expires.
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(crate) lifetime: u64,
}

/// A signing key; it cannot be printed.
#[derive(Clone)]
pub(crate) struct DevelopmentKey(String);

impl DevelopmentKey {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// The URL of a Redis; it may have a password, and cannot be printed.
#[derive(Clone)]
pub(crate) struct RedisUrl(String);

impl RedisUrl {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for RedisUrl {
    type Err = std::convert::Infallible;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Ok(Self(url.to_owned()))
    }
}

impl std::str::FromStr for DevelopmentKey {
    type Err = std::convert::Infallible;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        Ok(Self(key.to_owned()))
    }
}

fn claim(argument: &str) -> Result<(String, String), String> {
    let (name, value) = argument.split_once('=').ok_or("a claim is written name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn host(argument: &str) -> Result<String, String> {
    let is_address = argument.starts_with('[') && argument.ends_with(']');
    if argument.is_empty() || argument.contains(['/', '@', ' ']) || (argument.contains(':') && !is_address) {
        return Err("a host is a name without scheme and port, or an IPv6 address in brackets".to_owned());
    }
    Ok(argument.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(hosts: &[&str]) -> Result<Vec<String>, clap::Error> {
        let arguments = hosts.iter().flat_map(|host| ["--host", host]);
        let parsed = CommandLine::try_parse_from(["hubward", "demo"].into_iter().chain(arguments))?;
        match parsed.command {
            Command::Demo(options) => Ok(options.hosts),
            Command::Check(_) | Command::Token(_) => panic!("it is the demo"),
        }
    }

    #[test]
    fn several_hosts_may_be_given_each_without_scheme_and_port() {
        assert!(demo(&[]).unwrap().is_empty());
        assert_eq!(demo(&["demo.lan", "[fe80::1]"]).unwrap(), ["demo.lan", "[fe80::1]"]);
        for wrong in ["demo.lan:8080", "http://demo.lan", "demo.lan/", "fe80::1", ""] {
            assert!(demo(&[wrong]).unwrap_err().to_string().contains("without scheme and port"), "{wrong}");
        }
    }
}

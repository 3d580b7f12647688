//! What went wrong with Redis, and what to do about it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use deadpool::managed::{PoolError, TimeoutType};
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::connection_advice;

/// How long a node waits for any call.
pub(crate) const LONGEST_CALL: Duration = Duration::from_secs(5);

/// A mistake in how Redis is configured. None prints a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisConfigError {
    /// The URL has a scheme that is not Redis's.
    #[error(
        "a Redis URL begins with redis://, rediss:// (TLS), redis-sentinel://, rediss-sentinel://, redis-cluster:// or \
         rediss-cluster://{}",
        not_with(given)
    )]
    Scheme {
        /// What it begins with; nothing where there is no `://`.
        given: String,
    },
    /// An address is not one.
    #[error(
        "'{given}' is no address of a Redis server; write host:port, with a port from 1 to 65535 and an IPv6 address in brackets; \
         in a URL, a user and a password stand before an '@'"
    )]
    Address {
        /// The text, without what may be a password.
        given: String,
    },
    /// The user name or the password of the URL cannot be decoded.
    #[error(
        "the user name or password of the Redis URL is not valid; percent-encode '@', ':', '/', '?', '#' and '%' in it"
    )]
    Credentials,
    /// The database number is not one.
    #[error("'{given}' is no Redis database; it is a number from 0 on, such as in redis://host:6379/0")]
    Database {
        /// The text.
        given: String,
    },
    /// A Redis Cluster has one database.
    #[error("a Redis Cluster has only database 0; choose a prefix to keep two uses of it apart")]
    ClusterDatabase,
    /// The name of the primary that Sentinels watch is missing.
    #[error(
        "Sentinels need the name of the primary that they watch: redis-sentinel://host:26379,host:26379/NAME"
    )]
    SentinelName,
    /// No server is given.
    #[error("no Redis server is given; give at least one address")]
    NoServers,
    /// The URL has a part that is not known.
    #[error(
        "the Redis URL has '{given}', and may end only with the number of a database; TLS is rediss://, and what else there is \
         is set beside the URL"
    )]
    Unknown {
        /// The part, without its value.
        given: String,
    },
    /// The prefix is not one.
    #[error("'{given}' cannot be a prefix; use 1 to 64 letters, digits, '.', '_' and '-'")]
    Prefix {
        /// The prefix.
        given: String,
    },
    /// A duration is zero.
    #[error("{option} is zero; raise it, or leave it out for {default:?}")]
    ZeroDuration {
        /// Which one.
        option: &'static str,
        /// What it is where it is not set.
        default: Duration,
    },
    /// Redis may take longer to respond than anybody waits.
    #[error(
        "response_timeout is {given:?}, but a call fails after {LONGEST_CALL:?} anyway, and then without Redis's own reason; lower it"
    )]
    ResponseTimeout {
        /// What was given.
        given: Duration,
    },
    /// A certificate or key cannot be read, or TLS is set for an URL without it.
    #[error("TLS to Redis cannot be set up: {reason}")]
    Tls {
        /// Why not.
        reason: String,
    },
}

fn not_with(given: &str) -> String {
    match given {
        "" => ", such as redis://host:6379; this one has no '://'".to_owned(),
        given => format!(", not with '{given}'"),
    }
}

/// Why a call to Redis failed, with what to do about it. It is the cause in errors of the backplane and the store.
#[derive(Clone, Debug)]
pub struct RedisFailure {
    advice: Option<&'static str>,
    cause: Cause,
}

#[derive(Clone, Debug)]
enum Cause {
    Redis(RedisError),
    Said(String),
    Unreadable(String),
}

impl RedisFailure {
    /// A failure that has no error of the client library.
    pub(crate) fn said(what: impl Into<String>) -> Self {
        Self { advice: None, cause: Cause::Said(what.into()) }
    }

    /// Redis has ended the connection with this error as soon as it was opened.
    pub(crate) fn not_let_in(reply: &str) -> Self {
        let (code, detail) = reply.split_once(' ').unwrap_or((reply, ""));
        Self { advice: advice_of_reply(code, detail), cause: Cause::Said(reply.to_owned()) }
    }

    /// Redis did not do something in time.
    pub(crate) fn late(what: impl Into<String>) -> Self {
        Self { advice: Some(ADVICE_IF_LATE), cause: Cause::Said(what.into()) }
    }

    /// Whether Redis did not do something in time.
    pub(crate) fn is_late(&self) -> bool {
        self.advice == Some(ADVICE_IF_LATE)
    }

    /// Redis holds something that this version cannot read.
    pub(crate) fn unreadable(what: String) -> Self {
        Self { advice: None, cause: Cause::Unreadable(what) }
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self.cause, Cause::Unreadable(_))
    }

    /// An error that is logged and may be the source of others.
    pub(crate) fn boxed(self) -> Box<dyn Error + Send + Sync> {
        Box::new(self)
    }

    /// Whether Redis has certainly not carried out what was asked, and may do so soon or on another server.
    pub(crate) fn may_be_repeated(&self) -> bool {
        let Cause::Redis(error) = &self.cause else { return false };
        matches!(
            error.kind(),
            ErrorKind::Server(
                ServerErrorKind::Moved
                    | ServerErrorKind::Ask
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ReadOnly
            )
        )
    }

    /// Whether Redis does not have a script.
    pub(crate) fn lacks_script(&self) -> bool {
        matches!(&self.cause, Cause::Redis(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
    }

    /// Whether Redis does not allow the user what was asked.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(&self.cause, Cause::Redis(error) if error.code() == Some("NOPERM"))
    }

    /// Whether Redis refuses because of who asks: it does so until somebody changes that.
    pub(crate) fn is_about_user(&self) -> bool {
        let Cause::Redis(error) = &self.cause else { return false };
        error.kind() == ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("NOPERM" | "WRONGPASS" | "NOAUTH"))
    }

    /// Whether Redis has responded, so that the connection is whole.
    pub(crate) fn is_response(&self) -> bool {
        matches!(&self.cause, Cause::Redis(error) if error.code().is_some())
    }
}

impl From<RedisError> for RedisFailure {
    fn from(error: RedisError) -> Self {
        Self { advice: advice(&error), cause: Cause::Redis(error) }
    }
}

impl From<PoolError<Self>> for RedisFailure {
    fn from(error: PoolError<Self>) -> Self {
        match error {
            PoolError::Backend(failure) => failure,
            PoolError::Timeout(TimeoutType::Wait) => Self {
                advice: Some("Redis is slow, or much is asked for at once; ask again later"),
                cause: Cause::Said("no connection for queries was free in time".to_owned()),
            },
            PoolError::Timeout(_) => Self::late("no connection for queries was opened in time"),
            error => Self::said(error.to_string()),
        }
    }
}

impl fmt::Display for RedisFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Redis(error) => write!(f, "{error}")?,
            Cause::Said(what) | Cause::Unreadable(what) => f.write_str(what)?,
        }
        match self.advice {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

impl Error for RedisFailure {}

/// What an operator can do where Redis is late.
const ADVICE_IF_LATE: &str = "check that Redis runs, is not overloaded, and can be reached from here";

/// What an operator can do about an error of Redis.
fn advice(error: &RedisError) -> Option<&'static str> {
    advice_of_reply(error.code().unwrap_or_default(), error.detail().unwrap_or_default()).or_else(|| {
        match error.kind() {
            ErrorKind::AuthenticationFailed => Some("check the user name and the password for Redis"),
            ErrorKind::RESP3NotSupported => Some("Hubward needs Redis 7.0 or newer"),
            _ if error.is_timeout() => Some(ADVICE_IF_LATE),
            _ if error.is_connection_refusal() => Some("check that Redis runs and that its address is right"),
            _ => connection_advice::of(error),
        }
    })
}

/// The same about an error reply: its first word, and what follows.
pub(crate) fn advice_of_reply(code: &str, detail: &str) -> Option<&'static str> {
    // Redis 7.0 says so of a command within a script, where others say NOPERM.
    let code = if detail.starts_with("The user executing the script can't") { "NOPERM" } else { code };
    let advice = match code {
        "WRONGPASS" | "NOAUTH" => "check the user name and the password for Redis",
        "NOPERM" => {
            "the Redis user may not do this; the guide's page 'Several nodes' has the ACL rule that it needs"
        }
        "OOM" => {
            "Redis is at its maxmemory; raise it, or free memory. Hubward needs maxmemory-policy noeviction"
        }
        "READONLY" => "this Redis is a replica; connect to its primary, or through Sentinel",
        "LOADING" => "Redis is loading its data; it is tried again",
        "MISCONF" => {
            "Redis cannot save its data to disk; see its log, or turn stop-writes-on-bgsave-error off"
        }
        "MASTERDOWN" | "CLUSTERDOWN" => "the Redis servers have no primary at present; it is tried again",
        "MOVED" | "ASK" => {
            "this Redis is a Cluster; if the URL begins with redis://, begin it with redis-cluster://"
        }
        "BUSY" => "a script of another program runs in Redis for too long; see SCRIPT KILL",
        "WRONGTYPE" => {
            "another program has written a key under this prefix; delete that key, or choose another prefix"
        }
        // What a reply that has too many values is replaced by.
        "TOOLARGE" => "look for a user or a connection with very many groups",
        "DENIED" => "Redis lets in only its own machine until it has a password; see its protected-mode",
        "NOREPLICAS" => "Redis has fewer replicas than min-replicas-to-write",
        _ if detail.contains("cluster support disabled") => {
            "this Redis is no Cluster; if the URL begins with redis-cluster://, begin it with redis://"
        }
        _ if detail.contains("DB index is out of range") => {
            "Redis has fewer databases; choose a smaller number, or another prefix to keep two uses of it apart"
        }
        _ if detail.starts_with("unknown command 'SENTINEL'") => {
            "this is no Sentinel; give the addresses of the Sentinels, whose port is usually 26379"
        }
        _ if detail.starts_with("unknown command") => {
            "this server lacks the command or has renamed it; Hubward needs Redis 7.0 or newer, or Valkey"
        }
        _ if detail.contains("max number of clients") => "Redis is at its maxclients; raise it",
        _ => return None,
    };
    Some(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_too_late_says_what_to_look_at() {
        let timed_out = || RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        for failure in [
            RedisFailure::from(timed_out()),
            RedisFailure::from(PoolError::Timeout(TimeoutType::Create)),
            RedisFailure::from(PoolError::Timeout(TimeoutType::Recycle)),
            RedisFailure::late("no connection was opened within 3s"),
        ] {
            assert!(failure.to_string().ends_with(&format!(" ({ADVICE_IF_LATE})")), "{failure}");
        }
        let waited = RedisFailure::from(PoolError::Timeout(TimeoutType::Wait)).to_string();
        assert!(waited.contains("ask again later"), "{waited}");
    }
}

//! Redis URLs: which servers, how they are found, and who asks.

use percent_encoding::percent_decode_str;

use crate::address::Address;
use crate::connector::Credentials;
use crate::error::RedisConfigError;
use crate::topology::Servers;

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// What a URL says.
pub(crate) struct ParsedUrl {
    pub(crate) servers: Servers,
    pub(crate) has_tls: bool,
    pub(crate) credentials: Credentials,
    pub(crate) database: u32,
}

/// Reads a URL.
pub(crate) fn parse(url: &str) -> Result<ParsedUrl, RedisConfigError> {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    let kind = match scheme {
        "redis" | "rediss" => Kind::Standalone,
        "redis-sentinel" | "rediss-sentinel" => Kind::Sentinel,
        "redis-cluster" | "rediss-cluster" => Kind::Cluster,
        // Without a scheme, it may begin with a password.
        _ if !url.contains("://") => return Err(RedisConfigError::Scheme { given: String::new() }),
        _ => return Err(RedisConfigError::Scheme { given: scheme.to_owned() }),
    };
    if let Some(at) = rest.find(['?', '#']) {
        return Err(unknown(rest.get(at..).unwrap_or_default()));
    }
    // A password may have an '@', so the last one counts.
    let (userinfo, rest) = rest.rsplit_once('@').map_or((None, rest), |(info, rest)| (Some(info), rest));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (servers, database) = servers(kind, hosts, path)?;
    let credentials = userinfo.map(credentials).transpose()?.unwrap_or_default();
    Ok(ParsedUrl { servers, has_tls: scheme.starts_with("rediss"), credentials, database })
}

#[derive(Clone, Copy)]
enum Kind {
    Standalone,
    Sentinel,
    Cluster,
}

fn servers(kind: Kind, hosts: &str, path: &str) -> Result<(Servers, u32), RedisConfigError> {
    let addresses = |default_port| {
        let addresses: Result<Vec<_>, _> =
            hosts.split(',').map(|host| Address::parse(host, default_port)).collect();
        addresses
    };
    match kind {
        Kind::Standalone => Ok((Servers::Standalone(Address::parse(hosts, REDIS_PORT)?), database(path)?)),
        Kind::Sentinel => {
            let (name, number) = path.split_once('/').unwrap_or((path, ""));
            let primary =
                decode(name).filter(|name| !name.is_empty()).ok_or(RedisConfigError::SentinelName)?;
            Ok((Servers::Sentinel { sentinels: addresses(SENTINEL_PORT)?, primary }, database(number)?))
        }
        Kind::Cluster => Ok((Servers::Cluster(addresses(REDIS_PORT)?), database(path)?)),
    }
}

/// What is wrong with a `?` or `#` and what follows. It may be a part of a password, and a value may be one.
fn unknown(rest: &str) -> RedisConfigError {
    if rest.contains('@') {
        return RedisConfigError::Credentials;
    }
    let name = rest.split_once('=').map_or("", |(name, _)| name);
    let given = if name.is_empty() { rest.chars().take(1).collect() } else { name.to_owned() };
    RedisConfigError::Unknown { given }
}

fn database(text: &str) -> Result<u32, RedisConfigError> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| RedisConfigError::Database { given: text.to_owned() })
}

fn credentials(userinfo: &str) -> Result<Credentials, RedisConfigError> {
    let (username, password) = match userinfo.split_once(':') {
        Some((username, password)) => (username, Some(password)),
        None => (userinfo, None),
    };
    let decoded = |text| decode(text).ok_or(RedisConfigError::Credentials);
    let username = decoded(username)?;
    let password = password.map(decoded).transpose()?;
    Ok(Credentials::new((!username.is_empty()).then_some(username), password))
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(|decoded| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        match parse(url) {
            Ok(ParsedUrl { servers, has_tls, credentials, database }) => {
                format!("{servers} tls={has_tls} db={database} {}", credentials.exposed())
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_url_names_servers_credentials_and_database() {
        for (url, expected) in [
            ("redis://redis", "redis:6379 tls=false db=0 None None"),
            ("redis://:pw@[::1]:1/3", "[::1]:1 tls=false db=3 None Some(\"pw\")"),
            ("rediss://u:p%40%2F@h:6380", "h:6380 tls=true db=0 Some(\"u\") Some(\"p@/\")"),
            ("redis://u:p@ss@h", "h:6379 tls=false db=0 Some(\"u\") Some(\"p@ss\")"),
            ("redis-sentinel://a,b:1/main/2", "a:26379,b:1/main tls=false db=2 None None"),
            ("rediss-cluster://a:1,b", "a:1,b:6379 tls=true db=0 None None"),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for (url, part) in [
            ("localhost:6379", "this one has no '://'"),
            ("http://h", "not with 'http'"),
            ("redis://", "no address"),
            ("redis://:topsecret@", "no address"),
            ("redis://:topsecret@h/x", "'x' is no Redis database"),
            ("redis://:topsecret@h?a=topsecret", "'?a', and"),
            ("redis://:topsecret@h#topsecret", "'#', and"),
            ("redis://:a?topsecret@h", "percent-encode"),
            ("redis://:a#topsecret@h", "percent-encode"),
            ("redis://alice:topsecret", "before an '@'"),
            ("redis://:topsecret", "before an '@'"),
            ("redis://:topsecret%ff@h", "percent-encode"),
            ("redis-sentinel://:topsecret@h", "the name of the primary"),
            ("redis-cluster://:topsecret@a,,b", "no address"),
        ] {
            let error = shown(url);
            assert!(error.contains(part) && !error.contains("topsecret"), "{url}: {error}");
        }
        assert!(!shown("topsecret").contains("topsecret"));
    }
}

//! The section `redis`: from what is written to a [`Redis`], with all that must fit together.

use std::path::Path;

use hubward::redis::{Address, Redis, RedisBuilder, RedisConfigError, RedisTls};

use super::problem::Problem;
use super::raw::{List, Mode, RawRedis, RawTls, Secret};
use super::{duration, mounted_file};

/// Where Redis listens by default, and where a Sentinel does.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// A shorter lease would declare nodes dead that are only busy.
const SHORTEST_LEASE: std::time::Duration = std::time::Duration::from_secs(1);

/// What has been found wrong so far; an operator wants to know all of it.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn note(&mut self, fields: &[&str], text: impl Into<String>) {
        self.0.push(Problem::new(fields, text));
    }

    /// Returns what there is, and notes what is wrong with the field otherwise.
    fn some<T>(&mut self, field: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|text| self.note(&[field], text)).ok()
    }
}

/// The URL, and the field that it is from.
struct Url {
    field: &'static str,
    url: Secret,
}

impl TryFrom<RawRedis> for Redis {
    type Error = Vec<Problem>;

    fn try_from(raw: RawRedis) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let url = url(&mut problems, &raw);
        let builder = match &url {
            Some(url) => from_url(&mut problems, url, &raw),
            None => from_fields(&mut problems, &raw),
        };
        let is_sentinel = match &url {
            Some(url) => scheme(url).ends_with("-sentinel"),
            None => raw.mode == Some(Mode::Sentinel),
        };
        let builder = builder.unwrap_or_else(|| Redis::standalone(Address::new("unknown", PORT)));
        let builder = credentials(&mut problems, builder, url.as_ref(), &raw);
        let builder = sentinel_credentials(&mut problems, builder, is_sentinel, &raw);
        let builder = durations(&mut problems, builder, &raw);
        let builder = tls(&mut problems, builder, url.as_ref(), &raw.tls).prefix(raw.prefix);
        let Problems(mut problems) = problems;
        match builder.build() {
            Ok(redis) if problems.is_empty() => return Ok(redis),
            Ok(_) => {}
            Err(error) => {
                let fields = match (&error, &url) {
                    (RedisConfigError::ClusterDatabase, Some(url)) => &[url.field],
                    _ => fields_of(&error),
                };
                problems.push(Problem::new(fields, error.to_string()));
            }
        }
        Err(problems)
    }
}

/// The fields that an error of the builder is about.
fn fields_of(error: &RedisConfigError) -> &'static [&'static str] {
    match error {
        RedisConfigError::Prefix { .. } => &["redis.prefix"],
        RedisConfigError::ClusterDatabase | RedisConfigError::Database { .. } => &["redis.database"],
        RedisConfigError::SentinelName => &["redis.primary"],
        RedisConfigError::NoServers | RedisConfigError::Address { .. } => &["redis.addresses"],
        RedisConfigError::ResponseTimeout { .. } => &["redis.response_timeout"],
        RedisConfigError::Tls { .. } => {
            &["redis.tls.ca_file", "redis.tls.certificate_file", "redis.tls.key_file"]
        }
        _ => &["redis"],
    }
}

fn url(problems: &mut Problems, raw: &RawRedis) -> Option<Url> {
    let url = secret(problems, ["redis.url", "redis.url_file"], raw.url.as_ref(), raw.url_file.as_deref())?;
    let field = if raw.url.is_some() { "redis.url" } else { "redis.url_file" };
    Some(Url { field, url })
}

/// A secret, from a field or from the file that another field names.
fn secret(
    problems: &mut Problems,
    [field, file_field]: [&'static str; 2],
    value: Option<&Secret>,
    file: Option<&Path>,
) -> Option<Secret> {
    let (field, secret) = match (value, file) {
        (None, None) => return None,
        (Some(value), None) => (field, value.clone()),
        (None, Some(path)) => {
            let read = mounted_file::read_secret(path).map_err(|text| of_file(path, &text));
            (file_field, Secret::new(problems.some(file_field, read)?))
        }
        (Some(value), Some(_)) => {
            problems.note(&[field, file_field], "both are set; remove one of them");
            (field, value.clone())
        }
    };
    if secret.expose().is_empty() {
        problems.note(&[field], "it is empty; give a value, or remove the field");
    }
    Some(secret)
}

fn of_file(path: &Path, text: &str) -> String {
    format!("{}: {text}", path.display())
}

fn scheme(url: &Url) -> &str {
    url.url.expose().split_once("://").map_or("", |(scheme, _)| scheme)
}

fn from_url(problems: &mut Problems, url: &Url, raw: &RawRedis) -> Option<RedisBuilder> {
    let says_already = "the URL says this already; remove one of the two";
    for (field, is_set, text) in [
        ("redis.mode", raw.mode.is_some(), says_already),
        ("redis.addresses", raw.addresses.is_some(), says_already),
        ("redis.primary", raw.primary.is_some(), says_already),
        (
            "redis.database",
            raw.database.is_some(),
            "a URL ends with the database, such as redis://host:6379/3; write it there, and remove the field",
        ),
        (
            "redis.tls.enabled",
            raw.tls.enabled.is_some(),
            "a URL says by rediss:// that there is TLS; write it so, and remove the field",
        ),
    ] {
        if is_set {
            problems.note(&[url.field, field], text);
        }
    }
    problems.some(url.field, Redis::url(url.url.expose()).map_err(|error| error.to_string()))
}

fn from_fields(problems: &mut Problems, raw: &RawRedis) -> Option<RedisBuilder> {
    let Some(mode) = raw.mode else {
        // What is wrong with the URL has been noted.
        if raw.url.is_none() && raw.url_file.is_none() {
            let text = "none is set; set the URL, or the mode (standalone, sentinel or cluster) with redis.addresses";
            problems.note(&["redis.url", "redis.mode"], text);
        }
        return None;
    };
    let default_port = if mode == Mode::Sentinel { SENTINEL_PORT } else { PORT };
    let addresses = addresses(problems, raw.addresses.as_ref(), default_port)?;
    if mode != Mode::Sentinel && raw.primary.is_some() {
        problems.note(
            &["redis.primary", "redis.mode"],
            "only Sentinels know a primary by a name; remove it, or set the mode to sentinel",
        );
    }
    let builder = match mode {
        Mode::Standalone => match <[Address; 1]>::try_from(addresses) {
            Ok([address]) => Redis::standalone(address),
            Err(_) => {
                problems.note(
                    &["redis.addresses", "redis.mode"],
                    "a standalone Redis has one address; remove the others, or set another mode",
                );
                return None;
            }
        },
        Mode::Sentinel => {
            let Some(primary) = raw.primary.as_ref().filter(|primary| !primary.is_empty()) else {
                problems.note(
                    &["redis.primary"],
                    "set it to the name by which the Sentinels know the primary, such as mymaster",
                );
                return None;
            };
            Redis::sentinel(addresses, primary)
        }
        Mode::Cluster => Redis::cluster(addresses),
    };
    Some(builder.database(raw.database.as_ref().map_or(0, |database| database.0)))
}

fn addresses(problems: &mut Problems, list: Option<&List>, default_port: u16) -> Option<Vec<Address>> {
    let list = list.map_or(&[][..], |list| &list.0);
    if list.is_empty() {
        problems.note(&["redis.addresses"], "set it to a list of at least one host:port");
        return None;
    }
    let parsed = list.iter().map(|text| Address::parse(text, default_port));
    let parsed: Result<Vec<Address>, RedisConfigError> = parsed.collect();
    problems.some("redis.addresses", parsed.map_err(|error| error.to_string()))
}

fn credentials(
    problems: &mut Problems,
    mut builder: RedisBuilder,
    url: Option<&Url>,
    raw: &RawRedis,
) -> RedisBuilder {
    let fields = ["redis.password", "redis.password_file"];
    let password = secret(problems, fields, raw.password.as_ref(), raw.password_file.as_deref());
    let given = if raw.password.is_some() { fields[0] } else { fields[1] };
    let has_userinfo = url.filter(|url| url.url.expose().contains('@'));
    for (field, is_set) in [("redis.username", raw.username.is_some()), (given, password.is_some())] {
        if let (Some(url), true) = (has_userinfo, is_set) {
            problems
                .note(&[url.field, field], "the URL has a user name or a password; give both in one place");
        }
    }
    if let Some(username) = &raw.username {
        if password.is_none() && raw.password_file.is_none() {
            problems.note(&["redis.username"], "it needs redis.password or redis.password_file");
        }
        builder = builder.username(username);
    }
    match password {
        Some(password) => builder.password(password.expose()),
        None => builder,
    }
}

fn sentinel_credentials(
    problems: &mut Problems,
    builder: RedisBuilder,
    is_sentinel: bool,
    raw: &RawRedis,
) -> RedisBuilder {
    let fields = ["redis.sentinel_password", "redis.sentinel_password_file"];
    let file = raw.sentinel_password_file.as_deref();
    let password = secret(problems, fields, raw.sentinel_password.as_ref(), file);
    if !is_sentinel {
        for (field, is_set) in [
            ("redis.sentinel_username", raw.sentinel_username.is_some()),
            (fields[0], raw.sentinel_password.is_some()),
            (fields[1], file.is_some()),
        ] {
            if is_set {
                problems
                    .note(&[field], "there are no Sentinels here; remove it, or set redis.mode to sentinel");
            }
        }
    }
    match password {
        Some(password) => builder.sentinel_credentials(raw.sentinel_username.clone(), password.expose()),
        None => {
            if raw.sentinel_username.is_some() && file.is_none() {
                let text = "it needs redis.sentinel_password or redis.sentinel_password_file";
                problems.note(&["redis.sentinel_username"], text);
            }
            builder
        }
    }
}

fn durations(problems: &mut Problems, builder: RedisBuilder, raw: &RawRedis) -> RedisBuilder {
    let mut read = |field, text: &str| problems.some(field, duration::parse(text));
    let lease = read("redis.lease", &raw.lease);
    let connect = read("redis.connect_timeout", &raw.connect_timeout);
    let response = read("redis.response_timeout", &raw.response_timeout);
    if lease.is_some_and(|lease| lease < SHORTEST_LEASE) {
        problems
            .note(&["redis.lease"], "a node would be taken for dead that is only busy; set it to 1s or more");
    }
    // One that is missing has been noted, and nothing is built.
    let builder = lease.into_iter().fold(builder, RedisBuilder::lease);
    let builder = connect.into_iter().fold(builder, RedisBuilder::connect_timeout);
    response.into_iter().fold(builder, RedisBuilder::response_timeout)
}

fn tls(problems: &mut Problems, builder: RedisBuilder, url: Option<&Url>, raw: &RawTls) -> RedisBuilder {
    let is_on = match url {
        Some(url) => scheme(url).starts_with("rediss"),
        None => raw.enabled.is_some_and(|enabled| enabled.0),
    };
    let fields = ["redis.tls.ca_file", "redis.tls.certificate_file", "redis.tls.key_file"];
    let paths = [&raw.ca_file, &raw.certificate_file, &raw.key_file];
    if !is_on {
        for (field, _) in fields.iter().zip(paths).filter(|(_, path)| path.is_some()) {
            match url {
                Some(url) => {
                    problems.note(&[field, url.field], "the URL has no TLS; begin it with rediss://")
                }
                None => {
                    problems.note(&[field, "redis.tls.enabled"], "TLS is off; set redis.tls.enabled to true")
                }
            }
        }
        return builder;
    }
    let [authority, certificate, key] = [0, 1, 2].map(|index: usize| {
        let (field, path) = (fields.get(index)?, paths.get(index)?.as_deref()?);
        problems.some(field, mounted_file::read(path).map_err(|text| of_file(path, &text)))
    });
    if raw.certificate_file.is_some() != raw.key_file.is_some() {
        let text = "a client's certificate and its key belong together; set both, or none";
        problems.note(&["redis.tls.certificate_file", "redis.tls.key_file"], text);
    }
    let mut tls = RedisTls::new();
    if let Some(authority) = authority {
        tls = tls.certificate_authority(authority);
    }
    if let (Some(certificate), Some(key)) = (certificate, key) {
        tls = tls.client_certificate(certificate, key);
    }
    builder.tls(tls)
}

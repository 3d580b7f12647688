//! The node's configuration: defaults, then a file, then the environment, then the command line, each over those before.
//! What is read is `raw.rs`; what the program works with is valid. Nothing else of the program reads it.

mod duration;
mod layer;
mod mounted_file;
mod problem;
mod raw;
mod redis;

use std::ffi::OsString;
use std::path::Path;

use figment::Figment;
use hubward::redis::Redis;

use self::layer::Layer;
pub(crate) use self::problem::ConfigError;
use self::problem::Problem;
use self::raw::RawConfig;
use crate::command::RedisUrl;

/// What the fields are that nobody has set. Those that are not here have no default.
const DEFAULTS: [(&str, &str); 4] = [
    ("redis.prefix", "hubward"),
    ("redis.lease", "15s"),
    ("redis.connect_timeout", "3s"),
    ("redis.response_timeout", "4s"),
];

/// Where configuration comes from.
pub(crate) struct Sources<'a> {
    /// The file, as TOML or, where its name ends in `.json`, as JSON.
    pub(crate) file: Option<&'a Path>,
    /// The variables, with their names.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// What the command line says of Redis.
    pub(crate) redis_url: Option<&'a RedisUrl>,
    /// What stands instead of a default.
    pub(crate) other_defaults: &'a [(&'a str, &'a str)],
}

/// The configuration, valid.
#[derive(Debug)]
pub(crate) struct Config {
    /// The Redis that joins this node with others. Without one, it is alone.
    pub(crate) redis: Option<Redis>,
}

impl Config {
    /// Reads all sources.
    pub(crate) fn load(sources: Sources<'_>) -> Result<Self, ConfigError> {
        let mut given = Vec::new();
        given.extend(sources.file.map(Layer::file).transpose()?);
        given.extend(Layer::environment(sources.environment)?);
        given.extend(
            sources
                .redis_url
                .map(|url| Layer::fields("--redis or HUBWARD_REDIS", &[("redis.url", url.expose())])),
        );
        let has_redis = given.iter().any(|layer| layer.has("redis"));
        let defaults =
            [Layer::fields("default", &DEFAULTS), Layer::fields("default", sources.other_defaults)];
        let figment = defaults.into_iter().chain(given).fold(Figment::new(), Figment::merge);
        let raw: RawConfig =
            figment.extract().map_err(|error| ConfigError::new(Problem::all_of(error), &figment))?;
        if !has_redis {
            return Ok(Self { redis: None });
        }
        let redis = Redis::try_from(raw.redis).map_err(|problems| ConfigError::new(problems, &figment))?;
        Ok(Self { redis: Some(redis) })
    }
}

#[cfg(test)]
mod tests;

//! What configurations are, what is wrong with those that are not valid, and that no error has a secret.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use figment::error::Kind;

use super::*;

/// What is in no error, wherever it stands.
const PASSWORD: &str = "topsecret";

/// A folder of a test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static FOLDERS: AtomicU64 = AtomicU64::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hubward-config-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn load_from(file: Option<&Path>, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Config::load(Sources { file, environment, redis_url: None, other_defaults: &[] })
}

/// What a configuration of these fields of `redis` is, or what is wrong with it. They come as variables.
fn load(fields: &[(&str, &str)]) -> String {
    let variable = |field: &str| format!("HUBWARD_REDIS__{}", field.to_uppercase().replace('.', "__"));
    let variables: Vec<_> = fields.iter().map(|(field, value)| (variable(field), *value)).collect();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    shown(load_from(None, &variables))
}

/// What a file is, or what is wrong with it.
fn load_file(text: &str, name: &str, variables: &[(&str, &str)]) -> String {
    let folder = Folder::new();
    shown(load_from(Some(&folder.file(name, text)), variables))
}

fn shown(loaded: Result<Config, ConfigError>) -> String {
    let shown = match loaded {
        Ok(config) => format!("{config:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!shown.contains(PASSWORD), "a password was printed: {}", shown.replace(PASSWORD, "PASSWORD"));
    shown
}

fn check(fields: &[(&str, &str)], parts: &[&str]) {
    let shown = load(fields);
    for part in parts {
        assert!(shown.contains(part), "{fields:?}: no '{part}' in {shown}");
    }
}

#[test]
fn redis_is_named_by_a_url_or_by_fields() {
    check(&[("url", "redis://:topsecret@h/3")], &["h:6379", "{hubward}:1:"]);
    check(&[("mode", "standalone"), ("addresses", "h:1"), ("prefix", "clinic")], &["h:1", "{clinic}:1:"]);
    check(&[("mode", "sentinel"), ("addresses", "a, b:1"), ("primary", "main")], &["a:26379,b:1/main"]);
    check(&[("mode", "cluster"), ("addresses", "a,b"), ("database", "0")], &["a:6379,b:6379"]);
    check(&[("url", "redis://h"), ("username", "u"), ("password", "topsecret")], &["h:6379"]);
    assert_eq!(shown(load_from(None, &[])), "Config { redis: None }");
}

#[test]
fn variables_come_before_a_file_and_a_file_before_defaults() {
    let file = "[redis]\nurl = 'redis://h'\nprefix = 'clinic'\n";
    assert!(load_file(file, "a.toml", &[]).contains("{clinic}:1:"));
    assert!(load_file(file, "a.toml", &[("HUBWARD_REDIS__PREFIX", "ward")]).contains("{ward}:1:"));
    let variables = [("HUBWARD_REDIS__ADDRESSES", "b:2")];
    let json = r#"{"redis": {"mode": "cluster", "addresses": ["a:1", "a:2"], "tls": {"enabled": false}}}"#;
    assert!(load_file(json, "a.json", &[]).contains("a:1,a:2"));
    assert!(load_file(json, "a.json", &variables).contains("b:2"));
    // Others of Kubernetes and of this program are not configuration.
    let others =
        [("HUBWARD_REDIS_PORT", "tcp://10.0.0.1:6379"), ("HUBWARD_LOG", "debug"), ("REDIS__URL", "x")];
    assert_eq!(shown(load_from(None, &others)), "Config { redis: None }");
}

#[test]
fn a_variable_with_one_underscore_for_two_is_refused() {
    for (name, meant) in [
        ("HUBWARD_REDIS_URL", "HUBWARD_REDIS__URL"),
        ("HUBWARD_REDIS_PASSWORD_FILE", "HUBWARD_REDIS__PASSWORD_FILE"),
        ("HUBWARD_REDIS_TLS_CA_FILE", "HUBWARD_REDIS__TLS__CA_FILE"),
    ] {
        let found = shown(load_from(None, &[(name, "topsecret")]));
        assert!(found.contains(&format!("{name}: write it with two underscores, {meant}")), "{found}");
    }
}

#[test]
fn what_a_url_has_in_itself_is_refused_beside_it() {
    check(&[("url", "redis://h"), ("database", "3")], &["redis.database (in", "redis://host:6379/3"]);
    check(&[("url", "redis://h"), ("tls.enabled", "true")], &["redis.tls.enabled (in", "by rediss://"]);
    check(&[("url", "redis-cluster://h/3")], &["redis.url (in", "only database 0"]);
}

#[test]
fn the_command_line_comes_first_and_is_named_as_a_source() {
    let url: RedisUrl = "redis://cli".parse().unwrap();
    let load = |variables: &[(&str, &str)]| {
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let other_defaults = &[("redis.prefix", "demo")];
        shown(Config::load(Sources { file: None, environment, redis_url: Some(&url), other_defaults }))
    };
    let found = load(&[("HUBWARD_REDIS__URL", "redis://variable")]);
    assert!(found.contains("cli:6379") && found.contains("{demo}:1:"), "{found}");
    let found = load(&[("HUBWARD_REDIS__MODE", "cluster")]);
    assert!(
        found.contains("redis.url (in --redis or HUBWARD_REDIS) and redis.mode (in HUBWARD_REDIS__MODE)"),
        "{found}"
    );
}

#[test]
fn secrets_are_read_from_mounted_files_without_the_line_end() {
    let folder = Folder::new();
    let path = folder.file("url", "redis://:topsecret@h:1\n");
    check(&[("url_file", path.to_str().unwrap())], &["h:1"]);
    let empty = folder.file("password", "\n");
    check(
        &[("url", "redis://h"), ("password_file", empty.to_str().unwrap())],
        &["redis.password_file (in HUBWARD_REDIS__PASSWORD_FILE)", "it is empty"],
    );
    check(
        &[("url", "redis://h"), ("password_file", "/nowhere"), ("username", "u")],
        &["redis.password_file", "/nowhere: it cannot be opened"],
    );
    let large = folder.file("large", &"x".repeat((1 << 20) + 1));
    check(&[("url_file", large.to_str().unwrap())], &["redis.url_file", "more than 1048576 bytes"]);
}

#[test]
fn fields_that_contradict_each_other_are_named_with_where_they_are_set() {
    let url = ("url", "redis://h");
    check(
        &[url, ("mode", "cluster")],
        &["redis.url (in HUBWARD_REDIS__URL) and redis.mode (in HUBWARD_REDIS__MODE)"],
    );
    check(&[url, ("addresses", "h")], &["redis.url", "redis.addresses"]);
    check(&[url, ("database", "1")], &["redis.url", "redis.database"]);
    check(
        &[url, ("tls.enabled", "true")],
        &["redis.url", "redis.tls.enabled (in HUBWARD_REDIS__TLS__ENABLED)"],
    );
    check(&[url, ("url_file", "/nowhere")], &["redis.url", "redis.url_file", "both are set"]);
    check(
        &[url, ("password", "topsecret"), ("password_file", "x")],
        &["redis.password", "redis.password_file"],
    );
    check(
        &[("url", "redis://:topsecret@h"), ("password", "topsecret")],
        &["redis.url", "redis.password", "in one place"],
    );
    check(&[url, ("tls.ca_file", "x")], &["redis.tls.ca_file", "redis.url", "rediss://"]);
    check(&[url, ("sentinel_password", "topsecret")], &["redis.sentinel_password", "no Sentinels"]);
    let one = [("mode", "standalone"), ("addresses", "h")];
    check(&[one[0], one[1], ("tls.key_file", "x")], &["redis.tls.key_file", "redis.tls.enabled (not set)"]);
    check(&[one[0], one[1], ("primary", "x")], &["redis.primary", "redis.mode"]);
    check(&[one[0], ("addresses", "a,b")], &["redis.addresses", "redis.mode", "one address"]);
    check(
        &[("mode", "cluster"), ("addresses", "a"), ("database", "1")],
        &["redis.database", "only database 0"],
    );
}

#[test]
fn what_is_missing_is_named() {
    check(&[("prefix", "x")], &["redis.url (not set) and redis.mode (not set)"]);
    check(&[("mode", "cluster")], &["redis.addresses (not set)"]);
    check(&[("mode", "sentinel"), ("addresses", "a")], &["redis.primary (not set)"]);
    check(&[("url", "redis://h"), ("username", "u")], &["redis.username", "redis.password_file"]);
    let tls = [("url", "rediss://h"), ("tls.certificate_file", "/nowhere")];
    check(&tls, &["redis.tls.certificate_file", "redis.tls.key_file (not set)", "belong together"]);
}

#[test]
fn a_timeout_that_nobody_waits_for_is_refused() {
    let url = ("url", "redis://h");
    check(
        &[url, ("response_timeout", "5s")],
        &[
            "redis.response_timeout (in HUBWARD_REDIS__RESPONSE_TIMEOUT)",
            "a call fails after 5s anyway",
            "lower it",
        ],
    );
    check(&[url, ("response_timeout", "4999ms")], &["h:6379"]);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let found = load(&[("url", "http://h"), ("lease", "soon"), ("connect_timeout", "0s"), ("prefix", "a b")]);
    for field in ["redis.url", "redis.lease", "redis.connect_timeout", "redis.prefix"] {
        assert!(found.contains(field), "no {field} in {found}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_not_quoted() {
    check(&[("database", "topsecret")], &["redis.database (in HUBWARD_REDIS__DATABASE)", "a whole number"]);
    check(&[("tls.enabled", "topsecret")], &["redis.tls.enabled", "true or false"]);
    check(&[("mode", "topsecret")], &["redis.mode", "standalone, sentinel, cluster"]);
    check(
        &[("pasword", "topsecret")],
        &["redis.pasword (in HUBWARD_REDIS__PASWORD)", "no such field", "password_file"],
    );
    check(&[("url.a.b.c.d", "topsecret")], &["HUBWARD_REDIS__URL__A__B__C__D: there is no such field"]);
    check(&[("url.x", "topsecret")], &["redis.url", "a string"]);
    for (text, part) in [
        ("[redis]\npassword = ['topsecret']", "redis.password"),
        ("[redis]\npassword = { a = 'topsecret' }", "redis.password"),
        ("[redis]\naddresses = [['topsecret']]", "redis.addresses"),
        ("redis = 'topsecret'", "redis (in "),
        ("[rediss]\npassword = 'topsecret'", "rediss"),
        ("[redis]\npassword = 'topsecret\n", "in line 2"),
        ("[redis]\npassword = topsecret\n", "in line 2"),
        ("password topsecret\n", "in line 1"),
        ("[redis]\npassword = 'a'\npassword = 'topsecret'\n", "in line 3"),
        ("[redis]\npassword = \"\\topsecret\\q\"\n", "in line 2"),
    ] {
        let found = load_file(text, "a.toml", &[]);
        assert!(found.contains(part), "{text}: no '{part}' in {found}");
    }
    let digits = load_file("[redis]\nurl = 'redis://h'\npassword = 314159265", "a.toml", &[]);
    assert!(digits.contains("redis.password") && digits.contains("in quotes"), "{digits}");
    assert!(!digits.contains("314159265"), "{digits}");
    for text in ["{\"redis\": {\"password\": \"topsecret\"", "\"topsecret\"", "{\"redis\": topsecret}"] {
        let found = load_file(text, "a.json", &[]);
        assert!(found.contains("no JSON"), "{found}");
    }
}

#[test]
fn a_password_of_digits_is_a_text_in_a_variable() {
    check(&[("url", "redis://h"), ("password", "0123")], &["h:6379"]);
    check(&[("mode", "standalone"), ("addresses", "h"), ("password", "true")], &["h:6379"]);
}

/// The fields of a section as the type has them, those of sections within it included.
fn fields(section: &str) -> Vec<String> {
    let unknown = [(format!("{section}.unknown"), "x")];
    let unknown = unknown.each_ref().map(|(field, value)| (field.as_str(), *value));
    let layers = [Layer::fields("default", &DEFAULTS), Layer::fields("test", &unknown)];
    let figment = layers.into_iter().fold(Figment::new(), Figment::merge);
    let Err(error) = figment.extract::<RawConfig>() else { panic!("there is no such field") };
    let Kind::UnknownField(_, known) = error.kind else { panic!("{error}") };
    let names = known.iter().map(|name| format!("{section}.{name}"));
    names.flat_map(|name| if name == "redis.tls" { fields(&name) } else { vec![name] }).collect()
}

#[test]
fn the_guides_table_has_every_field_with_its_variable_and_its_default() {
    let guide = include_str!("../../../../docs/guide/several-nodes.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `redis."));
    let documented: BTreeMap<String, (String, String)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            (format!("redis.{}", cells[0]), (cells[1].to_owned(), cells[2].to_owned()))
        })
        .collect();
    let default = |field: &str| DEFAULTS.iter().find(|(name, _)| *name == field).map(|(_, value)| *value);
    let expected = fields("redis").into_iter().map(|field| {
        let variable = format!("HUBWARD_{}", field.to_uppercase().replace('.', "__"));
        let default = default(&field).unwrap_or_default().to_owned();
        (field, (variable, default))
    });
    assert_eq!(documented, expected.collect());
    assert_eq!(fields("redis"), raw::FIELDS);
}

//! `hubward check`.

use std::path::Path;

use hubward_testing::redis::{RedisCluster, RedisOptions, RedisSentinels, RedisServer, Tls};
use hubward_testing::within;

use crate::hubward;

/// Runs the command, and returns whether it has succeeded, with all that it printed.
async fn check(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = hubward(&[&["check"], arguments].concat());
    let output = within("hubward check", command.envs(variables.iter().copied()).output()).await.unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8(printed).unwrap();
    assert!(!printed.contains("topsecret"), "{printed}");
    (output.status.success(), printed)
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_with_mounted_secrets_and_certificates_is_enough() {
    let users = vec!["alice on >topsecret ~* &* +@all".to_owned()];
    let tls = Tls::WithClientCertificates;
    let server = RedisServer::start(RedisOptions { users, tls, ..RedisOptions::default() }).await;
    let password = write(server.folder(), "password", "topsecret\n");
    let certificates = server.certificates().unwrap();
    let text = format!(
        "[redis]\nmode = 'standalone'\naddresses = ['{}']\nusername = 'alice'\npassword_file = '{password}'\n\
         [redis.tls]\nenabled = true\nca_file = '{}'\ncertificate_file = '{}'\nkey_file = '{}'\n",
        server.address(),
        certificates.authority.display(),
        certificates.client.display(),
        certificates.client_key.display(),
    );
    let file = write(server.folder(), "hubward.toml", &text);
    let (is_fine, printed) = check(&["--config", &file], &[]).await;
    assert!(is_fine && printed.contains("Nodes can work with this Redis."), "{printed}");

    let no_certificate = text.replace("certificate_file", "#").replace("key_file", "#");
    let file = write(server.folder(), "hubward.toml", &no_certificate);
    let (is_fine, printed) = check(&["--config", &file], &[]).await;
    assert!(!is_fine && printed.contains("FAILED"), "{printed}");

    let file = write(server.folder(), "hubward.toml", &text.replace("client.key", "server.key"));
    let (is_fine, printed) = check(&["--config", &file], &[]).await;
    assert!(!is_fine && printed.contains("redis.tls.key_file (in "), "{printed}");
}

#[tokio::test]
async fn variables_are_enough_for_sentinels_and_for_a_cluster() {
    let sentinels = RedisSentinels::start().await;
    let addresses = sentinels.addresses().map(|address| address.to_string()).join(",");
    let (is_fine, printed) = check(
        &[],
        &[
            ("HUBWARD_REDIS__MODE", "sentinel"),
            ("HUBWARD_REDIS__ADDRESSES", &addresses),
            ("HUBWARD_REDIS__PRIMARY", sentinels.name()),
        ],
    )
    .await;
    let primary = sentinels.primary().await.address();
    assert!(is_fine && printed.contains(&format!("{primary}  reachable")), "{printed}");

    let cluster = RedisCluster::start().await;
    let one = cluster.addresses()[0].to_string();
    let variables = [("HUBWARD_REDIS__MODE", "cluster"), ("HUBWARD_REDIS__ADDRESSES", &*one)];
    let (is_fine, printed) = check(&[], &variables).await;
    assert!(is_fine, "{printed}");
    assert_eq!(printed.matches("  reachable").count(), 3, "{printed}");
}

#[tokio::test]
async fn what_is_wrong_with_redis_is_printed_and_the_exit_code_is_1() {
    let users = vec!["alice on >topsecret ~* &* +@all -hset".to_owned()];
    let server = RedisServer::start(RedisOptions { users, ..RedisOptions::default() }).await;
    let url = format!("redis://alice:topsecret@{}", server.address());
    let (is_fine, printed) = check(&[], &[("HUBWARD_REDIS__URL", &url)]).await;
    assert!(!is_fine, "{printed}");
    assert!(printed.contains("FAILED") && printed.contains("refused HSET"), "{printed}");
    assert!(printed.contains("the guide's page 'Several nodes' has the ACL rule"), "{printed}");

    let url = url.replace("topsecret", "topsecrets");
    let (is_fine, printed) = check(&[], &[("HUBWARD_REDIS__URL", &url)]).await;
    assert!(!is_fine && printed.contains("check the user name and the password"), "{printed}");
}

#[tokio::test]
async fn the_redis_of_the_command_line_is_checked_as_the_demo_takes_it() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let away = [("HUBWARD_REDIS__URL", "redis://127.0.0.1:1")];
    let (is_fine, printed) = check(&["--redis", &server.url()], &away).await;
    assert!(is_fine && printed.contains(&format!("{}  reachable", server.address())), "{printed}");
    let (is_fine, printed) = check(&[], &[("HUBWARD_REDIS", &server.url())]).await;
    assert!(is_fine && printed.contains(&format!("{}  reachable", server.address())), "{printed}");
}

#[tokio::test]
async fn a_configuration_that_is_not_valid_is_refused_before_anything_connects() {
    let (is_fine, printed) = check(&[], &[("HUBWARD_REDIS__URL", "http://:topsecret@h")]).await;
    assert!(!is_fine && printed.contains("redis.url (in HUBWARD_REDIS__URL)"), "{printed}");
    let (is_fine, printed) = check(&["--config", "/nowhere.toml"], &[]).await;
    assert!(!is_fine && printed.contains("/nowhere.toml: it cannot be opened"), "{printed}");
    let (is_fine, printed) = check(&[], &[]).await;
    assert!(is_fine && printed.contains("It names no Redis") && printed.contains("--redis"), "{printed}");
}

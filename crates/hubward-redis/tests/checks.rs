//! What `Redis::check` finds on each kind of Redis, and that the guide's rule for users allows what is needed and no more. That it
//! suffices is shown by the other suites, whose nodes are such users.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is to fail a test")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use hubward_backplane::{Backplane, GroupStore, ReceivedEnvelope, Subscriber, Topic};
use hubward_redis::{CheckOutcome, CheckReport, Redis, RedisTls};
use hubward_testing::redis::{RedisOptions, RedisServer, Tls};

use crate::support::{Servers, acl};

struct Deaf;

impl Subscriber for Deaf {
    fn deliver(&self, _: &[ReceivedEnvelope]) {}
    fn interrupted(&self, _: &str) {}
    fn resumed(&self) {}
}

/// What is wrong, as lines.
fn problems(report: &CheckReport) -> Vec<String> {
    let problems =
        report.findings().iter().filter(|finding| !matches!(finding.outcome, CheckOutcome::Passed(_)));
    problems.map(ToString::to_string).collect()
}

/// The commands that servers have carried out.
async fn used(servers: &Servers) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for server in &servers.servers {
        let statistics = server.cli(&["INFO", "commandstats"]).await;
        let lines = statistics.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'));
        used.extend(lines.filter(|(_, rest)| !rest.starts_with("calls=0,")).map(|(name, _)| name.to_owned()));
    }
    used
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrong_with_servers_whose_user_has_the_guides_rule_and_no_rule_is_unused() {
    let all = [support::standalone().await, support::sentinels().await, support::cluster().await];
    let mut commands = BTreeSet::new();
    for (servers, primaries) in all.iter().zip([1, 1, 3]) {
        let redis = servers.redis();
        let redis = if primaries == 1 { redis.database(1) } else { redis }.build().unwrap();
        let report = redis.check().await;
        assert!(report.has_passed());
        assert_eq!(problems(&report), Vec::<String>::new());
        let reachable = report.findings().iter().filter(|finding| finding.subject == "reachable");
        assert_eq!(reachable.count(), primaries);
        work(&redis).await;
        for server in &servers.servers {
            assert_eq!(refused(server).await, Vec::<String>::new());
        }
        commands.append(&mut used(servers).await);
    }
    let rules = acl::of_servers("any");
    let allowed = acl::allowed(&rules);
    assert!(allowed.len() > 20, "{allowed:?}");
    let unused: Vec<_> = allowed.into_iter().filter(|command| !commands.contains(*command)).collect();
    assert!(unused.is_empty(), "the guide's rule allows what nothing needs: {unused:?}");
}

/// What a server has refused, but for what the guide says that servers from 7.2 on may be asked in vain.
async fn refused(server: &RedisServer) -> Vec<String> {
    let log = server.cli(&["ACL", "LOG"]).await;
    let objects = log.lines().zip(log.lines().skip(1)).filter(|(name, _)| *name == "object");
    let objects = objects.map(|(_, object)| object);
    objects.filter(|object| *object != "client|setinfo").map(str::to_owned).collect()
}

/// What every node does: it subscribes and publishes, changes something and asks for it.
async fn work(redis: &Redis) {
    let backplane = redis.backplane();
    backplane.start(Arc::new(Deaf)).await.unwrap();
    for subscribed in backplane.subscribe(vec![Topic::Nodes]).await {
        subscribed.unwrap();
    }
    backplane.publish(vec![Topic::Nodes], Bytes::from_static(b"envelope")).await.unwrap();
    backplane.stop().await;
    let store = redis.store();
    let (hub, group) = ("hub".into(), "group".into());
    store.add_user(&hub, &group, &"user".into(), None).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.count(&hub, &group).await.unwrap(), 1);
    }
}

/// A server with the guide's user, but for some of its rules.
async fn server_without(rules: &[&str]) -> (RedisServer, Redis) {
    let server = RedisServer::start(RedisOptions::default()).await;
    let mut allowed = acl::of_servers("clinic");
    allowed.retain(|rule| !rules.contains(&rule.as_str()));
    acl::set(&server, acl::USER, &allowed).await;
    let url = format!("redis://{}:{}@{}", acl::USER, acl::PASSWORD, server.address());
    let redis = Redis::url(&url).unwrap().prefix("clinic").build().unwrap();
    (server, redis)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_works_without_what_the_guide_says_can_be_left_out() {
    let (_server, redis) = server_without(&[
        "+select",
        "+role",
        "+cluster|slots",
        "+spublish",
        "+ssubscribe",
        "+sunsubscribe",
        "+config|get",
        "+info",
        "+client|info",
        "+client|kill",
    ])
    .await;
    work(&redis).await;
    assert!(redis.check().await.has_passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_use_their_connections_again_where_the_user_may_unwatch() {
    for (without, is_reused) in [(&[][..], true), (&["+unwatch"], false)] {
        let (server, redis) = server_without(without).await;
        let store = redis.store();
        let count = async || store.count(&"hub".into(), &"group".into()).await.unwrap();
        count().await;
        let opened = async || server.info("total_connections_received").await.parse::<u64>().unwrap();
        let before = opened().await;
        for _ in 0..10 {
            count().await;
        }
        // One that has just worked is not asked first. The question itself is a connection.
        assert_eq!(opened().await - before, 1, "{without:?}");
        assert_eq!(refused(&server).await, Vec::<String>::new());

        // Where nobody has waited for the reply, it is.
        server.pause();
        assert!(count().now_or_never().is_none());
        server.continue_();
        let before = opened().await;
        count().await;
        assert_eq!(opened().await - before == 1, is_reused, "{without:?}");
        assert_eq!(refused(&server).await.contains(&"unwatch".to_owned()), !is_reused);
        let found = problems(&redis.check().await).join("");
        assert_eq!(found.contains("opens another connection"), !is_reused, "{found}");
    }
}

#[tokio::test]
async fn a_check_leaves_no_key() {
    let servers = support::standalone().await;
    let redis = servers.redis().database(3).build().unwrap();
    assert!(redis.check().await.has_passed());
    assert_eq!(servers.servers[0].cli(&["-n", "3", "DBSIZE"]).await, "0");
}

/// Checks a server of its own.
async fn check(options: RedisOptions, user: &str) -> (RedisServer, CheckReport) {
    let server = RedisServer::start(options).await;
    let url = format!("redis://{user}:secret@{}", server.address());
    let redis = Redis::url(&url).unwrap().prefix("clinic").build().unwrap();
    let report = redis.check().await;
    (server, report)
}

#[tokio::test]
async fn a_user_who_lacks_a_permission_is_named_what_it_lacks() {
    let rule = |without: &[&str]| {
        let rules = acl::of_servers("clinic").into_iter().filter(|rule| !without.contains(&rule.as_str()));
        format!("alice {}", rules.collect::<Vec<_>>().join(" "))
    };
    for (without, failed, part) in [
        (vec!["+time", "+zadd"], true, "scripts on the keys: a script was refused TIME, ZADD"),
        (vec!["~{clinic}:1:*"], true, "scripts on the keys"),
        (vec!["&clinic:1:*"], true, "publishing messages"),
        (vec!["&{clinic}:1:*"], true, "subscribing to nodes that come and go"),
        (vec!["+evalsha"], true, "scripts on the keys"),
        (vec!["+subscribe"], true, "subscribing to messages"),
        (vec!["+client|kill"], false, "ending an earlier connection"),
        (vec!["+config|get"], false, "settings"),
        (vec!["+info"], false, "knowing whether Redis has restarted"),
    ] {
        let options = RedisOptions { users: vec![rule(&without)], ..RedisOptions::default() };
        let (_server, report) = check(options, "alice").await;
        let problems = problems(&report).join("\n");
        assert_eq!(report.has_passed(), !failed, "{without:?}: {problems}");
        assert!(problems.contains(part) && problems.contains("ACL rule"), "{without:?}: {problems}");
        assert!(!problems.contains("secret"), "{problems}");
    }
}

#[tokio::test]
async fn settings_that_lose_data_are_warnings_and_a_full_memory_or_a_wrong_password_fails() {
    let password = Some("secret".to_owned());
    let settings = vec!["maxmemory 100mb".to_owned(), "maxmemory-policy allkeys-lru".to_owned()];
    let (_server, report) =
        check(RedisOptions { settings, password: password.clone(), ..RedisOptions::default() }, "").await;
    assert!(report.has_passed());
    assert!(problems(&report).join("").contains("Set it to noeviction"), "{:?}", problems(&report));

    let settings = vec!["maxmemory 1".to_owned()];
    let (_server, report) = check(RedisOptions { settings, password, ..RedisOptions::default() }, "").await;
    let found = problems(&report).join("");
    assert!(!report.has_passed() && found.contains("OOM") && found.contains("maxmemory"), "{found}");

    let options = RedisOptions { password: Some("another".to_owned()), ..RedisOptions::default() };
    let (_server, report) = check(options, "").await;
    let found = problems(&report).join("");
    assert!(!report.has_passed() && found.contains("reachable") && found.contains("password"), "{found}");
    assert!(!found.contains("secret"), "{found}");
}

#[tokio::test]
async fn a_redis_that_is_away_is_unreachable() {
    let mut server = RedisServer::start(RedisOptions::default()).await;
    server.kill();
    let report = Redis::url(&server.url()).unwrap().build().unwrap().check().await;
    let found = problems(&report).join("");
    assert!(!report.has_passed() && found.contains("check that Redis runs"), "{found}");
}

#[tokio::test]
async fn each_mistake_with_tls_says_what_to_change() {
    let options = RedisOptions { tls: Tls::WithClientCertificates, ..RedisOptions::default() };
    let server = RedisServer::start(options).await;
    let (secured, address) = (server.url(), server.address());
    let authority = std::fs::read(&server.certificates().unwrap().authority).unwrap();
    let known = RedisTls::new().certificate_authority(authority);
    let plain = RedisServer::start(RedisOptions::default()).await;
    for (builder, advice) in [
        (Redis::url(&secured), "name its authority by redis.tls.ca_file"),
        (Redis::url(&secured).map(|builder| builder.tls(known)), "set redis.tls.certificate_file"),
        (Redis::url(&format!("redis://{address}")), "whether it expects TLS: rediss://"),
        (
            Redis::url(&format!("rediss://{}", plain.address()))
                .map(|builder| builder.connect_timeout(Duration::from_millis(200))),
            "If it does not speak TLS at this port",
        ),
        (Redis::url(&format!("{}/99", plain.url())), "choose a smaller number"),
        (Redis::url(&format!("redis-sentinel://{}/clinic", plain.address())), "this is no Sentinel"),
    ] {
        let report = builder.unwrap().build().unwrap().check().await;
        let found = problems(&report).join("");
        assert!(!report.has_passed() && found.contains(advice), "{found}");
    }
}

#[tokio::test]
async fn a_redis_that_stops_responding_is_asked_no_more() {
    let server = RedisServer::start(RedisOptions::default()).await;
    // Scripts are still loaded, but what writes, publishes or calls one waits until the end of the pause.
    server.cli(&["CLIENT", "PAUSE", "60000", "WRITE"]).await;
    let builder = Redis::url(&server.url()).unwrap().response_timeout(Duration::from_millis(200));
    let report = builder.build().unwrap().check().await;
    let found = problems(&report);
    assert!(!report.has_passed());
    assert!(
        matches!(&found[..], [only] if only.contains("responding") && only.contains("overloaded")),
        "{found:?}"
    );

    server.pause();
    let builder = Redis::url(&server.url()).unwrap().connect_timeout(Duration::from_millis(200));
    let report = builder.build().unwrap().check().await;
    let found = problems(&report);
    assert!(
        matches!(&found[..], [only] if only.contains("FAILED") && only.contains("reachable")),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_and_a_standalone_redis_are_not_taken_for_each_other() {
    let cluster = support::cluster().await;
    let login = |redis: hubward_redis::RedisBuilder| {
        redis.prefix(support::prefix()).username(acl::USER).password(acl::PASSWORD).build().unwrap()
    };
    let as_one = login(Redis::standalone(support::address(cluster.addresses[0]))).check().await;
    let found = problems(&as_one).join("");
    assert!(!as_one.has_passed() && found.contains("redis-cluster://"), "{found}");

    let one = support::standalone().await;
    let as_cluster = login(Redis::cluster(vec![support::address(one.addresses[0])])).check().await;
    let found = problems(&as_cluster).join("");
    assert!(!as_cluster.has_passed() && found.contains("is no Cluster"), "{found}");
}

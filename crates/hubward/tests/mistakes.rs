//! Mistakes in how a node is built: each is an error that says what to change, and none a panic.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::sync::Arc;

use hubward::auth::{JwtKey, Policy};
use hubward::backplane::InMemoryStore;
use hubward::{BuildError, Cluster, HandlerExt, Hub, Hubward, RawEndpoint, transport::raw};

/// Builds a node with a hub at each of these paths.
fn at(paths: &[&str]) -> Result<Hubward, BuildError> {
    let hubs = paths.iter().enumerate();
    hubs.fold(Hubward::builder(), |builder, (n, path)| builder.hub(*path, Hub::new(format!("hub-{n}"))))
        .build()
}

#[test]
fn a_path_that_cannot_be_routed_is_an_error_and_no_panic() {
    for path in [
        "",
        "/",
        "hub",
        "/hub/",
        "/{*rest}",
        "/:hub",
        "/*",
        "/hubs/{ward",
        "/hubs/w{ward}",
        "/hubs/{}",
        "/a?x=1",
        "/a#b",
        "/a b",
    ] {
        assert!(matches!(at(&[path]), Err(BuildError::Path(wrong)) if wrong == path), "{path}");
    }
    at(&["/hubs/{ward}", "/hubs/chat", "/a:b", "/hubs/{ward}/{bed}"]).unwrap();
}

#[test]
fn paths_that_would_be_routed_alike_are_an_error_that_names_the_second() {
    for [first, second] in
        [["/a", "/A"], ["/a", "/a/negotiate"], ["/a/Negotiate", "/a"], ["/{a}/x", "/{b}/x"]]
    {
        let refused = at(&[first, second]);
        assert!(
            matches!(refused, Err(BuildError::DuplicatePath(path)) if path == second),
            "{first} {second}"
        );
    }
}

#[test]
fn policies_that_nobody_could_meet_are_an_error_that_says_what_is_missing() {
    let method = || Hub::new("wards").method("Order", (async || ()).authorize("Staff"));
    let raw = || RawEndpoint::new(raw::handler(async |_| Ok(()))).authorize("Staff");
    let staff = || Hubward::builder().policy("Staff", Policy::any_role(["doctor"]));
    for (builder, name) in [
        (staff().hub("/wards", Hub::new("wards").authorize("Staff")), "'wards'"),
        (staff().hub("/wards", method()), "'wards'"),
        (staff().raw("/echo", raw()), "'/echo'"),
    ] {
        let refused = builder.build().err().unwrap();
        assert!(matches!(refused, BuildError::NoAuthentication { .. }), "{refused}");
        assert!(refused.to_string().contains(name) && refused.to_string().contains("Builder::auth"));
    }
    // A rule of one's own may allow anonymous callers, and a policy that nobody names refuses nobody.
    let custom = Hubward::builder().policy("Staff", Policy::custom(|_| true));
    custom.hub("/wards", method()).raw("/echo", raw()).build().unwrap();
    staff().hub("/wards", Hub::new("wards")).build().unwrap();
}

#[test]
fn an_empty_name_of_a_node_is_an_error_however_it_is_given() {
    for name in ["", " "] {
        assert!(matches!(Hubward::builder().node(name).build(), Err(BuildError::NodeName)));
        let joined = Hubward::builder().join(&Cluster::in_memory(), name).build();
        assert!(matches!(joined, Err(BuildError::NodeName)));
    }
    let unnamed = Hubward::builder().hub("/hub", Hub::new("")).build();
    assert!(unnamed.err().unwrap().to_string().contains("empty name"));
}

#[test]
fn two_policies_of_one_name_are_an_error_since_one_may_allow_what_the_other_forbids() {
    let policy = |role: &str| Policy::any_role([role]);
    let refused =
        Hubward::builder().policy("Staff", policy("doctor")).policy("staff", policy("nurse")).build();
    assert!(matches!(refused, Err(BuildError::DuplicatePolicy(name)) if name == "staff"));
}

#[test]
fn a_node_registry_without_a_group_store_is_an_error() {
    let refused = Hubward::builder().node_registry(Arc::new(InMemoryStore::new())).build();
    assert!(matches!(refused, Err(BuildError::NoGroupStore)));
}

#[test]
fn a_node_of_a_cluster_without_keys_is_an_error_that_says_how_to_make_one() {
    let store = Arc::new(InMemoryStore::new());
    let refused = Hubward::builder().group_store(store.clone()).node_registry(store).build();
    let error = refused.err().unwrap();
    assert!(
        matches!(error, BuildError::NoKeys) && error.to_string().contains("openssl rand -hex 32"),
        "{error}"
    );
}

#[test]
fn an_internal_listener_on_all_addresses_needs_the_one_that_others_reach() {
    let builder = |address: &str| Hubward::builder().internal_listener(address.parse().unwrap());
    for address in ["0.0.0.0:9000", "[::]:9000"] {
        let error = builder(address).build().err().unwrap().to_string();
        assert!(error.contains(address) && error.contains("Builder::address"), "{error}");
        builder(address).address("10.0.0.7:9000").build().unwrap();
    }
    builder("10.0.0.7:9000").build().unwrap();
}

#[test]
fn a_main_that_returns_a_mistake_prints_what_to_do() {
    let refused = Hubward::builder().hub("/hub", Hub::new("hub").authorize("Staff")).build();
    assert_eq!(
        format!("{:?}", refused.err().unwrap()),
        "hub 'hub' needs the policy 'Staff', which is not defined; add it to the builder's policies"
    );
    let short = JwtKey::hmac("short").err().unwrap();
    assert_eq!(format!("{short:?}"), "the HMAC secret has 5 bytes, at least 32 are needed");
}

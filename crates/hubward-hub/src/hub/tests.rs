//! What a hub is after it was built, and what is refused.

use super::*;
use crate::handler::authorized::HandlerExt;

fn definition(hub: Hub) -> HubDefinition {
    hub.build().unwrap_or_else(|error| panic!("{error}"))
}

fn build_error(hub: Hub) -> HubBuildError {
    hub.build().err().expect("the hub is refused")
}

#[test]
fn a_method_is_found_without_regard_to_case_and_listed_once() {
    let hub = definition(Hub::new("hub").method("Send", async || ()).method("größe", async || ()));
    for name in ["Send", "send", "SEND", "größe"] {
        assert!(hub.method(name).is_some(), "{name}");
    }
    assert!(hub.method("Sent").is_none());
    assert_eq!(hub.methods().count(), 2);
}

#[test]
fn a_hub_without_a_name_is_refused() {
    for name in ["", " \t"] {
        assert_eq!(build_error(Hub::new(name)), HubBuildError::NoName);
    }
}

#[test]
fn two_methods_whose_names_differ_in_case_alone_are_refused() {
    let refused = HubBuildError::DuplicateMethod { hub: "hub".to_owned(), method: "send".to_owned() };
    let hub = Hub::new("hub").method("Send", async || ()).method("send", async || ());
    assert_eq!(build_error(hub), refused);
}

#[test]
fn a_result_whose_error_would_be_sent_as_a_value_is_refused() {
    async fn fail() -> Result<u32, String> {
        Err("the password".to_owned())
    }
    let refused =
        |method: &str| HubBuildError::ResultSentAsValue { hub: "hub".to_owned(), method: method.to_owned() };
    let items = async || futures_util::stream::iter([Err::<u32, String>("the password".to_owned())]);
    let stream = async || Ok::<_, HubError>(futures_util::stream::iter([Err::<u32, String>(String::new())]));
    let nested = async || Ok::<_, HubError>(fail().await);
    let optional = async || Some(Box::new(fail().await));
    let nested_items = async || futures_util::stream::iter([Ok::<_, HubError>(Ok::<u32, String>(1))]);
    assert_eq!(build_error(Hub::new("hub").method("Fail", fail)), refused("Fail"));
    assert_eq!(build_error(Hub::new("hub").method("Nested", nested)), refused("Nested"));
    assert_eq!(build_error(Hub::new("hub").method("Optional", optional)), refused("Optional"));
    assert_eq!(build_error(Hub::new("hub").stream("NestedItems", nested_items)), refused("NestedItems"));
    assert_eq!(build_error(Hub::new("hub").on_connected(nested)), refused("on_connected"));
    assert_eq!(
        build_error(Hub::new("hub").on_link_interrupted(async |_| fail().await)),
        refused("on_link_interrupted")
    );
    assert_eq!(
        build_error(Hub::new("hub").on_link_resumed(async |_, _| fail().await)),
        refused("on_link_resumed")
    );
    assert_eq!(build_error(Hub::new("hub").stream("Items", items)), refused("Items"));
    assert_eq!(build_error(Hub::new("hub").stream("Stream", stream)), refused("Stream"));
    assert_eq!(build_error(Hub::new("hub").on_connected(fail)), refused("on_connected"));
    definition(
        Hub::new("hub")
            .on_link_interrupted(async |_| Ok::<(), HubError>(()))
            .on_link_resumed(async |_, _| ()),
    );
    definition(Hub::new("hub").method("Fine", async || Ok::<u32, std::fmt::Error>(1)));
    definition(Hub::new("hub").method("Batch", async || vec![Ok::<u32, String>(1)]));
}

#[test]
fn a_callback_with_a_policy_of_its_own_is_refused() {
    let refused = |callback: &str| HubBuildError::CallbackAuthorized {
        hub: "hub".to_owned(),
        callback: callback.to_owned(),
    };
    let guarded = (async || ()).authorize("Staff");
    assert_eq!(build_error(Hub::new("hub").on_connected(guarded.clone())), refused("on_connected"));
    assert_eq!(build_error(Hub::new("hub").on_disconnected(guarded)), refused("on_disconnected"));
}

#[test]
fn a_callback_that_takes_arguments_is_refused() {
    let refused = |callback: &str| HubBuildError::CallbackTakesArguments {
        hub: "hub".to_owned(),
        callback: callback.to_owned(),
    };
    let takes = async |_: String| ();
    assert_eq!(build_error(Hub::new("hub").on_connected(takes)), refused("on_connected"));
    assert_eq!(build_error(Hub::new("hub").on_disconnected(takes)), refused("on_disconnected"));
}

#[test]
fn a_callback_that_would_replace_another_is_refused() {
    let refused = |callback| HubBuildError::DuplicateCallback { hub: "hub".to_owned(), callback };
    let unit = || async || ();
    for (hub, callback) in [
        (Hub::new("hub").on_connected(unit()).on_connected(unit()), ON_CONNECTED),
        (Hub::new("hub").on_disconnected(unit()).on_disconnected(unit()), ON_DISCONNECTED),
        (Hub::new("hub").on_resumed(unit()).on_resumed(unit()), ON_RESUMED),
        (
            Hub::new("hub").on_link_interrupted(async |_| ()).on_link_interrupted(async |_| ()),
            ON_LINK_INTERRUPTED,
        ),
        (Hub::new("hub").on_link_resumed(async |_, _| ()).on_link_resumed(async |_, _| ()), ON_LINK_RESUMED),
        (Hub::new("hub").may_join(|_, _| false).may_join(|_, _| true), MAY_JOIN),
    ] {
        assert_eq!(build_error(hub), refused(callback));
    }
    let with_state = Hub::new("hub").on_connected(unit()).on_connected(unit()).with_state(());
    assert_eq!(build_error(with_state), refused(ON_CONNECTED));
}

#[test]
fn items_that_would_be_mistaken_for_each_other_are_refused() {
    let refused = |item: &str| HubBuildError::DuplicateItem { hub: "hub".to_owned(), item: item.to_owned() };
    let hub = || Hub::new("hub").persist_item::<u32>("number");
    assert_eq!(build_error(hub().persist_item::<String>("number")), refused("number"));
    assert_eq!(build_error(hub().persist_item::<u32>("count")), refused("count"));
    assert_eq!(definition(hub().persist_item::<String>("text")).item_types.len(), 2);
}

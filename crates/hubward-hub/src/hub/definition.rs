//! A finished hub: what the server runs, and how it finds a method by its name.

use std::collections::HashMap;
use std::sync::Arc;

use hubward_types::{GroupName, HubName, Principal};

use crate::connection::item_type::ItemType;
use crate::handler::filter::BoxFilter;
use crate::handler::link::{OnLinkInterrupted, OnLinkResumed};
use crate::handler::method::Method;
use crate::hub::options::HubOptions;

/// A rule for who may join which group.
pub type MayJoin = Arc<dyn Fn(&Principal, &GroupName) -> bool + Send + Sync>;

/// A finished hub. For engines.
pub struct HubDefinition {
    /// The hub's name.
    pub name: HubName,
    /// The policies that a principal must meet to connect.
    pub policies: Vec<String>,
    /// What runs when a client has connected.
    pub on_connected: Option<Arc<dyn Method>>,
    /// What runs when a connection has ended.
    pub on_disconnected: Option<Arc<dyn Method>>,
    /// What runs when a client has resumed its connection.
    pub on_resumed: Option<Arc<dyn Method>>,
    /// The types of items that move with a connection to another node.
    pub item_types: Vec<ItemType>,
    /// What runs when the link to the other nodes is interrupted.
    pub on_link_interrupted: Option<OnLinkInterrupted>,
    /// What runs when it is whole again.
    pub on_link_resumed: Option<OnLinkResumed>,
    /// The filters, the outermost first.
    pub filters: Vec<BoxFilter>,
    /// The rule for who may join which group.
    pub may_join: Option<MayJoin>,
    /// The options.
    pub options: HubOptions,
    pub(crate) methods: MethodTable,
}

/// A method of a hub.
pub struct MethodEntry {
    /// The name as the hub declares it.
    pub name: Arc<str>,
    /// The policies that a caller must meet.
    pub policies: Vec<String>,
    /// The method.
    pub method: Arc<dyn Method>,
}

/// A mistake in how a hub was built.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubBuildError {
    /// Its name is empty, or blank.
    #[error("a hub has an empty name; give Hub::new the name that it has on every node")]
    NoName,
    /// Two methods differ at most in the case of their names. SignalR has no overloads.
    #[error("hub '{hub}' has two methods named '{method}' (case does not matter); rename one")]
    DuplicateMethod {
        /// The hub.
        hub: String,
        /// The second of the two.
        method: String,
    },
    /// A callback or the rule for groups is set twice. Only the last would run.
    #[error(
        "hub '{hub}' sets {callback} twice, and only the last would run; make them one function, or use filters"
    )]
    DuplicateCallback {
        /// The hub.
        hub: String,
        /// Such as `on_connected` or `may_join`.
        callback: &'static str,
    },
    /// Two types of items that move with a connection have the same name, or one type has two.
    #[error(
        "hub '{hub}' persists two items named '{item}', or one type under two names; give each type one name"
    )]
    DuplicateItem {
        /// The hub.
        hub: String,
        /// The name of the second of the two.
        item: String,
    },
    /// Its options could not work.
    #[error("the options of hub '{hub}' cannot work: {mistake}")]
    Options {
        /// The hub.
        hub: String,
        /// What could not, and what to do about it.
        mistake: &'static str,
    },
    /// A callback takes arguments, which a connect or disconnect does not have.
    #[error("{callback} of hub '{hub}' takes arguments, but there is no call that could give them")]
    CallbackTakesArguments {
        /// The hub.
        hub: String,
        /// `on_connected` or `on_disconnected`.
        callback: String,
    },
    /// A callback has a policy of its own. Who may connect is decided before it runs.
    #[error("{callback} of hub '{hub}' cannot have a policy of its own; guard the hub with `Hub::authorize`")]
    CallbackAuthorized {
        /// The hub.
        hub: String,
        /// `on_connected` or `on_disconnected`.
        callback: String,
    },
    /// A method, or the stream that it returns, yields a `Result` that would be sent as it is: clients would be sent the
    /// error as if the call had succeeded.
    #[error(
        "the error of '{method}' of hub '{hub}' is neither a `HubError` nor a `std::error::Error`, so that clients would be sent it as a value; make it one with `HubError::shown` or `HubError::hidden`"
    )]
    ResultSentAsValue {
        /// The hub.
        hub: String,
        /// The method, or the callback, such as `on_connected`.
        method: String,
    },
}

impl HubDefinition {
    /// Finds a method by its name, without regard to case.
    pub fn method(&self, name: &str) -> Option<&Arc<MethodEntry>> {
        self.methods.get(name)
    }

    /// Lists all methods, each once.
    pub fn methods(&self) -> impl Iterator<Item = &Arc<MethodEntry>> {
        self.methods.iter()
    }
}

/// Methods by name. Each is found under its name in upper case, which finds any spelling, and under its name as
/// declared, which finds the usual spelling without changing case.
#[derive(Default)]
pub(crate) struct MethodTable(HashMap<Box<str>, Arc<MethodEntry>>);

impl MethodTable {
    /// Adds a method; false, and nothing is added, where there is one of this name already.
    pub(crate) fn insert(&mut self, entry: Arc<MethodEntry>) -> bool {
        let folded = fold(&entry.name).into_boxed_str();
        if self.0.contains_key(&folded) {
            return false;
        }
        self.0.insert(folded, entry.clone());
        self.0.insert(Box::from(&*entry.name), entry);
        true
    }

    fn get(&self, name: &str) -> Option<&Arc<MethodEntry>> {
        self.0.get(name).or_else(|| self.0.get(fold(name).as_str()))
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<MethodEntry>> {
        self.0.iter().filter(|(key, entry)| ***key == *entry.name).map(|(_, entry)| entry)
    }
}

/// Folds case. .NET's ordinal comparison folds character by character; the two differ only where the upper case of a
/// character has several, as for `ß`.
fn fold(name: &str) -> String {
    name.to_uppercase()
}

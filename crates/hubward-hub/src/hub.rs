//! A hub that is being built: its name, its methods, who may call them, and what runs when clients connect and
//! disconnect.

pub(crate) mod definition;
pub(crate) mod options;

use std::future::Future;
use std::sync::Arc;

use hubward_types::{GroupName, HubName, Principal};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connection::item_type::ItemType;
use crate::context::hub_handle::HubHandle;
use crate::error::HubError;
use crate::handler::bound::{Stateless, Unbound, UnboundStream, UnboundUnary};
use crate::handler::filter::{self, BoxFilter, FilterCall, Next};
use crate::handler::link::{self, LinkResumed, OnLinkInterrupted, OnLinkResumed};
use crate::handler::method::Method;
use crate::handler::output::{Outcome, Output};
use crate::handler::{Handler, StreamHandler};
use crate::hub::definition::{HubBuildError, HubDefinition, MayJoin, MethodEntry, MethodTable};
use crate::hub::options::HubOptions;

/// A hub that is being built. `S` is the state that its handlers need, until [`Hub::with_state`] provides it.
///
/// ```
/// use std::sync::Arc;
/// use futures_util::{Stream, stream};
/// use hubward_hub::{Hub, HubContext, HubError, State};
///
/// struct Wards { beds: u32 }
///
/// async fn greet(cx: HubContext) -> Result<(), HubError> {
///     Ok(cx.clients().caller().send("Greeting", ("welcome",)).await?)
/// }
/// async fn beds(State(wards): State<Arc<Wards>>) -> u32 { wards.beds }
/// async fn count(n: u32) -> impl Stream<Item = u32> { stream::iter(0..n) }
///
/// let hub: Hub = Hub::new("clinical")
///     .authorize("ClinicalStaff")
///     .on_connected(greet)
///     .method("Beds", beds)
///     .stream("Count", count)
///     .with_state(Arc::new(Wards { beds: 12 }));
/// ```
pub struct Hub<S = ()> {
    name: HubName,
    policies: Vec<String>,
    methods: Vec<Declared<S>>,
    on_connected: Option<Declared<S>>,
    on_disconnected: Option<Declared<S>>,
    on_resumed: Option<Declared<S>>,
    item_types: Vec<ItemType>,
    on_link_interrupted: Option<OnLinkInterrupted>,
    on_link_resumed: Option<OnLinkResumed>,
    /// The first of these two whose error nobody would notice.
    lost_error: Option<&'static str>,
    /// The first that was set twice, so that the one before would never run.
    set_twice: Option<&'static str>,
    filters: Vec<BoxFilter>,
    may_join: Option<MayJoin>,
    options: HubOptions,
}

struct Declared<S> {
    name: Arc<str>,
    policies: Vec<String>,
    method: Box<dyn Unbound<S>>,
}

const ON_CONNECTED: &str = "on_connected";
const ON_DISCONNECTED: &str = "on_disconnected";
const ON_RESUMED: &str = "on_resumed";
const ON_LINK_INTERRUPTED: &str = "on_link_interrupted";
const ON_LINK_RESUMED: &str = "on_link_resumed";
const MAY_JOIN: &str = "may_join";

impl<S: Clone + Send + Sync + 'static> Declared<S> {
    fn unary<M: 'static>(name: &str, handler: impl Handler<S, M>) -> Self {
        let policies = handler.policies();
        Self { name: name.into(), policies, method: Box::new(UnboundUnary::new(handler)) }
    }
}

impl Declared<()> {
    fn check_result(&self, hub: &str) -> Result<(), HubBuildError> {
        if self.method.shape().is_result_sent_as_value {
            let (hub, method) = (hub.to_owned(), self.name.to_string());
            return Err(HubBuildError::ResultSentAsValue { hub, method });
        }
        Ok(())
    }

    fn into_callback(self, hub: &str) -> Result<Arc<dyn Method>, HubBuildError> {
        self.check_result(hub)?;
        let (hub, callback) = (hub.to_owned(), self.name.to_string());
        let shape = self.method.shape();
        if shape.arguments + shape.uploads > 0 {
            return Err(HubBuildError::CallbackTakesArguments { hub, callback });
        }
        if !self.policies.is_empty() {
            return Err(HubBuildError::CallbackAuthorized { hub, callback });
        }
        Ok(self.method.bind(&()))
    }
}

impl<S: Clone + Send + Sync + 'static> Hub<S> {
    /// Makes a hub without methods. The name is the same on every node of a cluster, and appears in logs.
    pub fn new(name: impl Into<HubName>) -> Self {
        Self {
            name: name.into(),
            policies: Vec::new(),
            methods: Vec::new(),
            on_connected: None,
            on_disconnected: None,
            on_resumed: None,
            item_types: Vec::new(),
            on_link_interrupted: None,
            on_link_resumed: None,
            lost_error: None,
            set_twice: None,
            filters: Vec::new(),
            may_join: None,
            options: HubOptions::default(),
        }
    }

    /// Replaces the options. Default: [`HubOptions::default`].
    pub fn options(mut self, options: HubOptions) -> Self {
        self.options = options;
        self
    }

    /// Lets only principals connect that meet the policy of this name. Several policies must all be met.
    pub fn authorize(mut self, policy: impl Into<String>) -> Self {
        self.policies.push(policy.into());
        self
    }

    /// Adds a method. Clients call it by its name, without regard to case.
    pub fn method<M: 'static>(mut self, name: &str, handler: impl Handler<S, M>) -> Self {
        self.methods.push(Declared::unary(name, handler));
        self
    }

    /// Adds a method that streams its results.
    pub fn stream<M: 'static>(mut self, name: &str, handler: impl StreamHandler<S, M>) -> Self {
        let policies = handler.policies();
        let method = Box::new(UnboundStream::new(handler));
        self.methods.push(Declared { name: name.into(), policies, method });
        self
    }

    /// Sets what runs when a client has connected, before its first call. An error closes the connection. It cannot
    /// take arguments.
    pub fn on_connected<M: 'static>(mut self, handler: impl Handler<S, M>) -> Self {
        let before = self.on_connected.replace(Declared::unary(ON_CONNECTED, handler));
        self.check_first(ON_CONNECTED, before.is_none());
        self
    }

    /// Sets what runs when a connection has ended for good; it can take [`Disconnected`](crate::Disconnected) to learn
    /// why, but no arguments.
    pub fn on_disconnected<M: 'static>(mut self, handler: impl Handler<S, M>) -> Self {
        let before = self.on_disconnected.replace(Declared::unary(ON_DISCONNECTED, handler));
        self.check_first(ON_DISCONNECTED, before.is_none());
        self
    }

    /// Sets what runs each time a client has resumed its connection over another transport, on whichever node: after a cut, or
    /// because another node has it now (stateful reconnect). The client's calls wait for it. Neither
    /// [`on_disconnected`](Self::on_disconnected) nor [`on_connected`](Self::on_connected) runs in between; id, groups,
    /// user and [persisted items](Self::persist_item) are as they were. A client that resumes again before it has begun has
    /// resumed once. An error closes the connection, with leave to reconnect. It cannot take arguments.
    ///
    /// ```
    /// use hubward_hub::{Hub, HubContext, HubError};
    ///
    /// async fn resumed(cx: HubContext) -> Result<(), HubError> {
    ///     // What this node keeps about the connection outside of it, such as a subscription to a feed, it has to make anew.
    ///     Ok(cx.clients().caller().send("Resumed", (cx.node().to_string(),)).await?)
    /// }
    /// let hub: Hub = Hub::new("wards").on_resumed(resumed);
    /// ```
    pub fn on_resumed<M: 'static>(mut self, handler: impl Handler<S, M>) -> Self {
        let before = self.on_resumed.replace(Declared::unary(ON_RESUMED, handler));
        self.check_first(ON_RESUMED, before.is_none());
        self
    }

    /// Lets the [items](crate::HubContext::items) of a type move with a connection to another node, when this one leaves and
    /// clients resume there (stateful reconnect); other items stay behind. The name is the same on every node. Nodes of two
    /// versions of the program may exchange them: add fields with `#[serde(default)]`.
    ///
    /// ```
    /// use hubward_hub::{Hub, HubContext};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Clone, Default, Serialize, Deserialize)]
    /// struct Seen { vitals: u64 }
    ///
    /// let hub: Hub = Hub::new("wards")
    ///     .persist_item::<Seen>("seen")
    ///     .method("See", async |cx: HubContext| cx.items().update(|seen: &mut Seen| seen.vitals += 1));
    /// ```
    pub fn persist_item<T>(mut self, name: &str) -> Self
    where
        T: Serialize + DeserializeOwned + Clone + Send + 'static,
    {
        self.item_types.push(ItemType::of::<T>(name));
        self
    }

    /// Sets what runs when the link to the other nodes is interrupted: once in an outage, on each node that has one. What
    /// other nodes send is missed from now on; what this node sends to them is held or fails, as
    /// [`on_outage`](HubOptions::on_outage) says. It may take 30 s; then it is stopped. Its failures are logged.
    pub fn on_link_interrupted<F, Fut, M>(mut self, handler: F) -> Self
    where
        F: Fn(HubHandle) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Output<M>> + Send + 'static,
    {
        self.check_output::<Fut::Output, M>(ON_LINK_INTERRUPTED);
        let before = self.on_link_interrupted.replace(link::on_link_interrupted(handler));
        self.check_first(ON_LINK_INTERRUPTED, before.is_none());
        self
    }

    /// Sets what runs when the link to the other nodes is whole again: once after each outage, when what runs on its
    /// [interruption](Self::on_link_interrupted) has ended. What it sends to other nodes goes out behind what was held. A link that
    /// is interrupted again before this has begun was interrupted once, for longer. It may take 30 s; then it is stopped. Its
    /// failures are logged.
    ///
    /// ```
    /// use hubward_hub::{Hub, HubError, HubHandle, LinkResumed};
    ///
    /// async fn refresh(hub: HubHandle, resumed: LinkResumed) -> Result<(), HubError> {
    ///     // Clients that may have missed something fetch it anew; those of other nodes are asked as well.
    ///     Ok(hub.all().send("Refresh", (resumed.gap.as_secs(),)).await?)
    /// }
    /// let hub: Hub = Hub::new("wards").on_link_resumed(refresh);
    /// ```
    pub fn on_link_resumed<F, Fut, M>(mut self, handler: F) -> Self
    where
        F: Fn(HubHandle, LinkResumed) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Output<M>> + Send + 'static,
    {
        self.check_output::<Fut::Output, M>(ON_LINK_RESUMED);
        let before = self.on_link_resumed.replace(link::on_link_resumed(handler));
        self.check_first(ON_LINK_RESUMED, before.is_none());
        self
    }

    /// Adds a filter around every call, connect and disconnect. The first one added is the outermost.
    ///
    /// ```
    /// use hubward_hub::{FilterCall, Hub, HubError, Next, Outcome};
    ///
    /// async fn refuse_at_night(call: FilterCall, next: Next) -> Result<Outcome, HubError> {
    ///     let night = false;
    ///     if night && call.method() == "Discharge" {
    ///         return Err(HubError::shown("Nobody is discharged at night."));
    ///     }
    ///     next.run().await
    /// }
    /// let hub: Hub = Hub::new("clinical").filter(refuse_at_night);
    /// ```
    pub fn filter<F, Fut>(mut self, filter: F) -> Self
    where
        F: Fn(FilterCall, Next) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome, HubError>> + Send + 'static,
    {
        self.filters.push(filter::boxed(filter));
        self
    }

    /// Sets the rule for who may join which group. It is applied whenever a connection is added to a group. Default:
    /// all may join.
    ///
    /// ```
    /// use hubward_hub::Hub;
    ///
    /// let hub: Hub = Hub::new("wards").may_join(|principal, group| {
    ///     principal.has_role("admin") || group.as_str().strip_prefix("ward:") == principal.claim("department")
    /// });
    /// ```
    pub fn may_join(mut self, rule: impl Fn(&Principal, &GroupName) -> bool + Send + Sync + 'static) -> Self {
        let before = self.may_join.replace(Arc::new(rule));
        self.check_first(MAY_JOIN, before.is_none());
        self
    }

    /// Provides the state that the handlers need.
    pub fn with_state(self, state: S) -> Hub {
        let bind = |declared: Declared<S>| Declared {
            name: declared.name,
            policies: declared.policies,
            method: Box::new(Stateless(declared.method.bind(&state))) as Box<dyn Unbound<()>>,
        };
        Hub {
            name: self.name,
            policies: self.policies,
            methods: self.methods.into_iter().map(bind).collect(),
            on_connected: self.on_connected.map(bind),
            on_disconnected: self.on_disconnected.map(bind),
            on_resumed: self.on_resumed.map(bind),
            item_types: self.item_types,
            on_link_interrupted: self.on_link_interrupted,
            on_link_resumed: self.on_link_resumed,
            lost_error: self.lost_error,
            set_twice: self.set_twice,
            filters: self.filters,
            may_join: self.may_join,
            options: self.options,
        }
    }

    fn check_first(&mut self, callback: &'static str, is_first: bool) {
        if !is_first {
            self.set_twice.get_or_insert(callback);
        }
    }

    fn check_output<T: Output<M>, M>(&mut self, callback: &'static str) {
        if T::is_result_sent_as_value() {
            self.lost_error.get_or_insert(callback);
        }
    }
}

impl Hub {
    /// Finishes the hub. For engines.
    ///
    /// # Errors
    /// [`HubBuildError`], which says what to change.
    pub fn build(self) -> Result<HubDefinition, HubBuildError> {
        let hub = self.name.to_string();
        if hub.trim().is_empty() {
            return Err(HubBuildError::NoName);
        }
        if let Some(mistake) = self.options.mistake() {
            return Err(HubBuildError::Options { hub, mistake });
        }
        if let Some(callback) = self.set_twice {
            return Err(HubBuildError::DuplicateCallback { hub, callback });
        }
        if let Some(callback) = self.lost_error {
            return Err(HubBuildError::ResultSentAsValue { hub, method: callback.to_owned() });
        }
        if let Some(item) = second_of_two(&self.item_types) {
            return Err(HubBuildError::DuplicateItem { hub, item });
        }
        let mut methods = MethodTable::default();
        for declared in self.methods {
            declared.check_result(&hub)?;
            let Declared { name, policies, method } = declared;
            let entry = Arc::new(MethodEntry { name: name.clone(), policies, method: method.bind(&()) });
            if !methods.insert(entry) {
                return Err(HubBuildError::DuplicateMethod { hub, method: name.to_string() });
            }
        }
        let callback = |declared: Option<Declared<()>>| match declared {
            Some(declared) => declared.into_callback(&hub).map(Some),
            None => Ok(None),
        };
        Ok(HubDefinition {
            on_connected: callback(self.on_connected)?,
            on_disconnected: callback(self.on_disconnected)?,
            on_resumed: callback(self.on_resumed)?,
            item_types: self.item_types,
            on_link_interrupted: self.on_link_interrupted,
            on_link_resumed: self.on_link_resumed,
            name: self.name,
            policies: self.policies,
            filters: self.filters,
            may_join: self.may_join,
            options: self.options,
            methods,
        })
    }
}

/// Returns the name of the first type that would be mistaken for one before it.
fn second_of_two(types: &[ItemType]) -> Option<String> {
    let mut before = types.iter().enumerate();
    let second = before.find(|(at, item)| types.iter().take(*at).any(|first| first.clashes_with(item)));
    second.map(|(_, item)| item.name().to_owned())
}

#[cfg(test)]
mod tests;

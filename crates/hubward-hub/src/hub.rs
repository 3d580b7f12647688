//! A hub that is being put together: its name, its methods, who may call them, and what happens when clients come and
//! go.

pub(crate) mod definition;
pub(crate) mod options;

use std::future::Future;
use std::sync::Arc;

use hubward_types::{GroupName, HubName, Principal};

use crate::error::HubError;
use crate::handler::bound::{Stateless, Unbound, UnboundStream, UnboundUnary};
use crate::handler::filter::{self, BoxFilter, FilterCall, Next};
use crate::handler::output::Outcome;
use crate::handler::{Handler, StreamHandler};
use crate::hub::definition::{HubBuildError, HubDefinition, MayJoin, MethodEntry, MethodTable};
use crate::hub::options::HubOptions;

/// A hub that is being put together. `S` is the state that its handlers need, until [`Hub::with_state`] provides it.
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
    on_connected: Option<Box<dyn Unbound<S>>>,
    on_disconnected: Option<Box<dyn Unbound<S>>>,
    filters: Vec<BoxFilter>,
    may_join: Option<MayJoin>,
    options: HubOptions,
}

struct Declared<S> {
    name: Arc<str>,
    policies: Vec<String>,
    method: Box<dyn Unbound<S>>,
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
        let policies = handler.policies();
        let method = Box::new(UnboundUnary::new(handler));
        self.methods.push(Declared { name: name.into(), policies, method });
        self
    }

    /// Adds a method that streams its results.
    pub fn stream<M: 'static>(mut self, name: &str, handler: impl StreamHandler<S, M>) -> Self {
        let policies = handler.policies();
        let method = Box::new(UnboundStream::new(handler));
        self.methods.push(Declared { name: name.into(), policies, method });
        self
    }

    /// Sets what runs when a client has connected, before its first call. An error closes the connection. It cannot take
    /// arguments.
    pub fn on_connected<M: 'static>(mut self, handler: impl Handler<S, M>) -> Self {
        self.on_connected = Some(Box::new(UnboundUnary::new(handler)));
        self
    }

    /// Sets what runs when a connection has ended for good; it can take [`Disconnected`](crate::Disconnected) to learn
    /// why, but no arguments.
    pub fn on_disconnected<M: 'static>(mut self, handler: impl Handler<S, M>) -> Self {
        self.on_disconnected = Some(Box::new(UnboundUnary::new(handler)));
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

    /// Sets the rule for who may join which group. It is applied whenever a connection is added to a group. Default: all
    /// may join.
    ///
    /// ```
    /// use hubward_hub::Hub;
    ///
    /// let hub: Hub = Hub::new("wards").may_join(|principal, group| {
    ///     principal.has_role("admin") || group.as_str().strip_prefix("ward:") == principal.claim("department")
    /// });
    /// ```
    pub fn may_join(mut self, rule: impl Fn(&Principal, &GroupName) -> bool + Send + Sync + 'static) -> Self {
        self.may_join = Some(Arc::new(rule));
        self
    }

    /// Provides the state that the handlers need.
    pub fn with_state(self, state: S) -> Hub {
        let bind = |unbound: Box<dyn Unbound<S>>| -> Box<dyn Unbound<()>> {
            Box::new(Stateless(unbound.bind(&state)))
        };
        Hub {
            name: self.name,
            policies: self.policies,
            methods: self
                .methods
                .into_iter()
                .map(|m| Declared { name: m.name, policies: m.policies, method: bind(m.method) })
                .collect(),
            on_connected: self.on_connected.map(bind),
            on_disconnected: self.on_disconnected.map(bind),
            filters: self.filters,
            may_join: self.may_join,
            options: self.options,
        }
    }
}

impl Hub {
    /// Finishes the hub. For engines.
    ///
    /// # Errors
    /// [`HubBuildError`], which says what to change.
    pub fn build(self) -> Result<HubDefinition, HubBuildError> {
        let mut methods = MethodTable::default();
        for Declared { name, policies, method } in self.methods {
            let entry = Arc::new(MethodEntry { name: name.clone(), policies, method: method.bind(&()) });
            if !methods.insert(entry) {
                let (hub, method) = (self.name.to_string(), name.to_string());
                return Err(HubBuildError::DuplicateMethod { hub, method });
            }
        }
        let callback = |name, unbound: Option<Box<dyn Unbound<()>>>| match unbound {
            Some(unbound) if unbound.shape().arguments + unbound.shape().uploads > 0 => {
                Err(HubBuildError::CallbackTakesArguments { hub: self.name.to_string(), callback: name })
            }
            unbound => Ok(unbound.map(|unbound| unbound.bind(&()))),
        };
        Ok(HubDefinition {
            on_connected: callback("on_connected", self.on_connected)?,
            on_disconnected: callback("on_disconnected", self.on_disconnected)?,
            name: self.name,
            policies: self.policies,
            filters: self.filters,
            may_join: self.may_join,
            options: self.options,
            methods,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn two_methods_whose_names_differ_in_case_alone_are_refused() {
        let refused = HubBuildError::DuplicateMethod { hub: "hub".to_owned(), method: "send".to_owned() };
        let hub = Hub::new("hub").method("Send", async || ()).method("send", async || ());
        assert_eq!(build_error(hub), refused);
    }

    #[test]
    fn a_callback_that_takes_arguments_is_refused() {
        let refused = |callback| HubBuildError::CallbackTakesArguments { hub: "hub".to_owned(), callback };
        let takes = async |_: String| ();
        assert_eq!(build_error(Hub::new("hub").on_connected(takes)), refused("on_connected"));
        assert_eq!(build_error(Hub::new("hub").on_disconnected(takes)), refused("on_disconnected"));
    }
}

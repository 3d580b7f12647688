//! A hub: its name, its methods, who may call them, and what happens when clients come and go.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use hubward_types::{GroupName, HubName, Principal};

use crate::error::HubError;
use crate::filter::{self, BoxFilter, FilterCall, Next};
use crate::handler::{Handler, StreamHandler, UnboundStream, UnboundUnary};
use crate::method::{Method, Unbound};
use crate::options::HubOptions;
use crate::output::Outcome;

/// A rule over who may join which group.
pub type MayJoin = Arc<dyn Fn(&Principal, &GroupName) -> bool + Send + Sync>;

/// A hub that is being put together. `S` is the state that its handlers need; [`Hub::with_state`] gives it.
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
    /// Starts a hub. The name is the same on every node of a cluster and appears in logs and metrics.
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

    /// Replaces the settings.
    pub fn options(mut self, options: HubOptions) -> Self {
        self.options = options;
        self
    }

    /// Lets only principals connect who meet the policy of this name. Several add up.
    pub fn authorize(mut self, policy: impl Into<String>) -> Self {
        self.policies.push(policy.into());
        self
    }

    /// Adds a method. Clients call it by its name, in any case.
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

    /// Runs when a client has connected, before its first call. An error closes the connection. It cannot take
    /// arguments of the call.
    pub fn on_connected<M: 'static>(mut self, handler: impl Handler<S, M>) -> Self {
        self.on_connected = Some(Box::new(UnboundUnary::new(handler)));
        self
    }

    /// Runs when a connection has ended for good; takes [`Disconnected`](crate::Disconnected) to learn why.
    pub fn on_disconnected<M: 'static>(mut self, handler: impl Handler<S, M>) -> Self {
        self.on_disconnected = Some(Box::new(UnboundUnary::new(handler)));
        self
    }

    /// Puts a filter around every call, connect and disconnect. The first one added is the outermost.
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

    /// Sets the rule over who may join which group. It is asked whenever a connection is added to a group.
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

    /// Gives the hub its state.
    pub fn with_state(self, state: S) -> Hub {
        let bind =
            |unbound: Box<dyn Unbound<S>>| -> Box<dyn Unbound<()>> { Box::new(Bound(unbound.bind(&state))) };
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

struct Bound(Arc<dyn Method>);

impl Unbound<()> for Bound {
    fn shape(&self) -> crate::method::Shape {
        self.0.shape()
    }

    fn bind(self: Box<Self>, (): &()) -> Arc<dyn Method> {
        self.0
    }
}

/// A hub put together: what an engine runs.
pub struct HubDefinition {
    /// The hub's name.
    pub name: HubName,
    /// Policies that stand on the hub.
    pub policies: Vec<String>,
    /// What runs on connecting.
    pub on_connected: Option<Arc<dyn Method>>,
    /// What runs when a connection has ended.
    pub on_disconnected: Option<Arc<dyn Method>>,
    /// Filters, the outermost first.
    pub filters: Vec<BoxFilter>,
    /// The rule over groups.
    pub may_join: Option<MayJoin>,
    /// The settings.
    pub options: HubOptions,
    methods: HashMap<Box<str>, Arc<MethodEntry>>,
}

/// A method of a hub.
pub struct MethodEntry {
    /// The name as declared.
    pub name: Arc<str>,
    /// Policies that stand on the method.
    pub policies: Vec<String>,
    /// The method.
    pub method: Arc<dyn Method>,
}

/// A mistake in how a hub was put together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubBuildError {
    /// Two methods differ at most in the case of their names. SignalR knows no overloads.
    #[error("hub '{hub}' has two methods named '{method}' (case does not matter); rename one")]
    DuplicateMethod {
        /// The hub.
        hub: String,
        /// The second of the two.
        method: String,
    },
    /// A callback wants arguments, which connecting and disconnecting do not have.
    #[error("{callback} of hub '{hub}' takes arguments, but there is no call that could give them")]
    CallbackTakesArguments {
        /// The hub.
        hub: String,
        /// `on_connected` or `on_disconnected`.
        callback: &'static str,
    },
}

impl Hub {
    /// Finishes the hub. For engines.
    ///
    /// # Errors
    /// [`HubBuildError`]
    pub fn build(self) -> Result<HubDefinition, HubBuildError> {
        let mut methods = HashMap::new();
        for declared in self.methods {
            let entry = Arc::new(MethodEntry {
                name: declared.name.clone(),
                policies: declared.policies,
                method: declared.method.bind(&()),
            });
            // Under its folded name for any spelling, and under its own for the usual one without folding.
            let folded = fold(&declared.name).into_boxed_str();
            if methods.contains_key(&folded) {
                let (hub, method) = (self.name.to_string(), declared.name.to_string());
                return Err(HubBuildError::DuplicateMethod { hub, method });
            }
            methods.insert(folded, entry.clone());
            methods.insert(Box::from(&*declared.name), entry);
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

impl HubDefinition {
    /// Finds a method by its name, without regard to case.
    pub fn method(&self, name: &str) -> Option<&Arc<MethodEntry>> {
        self.methods.get(name).or_else(|| self.methods.get(fold(name).as_str()))
    }

    /// Lists all methods, each once.
    pub fn methods(&self) -> impl Iterator<Item = &Arc<MethodEntry>> {
        self.methods.iter().filter(|(key, entry)| ***key == *entry.name).map(|(_, entry)| entry)
    }
}

/// Folds case as .NET's ordinal comparison does: character by character to upper case.
fn fold(name: &str) -> String {
    name.to_uppercase()
}

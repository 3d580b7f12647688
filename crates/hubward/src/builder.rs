//! The builder: from hubs, authentication, backplane and transports to an axum router.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use hubward_auth::{Authenticator, Cors, KeyRing, Policies, Policy};
use hubward_backplane::{Backplane, GroupStore, LiveNode, NodeRegistry, RegistryError};
use hubward_hub::{Hub, HubHandle};
use hubward_server::{Engine, HandoverService, Node, NodeContext, NodeStores, StartError};
use hubward_transport::{ConnectionManager, PeerTls, TransportOptions, TrustedProxies};
use hubward_types::NodeId;

use crate::build_error::BuildError;
use crate::internal::{Internal, InternalOptions};
use crate::mounting::Mounting;
use crate::paths::HubPath;
use crate::raw_endpoint::RawEndpoint;
use crate::{node_id, paths};

/// A node with its hubs, ready to be mounted into an axum router. Cheap to clone.
///
/// ```
/// use hubward::{Hub, Hubward};
///
/// async fn serve() -> Result<(), Box<dyn std::error::Error>> {
///     let hubs = Hubward::builder().hub("/hubs/chat", Hub::new("chat")).build()?;
///     hubs.start().await?;
///     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
///     let app = hubs.mount(axum::Router::new());
///     hubward::serve(listener, app, hubward::ServeOptions::default()).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Hubward {
    pub(crate) node: Arc<Node>,
    pub(crate) internal: Option<Arc<Internal>>,
    router: axum::Router,
    paths: Arc<[HubPath]>,
}

impl Hubward {
    /// Starts building a node: without hubs or a backplane, and with every caller anonymous.
    pub fn builder() -> Builder {
        Builder {
            node: None,
            is_nameless: false,
            address: None,
            internal: InternalOptions::default(),
            authenticator: Authenticator::none(),
            policies: Policies::new(),
            duplicate_policy: None,
            cors: Cors::none(),
            trusted_proxies: TrustedProxies::default(),
            backplane: None,
            store: None,
            registry: None,
            keys: None,
            hubs: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Adds the routes of all hubs to an axum router, and returns one to be served with [`serve`](crate::serve), or nested
    /// under a prefix. The paths of hubs are found whatever the case of their letters, as in ASP.NET Core; a prefix that
    /// they are nested under is axum's. The whole of `app` is behind the routes of the hubs, so add what else there is
    /// before, its fallback too.
    ///
    /// Another server than [`serve`](crate::serve) should give connect info
    /// (`into_make_service_with_connect_info::<SocketAddr>()`) for hubs to know remote addresses, and has to bound by itself
    /// what clients may cost below their requests.
    pub fn mount(&self, app: axum::Router) -> axum::Router {
        paths::ignoring_case(app.merge(self.router.clone()), self.paths.clone())
    }

    /// Returns a handle to send to a hub's clients from anywhere in the program; `None` where there is no such hub.
    pub fn hub(&self, name: &str) -> Option<HubHandle> {
        self.node.hub(name).map(Engine::handle)
    }

    /// Counts the connections of a hub on this node.
    pub fn connection_count(&self, name: &str) -> usize {
        self.node.hub(name).map_or(0, |engine| engine.connection_count())
    }

    /// Returns how often messages of other nodes may have been missed since the start: the link to them was interrupted, or
    /// the other nodes took this one for dead.
    pub fn gaps(&self) -> u64 {
        self.node.gaps()
    }

    /// Returns how many messages for other nodes were held in an outage and discarded since the start, because the link was
    /// not back in time ([`HubOptions::on_outage`](hubward_hub::HubOptions::on_outage)).
    pub fn discarded_messages(&self) -> u64 {
        self.node.discarded_messages()
    }

    /// Returns the node's id, which is new at each start.
    pub fn node(&self) -> &NodeId {
        self.node.id()
    }

    /// Lists the nodes of the cluster that live, this one included, each with its address, its hubs and how many connections
    /// it had at its last heartbeat. Empty where the node shares nothing with others.
    ///
    /// # Errors
    /// [`RegistryError`] where the record of them cannot be read.
    pub async fn nodes(&self) -> Result<Vec<LiveNode>, RegistryError> {
        self.node.nodes().await
    }

    /// Announces the node and joins the others. A node that shares nothing with others need not be started. It may be
    /// called again after it failed or was cancelled.
    ///
    /// # Errors
    /// [`StartError`] where the backplane or the node registry cannot be reached, try again later; where a node of
    /// the same id is running; or where the internal listener cannot listen.
    pub async fn start(&self) -> Result<(), StartError> {
        // First: the others learn the address when the node is announced.
        if let Some(internal) = &self.internal {
            internal.start().await?;
        }
        self.node.start().await
    }
}

/// Builds a node. Made by [`Hubward::builder`].
pub struct Builder {
    node: Option<NodeId>,
    /// Whether the name that was given is empty.
    is_nameless: bool,
    address: Option<String>,
    internal: InternalOptions,
    authenticator: Authenticator,
    policies: Policies,
    /// The first name of a policy that was defined before.
    duplicate_policy: Option<String>,
    cors: Cors,
    trusted_proxies: TrustedProxies,
    backplane: Option<Arc<dyn Backplane>>,
    store: Option<Arc<dyn GroupStore>>,
    registry: Option<Arc<dyn NodeRegistry>>,
    keys: Option<KeyRing>,
    hubs: Vec<(HubPath, Hub, TransportOptions)>,
    raw: Vec<(HubPath, RawEndpoint)>,
}

impl Builder {
    /// Names the node, such as after its pod. Its id is the name with a random suffix, so that a node which is started again
    /// is not taken for its predecessor; [`Hubward::node`] returns it. Default: a random id.
    pub fn node(self, name: impl Into<NodeId>) -> Self {
        self.named(&name.into()).0
    }

    /// Names the node, and returns the id that it has by that.
    pub(crate) fn named(mut self, name: &NodeId) -> (Self, NodeId) {
        let id = node_id::of_this_start(name);
        self.is_nameless = name.as_str().trim().is_empty();
        self.node = Some(id.clone());
        (self, id)
    }

    /// Sets how tokens become principals. Default: every caller is anonymous.
    pub fn auth(mut self, authenticator: Authenticator) -> Self {
        self.authenticator = authenticator;
        self
    }

    /// Defines a policy, for hubs and methods to name. Each has a name of its own.
    pub fn policy(mut self, name: impl Into<String>, policy: Policy) -> Self {
        let name = name.into();
        if self.policies.get(&name).is_some() {
            self.duplicate_policy.get_or_insert_with(|| name.clone());
        }
        self.policies = self.policies.with(name, policy);
        self
    }

    /// Sets which other origins browsers may connect from. Default: none.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// Sets which proxies in front of the node are believed when they say whom a request comes from. Hubs then know the
    /// client's address, and not the proxy's. Default: none, since anybody can send what a proxy would.
    ///
    /// ```
    /// use hubward::{Hubward, TrustedProxies};
    ///
    /// let builder = Hubward::builder().trusted_proxies(TrustedProxies::new(["10.0.0.0/8"])?);
    /// # let _ = builder; Ok::<(), hubward::transport::InvalidNetwork>(())
    /// ```
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted_proxies = proxies;
        self
    }

    /// Sets the backplane that joins the node to others; a [group store](Builder::group_store) and a
    /// [node registry](Builder::node_registry) belong to it. Default: no other nodes.
    pub fn backplane(mut self, backplane: Arc<dyn Backplane>) -> Self {
        self.backplane = Some(backplane);
        self
    }

    /// Sets where group membership is recorded. Default: in memory, for a node without a backplane.
    pub fn group_store(mut self, store: Arc<dyn GroupStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets where it is recorded which nodes live: the registry that belongs to the
    /// [group store](Builder::group_store). Default: none, for a node that shares nothing with others.
    pub fn node_registry(mut self, registry: Arc<dyn NodeRegistry>) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Has the node listen for other nodes, which pass on the requests of clients whose connection this one holds: so
    /// requests may reach any node. The port is for the other nodes only: each side of a connection shows that it has the
    /// [keys](Builder::connection_token_keys) of the cluster, and [`Builder::peer_tls`] encrypts it. Port 0 is any that is
    /// free. It is bound by [`Hubward::start`]. Default: none, so that all requests of a connection have to reach its node
    /// (sticky sessions), but on loopback for [nodes in one process](Builder::join).
    pub fn internal_listener(mut self, address: SocketAddr) -> Self {
        self.internal.address = Some(address);
        self
    }

    /// Encrypts what nodes say to each other, with certificates on both sides. All nodes of a cluster need it, or none.
    /// Default: none, for a network that belongs to the cluster.
    pub fn peer_tls(mut self, tls: PeerTls) -> Self {
        self.internal.tls = Some(tls);
        self
    }

    /// Sets how many requests of clients, WebSockets included, this node passes on to others at the same time; more are
    /// refused with 503. Default: a fourth of the limit of open files, since each needs two. A fourth of them is kept for POSTs
    /// and DELETEs, so that clients whose streams use up the rest can still send.
    pub fn forwarded_requests(mut self, most: usize) -> Self {
        self.internal.most_requests = Some(most);
        self
    }

    /// Sets where other nodes reach this one's [internal listener](Builder::internal_listener), such as `10.0.0.7:9000`: it
    /// is announced with the node, for [`Hubward::nodes`]. Default: the address that it listens on, which has to be one that
    /// they reach then.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Sets the keys that connection tokens are sealed with, and by which nodes know each other. The nodes of a cluster share
    /// them, and do not build without. Default: a random key, for a node alone.
    pub fn connection_token_keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Mounts a hub at a path, with all transports and their default options.
    pub fn hub(self, path: impl Into<HubPath>, hub: Hub) -> Self {
        self.hub_with_options(path, hub, TransportOptions::default())
    }

    /// Mounts a hub at a path, with options for its transports. What belongs to the hub is set by
    /// [`Hub::options`](hubward_hub::Hub::options).
    ///
    /// ```
    /// use hubward::{Hub, Hubward, TransportOptions};
    ///
    /// # fn main() -> Result<(), hubward::BuildError> {
    /// let options = TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
    /// let hubs = Hubward::builder().hub_with_options("/hubs/chat", Hub::new("chat"), options).build()?;
    /// # let _ = hubs; Ok(()) }
    /// ```
    pub fn hub_with_options(mut self, path: impl Into<HubPath>, hub: Hub, options: TransportOptions) -> Self {
        self.hubs.push((path.into(), hub, options));
        self
    }

    /// Mounts a raw connection handler at a path: bytes in, bytes out, over the same transports. See
    /// [`transport::raw`](hubward_transport::raw); [`RawEndpoint`] says who may connect to it.
    pub fn raw(mut self, path: impl Into<HubPath>, endpoint: impl Into<RawEndpoint>) -> Self {
        self.raw.push((path.into(), endpoint.into()));
        self
    }

    /// Mounts a raw connection handler at a path, with options for its transports.
    pub fn raw_with_options(
        self,
        path: impl Into<HubPath>,
        endpoint: impl Into<RawEndpoint>,
        options: TransportOptions,
    ) -> Self {
        self.raw(path, endpoint.into().options(options))
    }

    /// Checks the names that the node and its policies were given.
    fn check_names(&self) -> Result<(), BuildError> {
        if self.is_nameless {
            return Err(BuildError::NodeName);
        }
        self.duplicate_policy.clone().map_or(Ok(()), |name| Err(BuildError::DuplicatePolicy(name)))
    }

    /// Builds the node.
    ///
    /// # Errors
    /// [`BuildError`], with what to change.
    pub fn build(self) -> Result<Hubward, BuildError> {
        self.check_names()?;
        let stores = shared_stores(self.backplane.is_some(), self.store, self.registry)?;
        let id = self.node.unwrap_or_else(|| hubward_auth::random_id().into());
        let keys = match self.keys {
            Some(keys) => keys,
            None if stores.is_some() => return Err(BuildError::NoKeys),
            None => KeyRing::random(),
        };
        self.internal.check(self.address.as_deref())?;
        let context = NodeContext::new(id.clone(), self.backplane, stores);
        if let Some(address) = self.address {
            context.set_address(address);
        }
        let peers = self.internal.client(&context, &keys);
        let (signals, tasks) = (context.drain_signals(), context.tasks().clone());
        let mut mounting = Mounting {
            connections: ConnectionManager::new(id, keys, signals, tasks),
            context: context.clone(),
            peers,
            authenticator: self.authenticator,
            policies: self.policies,
            cors: self.cors,
            trusted_proxies: self.trusted_proxies,
            routes: HashSet::new(),
            hubs: HashSet::new(),
            router: axum::Router::new(),
        };
        let all_paths: Arc<[HubPath]> =
            self.hubs.iter().map(|hub| &hub.0).chain(self.raw.iter().map(|raw| &raw.0)).cloned().collect();
        let mut engines = Vec::new();
        for (path, hub, options) in self.hubs {
            engines.push(mounting.hub(path, hub, options)?);
        }
        for (path, endpoint) in self.raw {
            mounting.raw(path, endpoint)?;
        }
        let Mounting { connections, router, peers, .. } = mounting;
        let internal = peers.map(|peers| {
            let clients = paths::ignoring_case(router.clone(), all_paths.clone());
            let InternalOptions { address, tls, .. } = self.internal;
            let calls = Arc::new(HandoverService::new(&context, &engines, &connections));
            Arc::new(Internal::new(context.clone(), peers, &connections, address, clients, calls, tls))
        });
        Ok(Hubward { node: Arc::new(Node::new(context, engines)), internal, router, paths: all_paths })
    }
}

/// Returns what the node shares with others; a backplane needs it.
fn shared_stores(
    backplane: bool,
    groups: Option<Arc<dyn GroupStore>>,
    nodes: Option<Arc<dyn NodeRegistry>>,
) -> Result<Option<NodeStores>, BuildError> {
    match (groups, nodes) {
        (Some(groups), Some(nodes)) => Ok(Some(NodeStores { groups, nodes })),
        (Some(_), None) => Err(BuildError::NoNodeRegistry),
        (None, None) if !backplane => Ok(None),
        (None, _) => Err(BuildError::NoGroupStore),
    }
}

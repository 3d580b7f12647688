//! The settings of a mounted path. What serves it is in `http/`.

use std::sync::Arc;

use hubward_auth::{Authenticator, Cors, Policy};
use hubward_types::HubName;

use crate::absent::Absent;
use crate::connections::claims::ConnectionClaims;
use crate::connections::connection::Acceptor;
use crate::connections::manager::ConnectionManager;
use crate::connections::owners::ConnectionOwners;
use crate::log_limit::LogLimit;
use crate::options::TransportOptions;
use crate::peers::PeerClient;
use crate::pipe::long_polling::Absence;
use crate::trusted_proxies::TrustedProxies;

/// A path on which connections are opened. By default it is open to everyone, over all transports.
pub struct Endpoint {
    pub(crate) path: String,
    pub(crate) hub: HubName,
    pub(crate) acceptor: Arc<dyn Acceptor>,
    pub(crate) claims: Option<Arc<dyn ConnectionClaims>>,
    pub(crate) cluster: Option<EndpointCluster>,
    pub(crate) manager: Arc<ConnectionManager>,
    pub(crate) options: Arc<TransportOptions>,
    pub(crate) authenticator: Authenticator,
    pub(crate) policies: Vec<Policy>,
    pub(crate) cors: Cors,
    pub(crate) trusted_proxies: TrustedProxies,
    /// Long-polling clients between two polls.
    pub(crate) absent: Arc<Absent<Absence>>,
    /// How much is logged of what clients cause: refusals of each reason, with each error of a bearer token, and whatever
    /// else has a name here.
    pub(crate) log_limit: LogLimit<(&'static str, Option<&'static str>)>,
}

/// How a path finds connections of other nodes.
pub(crate) struct EndpointCluster {
    pub(crate) owners: Arc<dyn ConnectionOwners>,
    pub(crate) peers: PeerClient,
}

impl Endpoint {
    /// Makes an endpoint at a path such as `/hubs/clinical`; a slash at its end is dropped. Each accepted
    /// connection goes to `acceptor`.
    pub fn new(
        path: impl Into<String>,
        hub: impl Into<HubName>,
        acceptor: Arc<dyn Acceptor>,
        manager: Arc<ConnectionManager>,
    ) -> Self {
        let log_limit = LogLimit::new(manager.tasks().clone(), manager.closing().clone());
        Self {
            path: path.into(),
            hub: hub.into(),
            acceptor,
            claims: None,
            cluster: None,
            manager,
            absent: Arc::new(Absent::new(&TransportOptions::default())),
            options: Arc::default(),
            authenticator: Authenticator::none(),
            policies: Vec::new(),
            cors: Cors::none(),
            trusted_proxies: TrustedProxies::default(),
            log_limit,
        }
    }

    /// Sets where all nodes of a cluster find out whether a connection token was used before. Default: `None`, for a node
    /// whose tokens no other node opens.
    pub fn claims(mut self, claims: Option<Arc<dyn ConnectionClaims>>) -> Self {
        self.claims = claims;
        self
    }

    /// Sets how connections of other nodes are found and reached. By default requests for them are refused, so that all
    /// requests of one have to come to its node.
    pub fn cluster(mut self, cluster: Option<(Arc<dyn ConnectionOwners>, PeerClient)>) -> Self {
        self.cluster = cluster.map(|(owners, peers)| EndpointCluster { owners, peers });
        self
    }

    /// Sets limits, timeouts and switches.
    pub fn options(mut self, options: TransportOptions) -> Self {
        self.absent = Arc::new(Absent::new(&options));
        self.options = Arc::new(options);
        self
    }

    /// Sets how bearer tokens are checked. By default everyone is anonymous.
    pub fn authenticator(mut self, authenticator: Authenticator) -> Self {
        self.authenticator = authenticator;
        self
    }

    /// Sets the policies that every request has to pass, all of them.
    pub fn policies(mut self, policies: Vec<Policy>) -> Self {
        self.policies = policies;
        self
    }

    /// Sets which origins browsers may come from. By default only the endpoint's own.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// Sets which proxies are believed when they say whom a request comes from. By default none is.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted_proxies = proxies;
        self
    }
}

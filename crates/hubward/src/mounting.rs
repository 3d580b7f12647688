//! Hubs and raw handlers at their paths, each guarded by its policies.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Router;
use hubward_auth::{Authenticator, Cors, Policies, Policy};
use hubward_hub::Hub;
use hubward_server::{Engine, HubAcceptor, HubClaims, HubOwners, NodeContext, RawClaims, RawOwners};
use hubward_transport::{ConnectionManager, Endpoint, PeerClient, TransportOptions, TrustedProxies};
use hubward_types::HubName;

use crate::build_error::BuildError;
use crate::paths::{self, HubPath};
use crate::raw_endpoint::RawEndpoint;

/// What all paths of a node have in common, and what is mounted so far.
pub(crate) struct Mounting {
    pub(crate) connections: Arc<ConnectionManager>,
    pub(crate) context: Arc<NodeContext>,
    pub(crate) peers: Option<PeerClient>,
    pub(crate) authenticator: Authenticator,
    pub(crate) policies: Policies,
    pub(crate) cors: Cors,
    pub(crate) trusted_proxies: TrustedProxies,
    /// The routes that are taken.
    pub(crate) routes: HashSet<String>,
    /// The hubs that there are.
    pub(crate) hubs: HashSet<HubName>,
    pub(crate) router: Router,
}

impl Mounting {
    pub(crate) fn hub(
        &mut self,
        path: HubPath,
        hub: Hub,
        options: TransportOptions,
    ) -> Result<Arc<Engine>, BuildError> {
        self.take_routes(&path, &options)?;
        let definition = hub.build()?;
        if !self.hubs.insert(definition.name.clone()) {
            return Err(BuildError::DuplicateHub(definition.name));
        }
        let name = definition.name.clone();
        let required = self.required(&name, &definition.policies)?;
        self.check_policies(&name, definition.methods().flat_map(|method| &method.policies))?;
        let engine = Engine::new(definition, self.context.clone(), &self.policies)?;
        let acceptor = Arc::new(HubAcceptor::new(engine.clone(), &options));
        let owners = HubOwners::shared(&engine);
        let endpoint = Endpoint::new(path, name, acceptor, self.connections.clone())
            .claims(HubClaims::shared(&engine))
            .cluster(owners.zip(self.peers.clone()));
        self.mount(endpoint, options, required);
        Ok(engine)
    }

    pub(crate) fn raw(&mut self, path: HubPath, endpoint: RawEndpoint) -> Result<(), BuildError> {
        let RawEndpoint { handler, policies, options } = endpoint;
        self.take_routes(&path, &options)?;
        let name = HubName::from(path.clone());
        let required = self.required(&name, &policies)?;
        let endpoint = Endpoint::new(path, name.clone(), handler, self.connections.clone())
            .claims(RawClaims::shared(&self.context, name))
            .cluster(RawOwners::shared(&self.context).zip(self.peers.clone()));
        self.mount(endpoint, options, required);
        Ok(())
    }

    fn mount(&mut self, endpoint: Endpoint, options: TransportOptions, required: Vec<Policy>) {
        let endpoint = endpoint
            .options(options)
            .authenticator(self.authenticator.clone())
            .policies(required)
            .cors(self.cors.clone())
            .trusted_proxies(self.trusted_proxies.clone());
        self.router = std::mem::take(&mut self.router).merge(endpoint.router());
    }

    /// Checks a path and its options, and takes its routes.
    fn take_routes(&mut self, path: &HubPath, options: &TransportOptions) -> Result<(), BuildError> {
        if !paths::is_usable(path) {
            return Err(BuildError::Path(path.clone()));
        }
        if !paths::routed(path).into_iter().all(|route| self.routes.insert(route)) {
            return Err(BuildError::DuplicatePath(path.clone()));
        }
        let mistake = options.mistake();
        mistake.map_or(Ok(()), |mistake| Err(BuildError::Options { path: path.clone(), mistake }))
    }

    /// Returns the policies of these names.
    fn required(&self, hub: &HubName, names: &[String]) -> Result<Vec<Policy>, BuildError> {
        self.check_policies(hub, names)?;
        Ok(hubward_server::required_policies(hub, names, &self.policies)?)
    }

    /// Where no tokens are accepted, everybody is anonymous, and most policies would refuse everybody.
    fn check_policies<'n>(
        &self,
        hub: &HubName,
        names: impl IntoIterator<Item = &'n String>,
    ) -> Result<(), BuildError> {
        let refuses = |name: &&String| self.policies.get(name).is_some_and(Policy::requires_authentication);
        match names.into_iter().find(refuses) {
            Some(policy) if !self.authenticator.accepts_tokens() => {
                Err(BuildError::NoAuthentication { hub: hub.clone(), policy: policy.clone() })
            }
            _ => Ok(()),
        }
    }
}

//! A hub on this node: its definition, its policies, and its connections. Sending is in `delivery`, calls are in
//! `invocation`, groups in `membership`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use hubward_auth::{Decision, Policies, Policy};
use hubward_hub::HubDefinition;
use hubward_transport::LogLimit;
use hubward_types::{HubName, Principal};

use crate::cluster::asked_changes::AskedChanges;
use crate::cluster::forwarded_invocations::ForwardedInvocations;
use crate::cluster::held::HeldMessages;
use crate::cluster::moved::MovedConnections;
use crate::cluster::outbox::Outbox;
use crate::connection::close_reason::CloseReason;
use crate::connection::config::ConnectionConfig;
use crate::connection::mailbox::MailboxLimits;
use crate::connection::wake_batch::{self, WakeBatch};
use crate::context::NodeContext;
use crate::delivery::index::Index;
use crate::invocation::link_notices::LinkNotices;
use crate::membership::expiries::Expiries;
use crate::membership::removals::PendingRemovals;
use crate::membership::unannounced::UnannouncedChanges;
use crate::membership::unrecorded::UnrecordedConnections;
use crate::membership::users::ChangingUsers;

/// A hub on this node.
pub struct Engine {
    pub(crate) definition: HubDefinition,
    /// The policies of methods that have any.
    policies: HashMap<Arc<str>, Vec<Policy>>,
    pub(crate) index: Index,
    pub(crate) context: Arc<NodeContext>,
    pub(crate) forwarded: ForwardedInvocations,
    pub(crate) outbox: Outbox,
    pub(crate) held: HeldMessages,
    pub(crate) moved: MovedConnections,
    pub(crate) users: ChangingUsers,
    pub(crate) expiries: Expiries,
    pub(crate) asked: AskedChanges,
    pub(crate) removals: PendingRemovals,
    pub(crate) unannounced: UnannouncedChanges,
    pub(crate) unrecorded: UnrecordedConnections,
    pub(crate) link_notices: LinkNotices,
    client_invocations: AtomicU64,
    /// The settings of the path where the hub is mounted.
    connection_config: OnceLock<Arc<ConnectionConfig>>,
    /// How many failures of hub code are logged: of each sentence, with each method.
    pub(crate) failures: LogLimit<(&'static str, Option<Box<str>>)>,
    /// How many ends of connections are logged for each reason.
    pub(crate) ends: LogLimit<&'static str>,
}

/// A policy that a hub names and nobody has defined.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("hub '{hub}' needs the policy '{policy}', which is not defined; add it to the builder's policies")]
pub struct UnknownPolicy {
    /// The hub.
    pub hub: String,
    /// The policy's name.
    pub policy: String,
}

/// Finds the policies that a hub, or one of its methods, names.
///
/// # Errors
/// [`UnknownPolicy`] for the first name that is not defined.
pub fn required_policies(
    hub: &HubName,
    names: &[String],
    policies: &Policies,
) -> Result<Vec<Policy>, UnknownPolicy> {
    let find = |name: &String| {
        let unknown = || UnknownPolicy { hub: hub.to_string(), policy: name.clone() };
        policies.get(name).cloned().ok_or_else(unknown)
    };
    names.iter().map(find).collect()
}

impl Engine {
    /// Makes the engine of a hub.
    ///
    /// # Errors
    /// [`UnknownPolicy`]: a method that cannot be guarded must not run.
    pub fn new(
        definition: HubDefinition,
        context: Arc<NodeContext>,
        policies: &Policies,
    ) -> Result<Arc<Self>, UnknownPolicy> {
        let mut by_method = HashMap::new();
        for entry in definition.methods().filter(|entry| !entry.policies.is_empty()) {
            let required = required_policies(&definition.name, &entry.policies, policies)?;
            by_method.insert(entry.name.clone(), required);
        }
        let (tasks, shutdown) = (context.tasks.clone(), context.shutdown.clone());
        let failures = LogLimit::new(tasks.clone(), shutdown.clone());
        let ends = LogLimit::new(tasks, shutdown);
        let outbox = Outbox::new(definition.options.on_outage);
        Ok(Arc::new(Self {
            definition,
            policies: by_method,
            index: Index::new(),
            context,
            forwarded: ForwardedInvocations::default(),
            outbox,
            held: HeldMessages::default(),
            moved: MovedConnections::default(),
            users: ChangingUsers::default(),
            expiries: Expiries::default(),
            asked: AskedChanges::default(),
            removals: PendingRemovals::default(),
            unannounced: UnannouncedChanges::default(),
            unrecorded: UnrecordedConnections::default(),
            link_notices: LinkNotices::default(),
            client_invocations: AtomicU64::new(0),
            connection_config: OnceLock::new(),
            failures,
            ends,
        }))
    }

    /// Returns the hub's name.
    pub fn name(&self) -> &HubName {
        &self.definition.name
    }

    /// Returns how many connections the hub has on this node.
    pub fn connection_count(&self) -> usize {
        self.index.len()
    }

    /// Notes the settings of the path where the hub is mounted, for connections that come from other nodes. A hub has one path.
    pub(crate) fn set_connection_config(&self, config: Arc<ConnectionConfig>) {
        let _ = self.connection_config.set(config);
    }

    /// Returns the settings of the path where the hub is mounted, where it is.
    pub(crate) fn connection_config(&self) -> Option<Arc<ConnectionConfig>> {
        self.connection_config.get().cloned()
    }

    pub(crate) fn close_all(&self) {
        let _batch = WakeBatch::open();
        self.index.for_all(|connection| connection.close(CloseReason::Shutdown));
        wake_batch::divide(&self.context.wake_portions, self.index.len());
    }

    pub(crate) fn may_call(&self, method: &str, principal: &Principal) -> bool {
        self.policies
            .get(method)
            .is_none_or(|policies| policies.iter().all(|policy| policy.check(principal) == Decision::Allowed))
    }

    pub(crate) fn mailbox_limits(&self) -> MailboxLimits {
        let options = &self.definition.options;
        MailboxLimits { messages: options.mailbox_messages, bytes: options.mailbox_bytes }
    }

    /// Returns an invocation id for a client invocation. Several nodes may invoke the same client at once, so the id
    /// names this one.
    pub(crate) fn next_invocation_id(&self) -> String {
        let number = self.client_invocations.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{}-{number}", self.context.id)
    }
}

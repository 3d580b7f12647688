//! A raw connection handler as the builder mounts it: who may connect, and with which options.

use std::sync::Arc;

use hubward_transport::{Acceptor, TransportOptions};

/// A raw connection handler with the policies and options of its path. A handler alone becomes one without policies and
/// with default options.
///
/// ```
/// use hubward::auth::{DevelopmentIssuer, Policy};
/// use hubward::{Hubward, RawEndpoint, transport::raw};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let issuer = DevelopmentIssuer::new("a-development-secret-of-32-bytes-or-more", "issuer", "echo")?;
/// let echo = raw::handler(|mut connection| async move {
///     while let Some(bytes) = connection.receive().await {
///         connection.send(bytes).await?;
///     }
///     Ok(())
/// });
/// let hubs = Hubward::builder()
///     .auth(issuer.authenticator())
///     .policy("Staff", Policy::any_role(["staff"]))
///     .raw("/echo", RawEndpoint::new(echo).authorize("Staff"))
///     .build()?;
/// # let _ = hubs; Ok(()) }
/// ```
pub struct RawEndpoint {
    pub(crate) handler: Arc<dyn Acceptor>,
    pub(crate) policies: Vec<String>,
    pub(crate) options: TransportOptions,
}

impl RawEndpoint {
    /// Takes a handler; everybody may connect to it.
    pub fn new(handler: impl Acceptor) -> Self {
        Self { handler: Arc::new(handler), policies: Vec::new(), options: TransportOptions::default() }
    }

    /// Lets only principals connect that meet the policy of this name. Several policies must all be met.
    pub fn authorize(mut self, policy: impl Into<String>) -> Self {
        self.policies.push(policy.into());
        self
    }

    /// Replaces the options of the transports. Default: [`TransportOptions::default`].
    pub fn options(mut self, options: TransportOptions) -> Self {
        self.options = options;
        self
    }
}

impl<A: Acceptor> From<A> for RawEndpoint {
    fn from(handler: A) -> Self {
        Self::new(handler)
    }
}

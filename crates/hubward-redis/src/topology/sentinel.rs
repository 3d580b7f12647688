//! What Sentinels know: which server is the primary.

use crate::address::Address;
use crate::connector::Connector;
use crate::error::RedisFailure;

/// Asks a Sentinel for the primary that it watches under a name.
pub(super) async fn primary(
    connector: &Connector,
    sentinel: &Address,
    name: &str,
) -> Result<Address, RedisFailure> {
    let mut connection = connector.connect_sentinel(sentinel).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let found: Option<(String, u16)> = command.query_async(&mut connection).await?;
    let (host, port) = found.ok_or_else(|| {
        RedisFailure::said(format!(
            "the Sentinel {sentinel} watches no primary named '{name}'; check the name"
        ))
    })?;
    Ok(Address::new(host, port))
}

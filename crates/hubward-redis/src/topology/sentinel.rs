//! What Sentinels know: which server is the primary.

use redis::Value;
use redis::aio::ConnectionLike;

use crate::address::Address;
use crate::connector::Connector;
use crate::error::RedisFailure;

/// Asks a Sentinel for the primary that it watches under a name, and that server whether it is one.
pub(super) async fn primary(
    connector: &Connector,
    sentinel: &Address,
    name: &str,
) -> Result<Address, RedisFailure> {
    let mut connection = connector.connect_sentinel(sentinel).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let found = match connection.req_packed_command(&command).await? {
        Value::ServerError(error) => return Err(redis::RedisError::from(error).into()),
        found => redis::from_redis_value::<Option<(String, u16)>>(found),
    };
    let found = found.map_err(|_| {
        RedisFailure::said(format!(
            "what {sentinel} says of the primary '{name}' cannot be read; check that it is a Sentinel"
        ))
    })?;
    let (host, port) = found.ok_or_else(|| {
        RedisFailure::said(format!(
            "the Sentinel {sentinel} watches no primary named '{name}'; check the name"
        ))
    })?;
    let address = Address::named_by_server(host, port)?;
    check_role(connector, &address).await?;
    Ok(address)
}

/// A Sentinel that is cut off names a primary that is none any more. On such a server, messages reach nobody.
async fn check_role(connector: &Connector, address: &Address) -> Result<(), RedisFailure> {
    let mut connection = connector.connect(address, |_| ()).await?;
    let Value::Array(role) = connection.req_packed_command(&redis::cmd("ROLE")).await? else {
        // Its user may not ask.
        return Ok(());
    };
    match role.first() {
        Some(Value::BulkString(role)) if role == b"master" => Ok(()),
        _ => Err(RedisFailure::said(format!("{address} is not a primary any more"))),
    }
}

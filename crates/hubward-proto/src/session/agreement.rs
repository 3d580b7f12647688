//! Whether a server agrees to a handshake request, and with which error it refuses: the same as ASP.NET Core's. It only
//! decides; the session acts on it.

use super::config::SessionConfig;
use crate::message::handshake::HandshakeRequest;
use crate::protocol::Protocol;

/// The error of a handshake that is too long or too late.
pub(super) const CANCELED: &str = "Handshake was canceled.";
/// The protocol version with stateful reconnect, and the highest there is.
pub(super) const STATEFUL_VERSION: u32 = 2;

/// Returns the protocol and version to speak, or the error of the response.
pub(super) fn agree(config: &SessionConfig, record: &[u8]) -> Result<(Protocol, u32), String> {
    let request = HandshakeRequest::decode(record, &config.limits).map_err(|error| {
        let text = "An unexpected error occurred during connection handshake.";
        if config.detailed_errors {
            format!("{text} {}: {error}", error.exception())
        } else {
            text.to_owned()
        }
    })?;
    let name = &request.protocol;
    let protocol = Protocol::from_name(name)
        .filter(|protocol| config.protocols.contains(*protocol))
        .ok_or_else(|| format!("The protocol '{name}' is not supported."))?;
    // ASP.NET Core accepts all versions below its own, negative ones too.
    let version = u32::try_from(request.version).unwrap_or(0);
    if version > STATEFUL_VERSION {
        return Err(format!("The server does not support version {version} of the '{name}' protocol."));
    }
    if protocol.is_binary() && !config.binary {
        return Err(format!(
            "Cannot use the '{}' protocol on the current transport. The transport does not support 'Binary' transfer \
             format.",
            protocol.name()
        ));
    }
    Ok((protocol, version))
}

//! A socket to a server: TCP, with TLS where that is wanted.

use std::io;
use std::net::SocketAddr;

use futures_util::future::select_ok;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::address::Address;

/// How many of a host's addresses are tried.
const MAX_ADDRESSES: usize = 32;

/// What is read from and written to.
pub(crate) trait RedisSocket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> RedisSocket for T {}

/// Connects to all addresses of a host at once. The first that is connected to counts; where there is none, the last error does.
pub(crate) async fn connect(
    server: &Address,
    tls: Option<&TlsConnector>,
) -> io::Result<Box<dyn RedisSocket>> {
    let Address { host, port } = server;
    let addresses = lookup_host((&**host, *port)).await?;
    let connecting: Vec<_> =
        addresses.take(MAX_ADDRESSES).map(|address| Box::pin(open(address, host, tls))).collect();
    if connecting.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    }
    Ok(select_ok(connecting).await?.0)
}

async fn open(
    address: SocketAddr,
    host: &str,
    tls: Option<&TlsConnector>,
) -> io::Result<Box<dyn RedisSocket>> {
    let socket = TcpStream::connect(address).await?;
    // A call does not wait for what is sent before it to be acknowledged. Whether the peer is still there is asked in Redis's
    // own terms, so that TCP need not.
    socket.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Box::new(socket)) };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no certificate can be for such a host"))?;
    Ok(Box::new(tls.connect(name, socket).await?))
}

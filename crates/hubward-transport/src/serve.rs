//! An HTTP/1.1 server under limits: a client that is silent, sends without end or does not read costs a bounded time.
//! What it does not do is TLS; a proxy in front ends that.

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod deadlines;
pub(crate) mod hosts;
pub(crate) mod options;
pub(crate) mod socket;
mod turns;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use connection::{Audience, Listening};
use options::ServeOptions;
use socket::Place;

use crate::log_limit::LogLimit;
use crate::peers::{PeerTls, Strangers, notice_silence};

/// How long nothing is accepted after an accept failed for want of files or memory: those come back when a connection
/// ends, and trying at once again would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection gets that has no place.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Serves a router until [`ServeOptions::shutdown`] is cancelled and the last request is answered. Handlers and hubs
/// know the address of each client, by `ConnectInfo<SocketAddr>`.
///
/// It speaks HTTP/1.1 only: a WebSocket over HTTP/2 is another protocol (RFC 8441), which a proxy in front translates.
/// Dropping the future stops it as well; requests that run then have [`ServeOptions::shutdown_timeout`].
///
/// ```no_run
/// # async fn example(app: axum::Router) -> std::io::Result<()> {
/// use hubward_transport::ServeOptions;
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// hubward_transport::serve(listener, app, ServeOptions::default()).await
/// # }
/// ```
///
/// # Errors
/// Only where the options cannot be served with: the error says what to change.
pub async fn serve(listener: TcpListener, router: Router, options: ServeOptions) -> io::Result<()> {
    serve_to(Audience::Clients, listener, router, options).await
}

/// Serves a router to other nodes, encrypted where there is `tls`. Each connection has a [`PeerSession`](crate::peers::PeerSession).
pub(crate) async fn serve_peers(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    tls: Option<PeerTls>,
) -> io::Result<()> {
    let strangers = Strangers::new(options.max_connections);
    serve_to(Audience::Nodes(tls, strangers), listener, router, options).await
}

async fn serve_to(
    audience: Audience,
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
) -> io::Result<()> {
    options.check()?;
    // Connections end when this future does, however it does.
    let shutdown = options.shutdown.child_token();
    let _stop = shutdown.clone().drop_guard();
    let (places, tasks) = (Arc::new(AtomicUsize::new(0)), TaskTracker::new());
    let listening = Arc::new(Listening {
        audience,
        router: TowerToHyperService::new(router),
        refusals: LogLimit::new(tasks.clone(), shutdown.clone()),
        options: ServeOptions { shutdown: shutdown.clone(), ..options },
    });
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, remote)) => match Place::take(&places, listening.options.max_connections) {
                Some(place) => {
                    socket::prepare(&tcp, listening.options.unacknowledged_timeout);
                    if matches!(listening.audience, Audience::Nodes(..)) {
                        notice_silence(&tcp);
                    }
                    tasks.spawn(connection::serve(tcp, remote, place, listening.clone()));
                }
                None => {
                    refuse(&tcp);
                    listening.log_full();
                }
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                listening.log_failed(&error);
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Refuses a connection without waiting for it. Its request is read as far as it has come, since closing over unread
/// bytes would reset the connection and lose the response.
fn refuse(tcp: &TcpStream) {
    let _ = tcp.try_write(FULL);
    let mut unread = [0; 4096];
    let _ = tcp.try_read(&mut unread);
}

/// Whether an accept failed because its client is gone again.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

//! Nodes that show each other certificates.

use axum::routing::any;
use hubward_testing::{Certificates, Http, Port, folder_of, within};
use tokio::io::AsyncReadExt;

use super::*;
use crate::peers::tls::PeerTls;

const NAME: &str = "nodes.hubward.test";

/// Authorities in folders of their own, which are removed with it.
struct Authority {
    certificates: Certificates,
    folder: std::path::PathBuf,
    _port: Port,
}

impl Authority {
    fn new() -> Self {
        let port = Port::reserve();
        let folder = folder_of(&port);
        Self { certificates: Certificates::create(&folder), folder, _port: port }
    }

    fn pem(&self) -> Vec<u8> {
        std::fs::read(&self.certificates.authority).unwrap()
    }

    /// A node whose certificate is for `name`, and that expects another one of [`NAME`] by this authority.
    fn node(&self, name: &str) -> PeerTls {
        let (certificate, key) = self.certificates.node(name);
        PeerTls::new(NAME, &self.pem(), &certificate, &key).unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn start(tls: PeerTls, keys: &KeyRing) -> (Directory, SocketAddr) {
    let tasks = TaskTracker::new();
    let manager = ConnectionManager::new("owner", keys.clone(), CancellationToken::new(), tasks.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, directory) = (listener.local_addr().unwrap(), Directory::default());
    let clients = Router::new().fallback(any(|| async { "served" }));
    let internal = InternalListener::new(&manager, clients, None, Some(tls));
    tasks.spawn(internal.serve(listener, CancellationToken::new()));
    directory.add("owner", address);
    (directory, address)
}

#[tokio::test]
async fn nodes_of_one_authority_and_one_name_reach_each_other_and_nobody_else_does() {
    let (authority, other_authority, keys) = (Authority::new(), Authority::new(), KeyRing::random());
    let (directory, address) = start(authority.node(NAME), &keys).await;
    let client = |tls| PeerClient::new("first".into(), keys.clone(), Arc::new(directory.clone()), tls, None);
    let served = forward(&client(Some(authority.node(NAME))), get("/hub")).await.unwrap();
    assert_eq!(text(served).await, "served");
    for refused in [None, Some(other_authority.node(NAME)), Some(authority.node("other.hubward.test"))] {
        assert!(forward(&client(refused), get("/hub")).await.is_err());
    }
    // Who does not encrypt gets nothing.
    let mut http = Http::connect(address).await;
    http.send("GET", "/hub", &[], b"").await;
    let (mut socket, mut received) = http.into_parts();
    let _ = within("the end", socket.read_to_end(&mut received)).await;
    assert!(!String::from_utf8_lossy(&received).contains("HTTP"));
}

#[tokio::test]
async fn a_node_whose_certificate_has_another_name_or_authority_is_not_trusted() {
    let (authority, other_authority, keys) = (Authority::new(), Authority::new(), KeyRing::random());
    for served in [authority.node("other.hubward.test"), other_authority.node(NAME)] {
        let (directory, _) = start(served, &keys).await;
        let tls = Some(authority.node(NAME));
        let client = PeerClient::new("first".into(), keys.clone(), Arc::new(directory), tls, None);
        assert!(matches!(forward(&client, get("/hub")).await, Err(PeerError::Unreachable(_))));
    }
}

#[test]
fn what_cannot_be_used_is_said() {
    let authority = Authority::new();
    let ((certificate, key), (_, other_key)) =
        (authority.certificates.node(NAME), authority.certificates.node("other.hubward.test"));
    let pem = authority.pem();
    let refused = |name, authority: &[u8], certificate: &[u8], key: &[u8]| {
        PeerTls::new(name, authority, certificate, key).unwrap_err()
    };
    assert!(refused("not a name", &pem, &certificate, &key).contains("'not a name'"));
    assert!(refused(NAME, b"", &certificate, &key).contains("certificate authority"));
    assert!(refused(NAME, &pem, &key, &key).contains("node's certificate"));
    assert!(refused(NAME, &pem, &certificate, &certificate).contains("key"));
    assert!(refused(NAME, &pem, &certificate, &other_key).contains("key"));
    let shown = format!("{:?}", authority.node(NAME));
    assert!(!shown.to_lowercase().contains("key"), "{shown}");
}

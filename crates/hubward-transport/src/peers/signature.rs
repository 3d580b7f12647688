//! What the headers of a request between nodes say, and the code that authenticates it. The code covers where the request goes and
//! what the sender says of it, not what its client sent: that is checked as if the client had come here itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use hubward_auth::KeyRing;
use hubward_types::NodeId;

/// What all headers between nodes begin with. No client can send them past the first node.
pub(super) const PREFIX: &str = "hubward-peer-";

pub(super) const FROM: HeaderName = HeaderName::from_static("hubward-peer-from");
pub(super) const NODE: HeaderName = HeaderName::from_static("hubward-peer-node");
pub(super) const NONCE: HeaderName = HeaderName::from_static("hubward-peer-nonce");
pub(super) const KIND: HeaderName = HeaderName::from_static("hubward-peer-kind");
pub(super) const NUMBER: HeaderName = HeaderName::from_static("hubward-peer-number");
pub(super) const CLIENT: HeaderName = HeaderName::from_static("hubward-peer-client");
pub(super) const CODE: HeaderName = HeaderName::from_static("hubward-peer-code");

/// The purposes of codes.
const REQUEST: &str = "request between nodes 1";
const INTRODUCTION: &str = "introduction of a node 1";

/// What a request between nodes is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A client's, which the sender passes on.
    Client,
    /// The sender's own.
    Node,
}

/// What a request says, beside its target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Statement {
    pub(super) kind: Kind,
    /// Who sends it.
    pub(super) from: NodeId,
    pub(super) number: u64,
    /// The address of the client, as text; empty where it is unknown.
    pub(super) client: String,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Node => "node",
        }
    }
}

impl Statement {
    /// Adds the headers to a request to `node` over the connection of this nonce. What it had of these is removed.
    pub(super) fn sign(&self, keys: &KeyRing, node: &NodeId, nonce: &str, parts: &mut Parts) {
        remove_all(&mut parts.headers);
        let number = self.number.to_string();
        let code = keys.authenticate(REQUEST, &self.signed(node, nonce, parts, &number));
        let headers = [
            (KIND, self.kind.name().to_owned()),
            (FROM, encoded(&self.from)),
            (NUMBER, number),
            (CLIENT, self.client.clone()),
            (CODE, code),
        ];
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                parts.headers.insert(name, value);
            }
        }
    }

    /// Takes the headers off a request that came to `node` over the connection of this nonce; `None` where it is not authentic.
    pub(super) fn verify(keys: &KeyRing, node: &NodeId, nonce: &str, parts: &mut Parts) -> Option<Self> {
        let headers = &parts.headers;
        let kind = match text(headers, KIND)? {
            "client" => Kind::Client,
            "node" => Kind::Node,
            _ => return None,
        };
        let statement = Self {
            kind,
            from: decoded(text(headers, FROM)?)?,
            number: text(headers, NUMBER)?.parse().ok()?,
            client: text(headers, CLIENT)?.to_owned(),
        };
        let number = statement.number.to_string();
        let signed = statement.signed(node, nonce, parts, &number);
        let is_authentic = keys.is_authentic(REQUEST, &signed, text(headers, CODE)?);
        remove_all(&mut parts.headers);
        is_authentic.then_some(statement)
    }

    /// What the code covers.
    fn signed<'a>(
        &'a self,
        node: &'a NodeId,
        nonce: &'a str,
        parts: &'a Parts,
        number: &'a str,
    ) -> [&'a [u8]; 8] {
        [
            node.as_str(),
            nonce,
            parts.method.as_str(),
            parts.uri.path_and_query().map_or("", PathAndQuery::as_str),
            self.kind.name(),
            self.from.as_str(),
            number,
            &self.client,
        ]
        .map(str::as_bytes)
    }
}

/// The code by which a node shows whom a connection was made to: both nonces are in it, and the node.
pub(super) fn introduce(keys: &KeyRing, node: &NodeId, asked: &str, nonce: &str) -> String {
    keys.authenticate(INTRODUCTION, &[node.as_str().as_bytes(), asked.as_bytes(), nonce.as_bytes()])
}

/// Returns whether a node has shown who it is.
pub(super) fn is_introduced(keys: &KeyRing, node: &NodeId, asked: &str, nonce: &str, code: &str) -> bool {
    let parts: [&[u8]; 3] = [node.as_str().as_bytes(), asked.as_bytes(), nonce.as_bytes()];
    keys.is_authentic(INTRODUCTION, &parts, code)
}

/// Removes all headers between nodes.
pub(super) fn remove_all(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Returns a header that is there once.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// A node's id may have characters that a header cannot.
pub(super) fn encoded(node: &NodeId) -> String {
    URL_SAFE_NO_PAD.encode(node.as_str())
}

pub(super) fn decoded(text: &str) -> Option<NodeId> {
    Some(String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?.into())
}

#[cfg(test)]
mod tests {
    use http::{Method, Request, Uri};

    use super::*;

    fn parts(method: &str, target: &str) -> Parts {
        Request::builder().method(method).uri(target).body(()).unwrap().into_parts().0
    }

    fn statement() -> Statement {
        Statement { kind: Kind::Client, from: "näme 1".into(), number: 7, client: "[::1]:80".into() }
    }

    #[test]
    fn what_is_signed_is_read_and_no_header_of_it_is_left() {
        let (keys, node, mut request) = (KeyRing::random(), NodeId::from("n2"), parts("POST", "/hub?id=1"));
        request.headers.append("hubward-peer-client", HeaderValue::from_static("10.0.0.1:1"));
        request.headers.append("hubward-peer-new", HeaderValue::from_static("x"));
        request.headers.append("x-own", HeaderValue::from_static("x"));
        statement().sign(&keys, &node, "nonce", &mut request);
        assert_eq!(Statement::verify(&keys, &node, "nonce", &mut request), Some(statement()));
        assert_eq!(request.headers.len(), 1, "{:?}", request.headers);
    }

    #[test]
    fn nothing_of_a_request_can_be_changed_nor_can_it_go_elsewhere() {
        let (keys, node) = (KeyRing::random(), NodeId::from("n2"));
        let verified = |node: &NodeId, nonce: &str, change: &dyn Fn(&mut Parts)| {
            let mut request = parts("POST", "/hub?id=1");
            statement().sign(&keys, &NodeId::from("n2"), "nonce", &mut request);
            change(&mut request);
            Statement::verify(&keys, node, nonce, &mut request).is_some()
        };
        assert!(verified(&node, "nonce", &|_| {}));
        assert!(!verified(&"n3".into(), "nonce", &|_| {}));
        assert!(!verified(&node, "another", &|_| {}));
        assert!(!verified(&node, "nonce", &|request| request.method = Method::GET));
        assert!(!verified(&node, "nonce", &|request| request.uri = Uri::from_static("/hub?id=2")));
        assert!(!verified(&node, "nonce", &|request| request.uri = Uri::from_static("/other?id=1")));
        for (name, value) in [
            (KIND, "node"),
            (KIND, "else"),
            (FROM, "bjE"),
            (FROM, "%"),
            (NUMBER, "8"),
            (NUMBER, "-1"),
            (CLIENT, "10.0.0.1:80"),
            (CODE, ""),
            (CODE, "forged"),
        ] {
            let replace = |request: &mut Parts| {
                request.headers.insert(name.clone(), HeaderValue::from_static(value));
            };
            assert!(!verified(&node, "nonce", &replace), "{name}: {value}");
            let add = |request: &mut Parts| {
                request.headers.append(name.clone(), HeaderValue::from_static(value));
            };
            assert!(!verified(&node, "nonce", &add), "{name} twice");
            let remove = |request: &mut Parts| drop(request.headers.remove(&name));
            assert!(!verified(&node, "nonce", &remove), "no {name}");
        }
        let mut request = parts("POST", "/hub?id=1");
        statement().sign(&KeyRing::random(), &node, "nonce", &mut request);
        assert_eq!(Statement::verify(&keys, &node, "nonce", &mut request), None, "another cluster's");
    }

    #[test]
    fn an_introduction_is_of_one_node_and_one_connection() {
        let (keys, node) = (KeyRing::random(), NodeId::from("n2"));
        let code = introduce(&keys, &node, "asked", "nonce");
        assert!(is_introduced(&keys, &node, "asked", "nonce", &code));
        assert!(!is_introduced(&keys, &"n1".into(), "asked", "nonce", &code));
        assert!(!is_introduced(&keys, &node, "other", "nonce", &code));
        assert!(!is_introduced(&keys, &node, "asked", "other", &code));
        assert!(!is_introduced(&KeyRing::random(), &node, "asked", "nonce", &code));
    }
}

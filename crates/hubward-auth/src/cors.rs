//! Which web pages may use a hub from a browser: CORS for HTTP requests, and the `Origin` check of WebSocket
//! handshakes, to which CORS does not apply. A request without `Origin` is no page's, and not judged here.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::AuthConfigError;
use crate::origin::Origin;

/// The methods of SignalR's transports: negotiate and sends, polls and streams, and the end of a poll.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");

/// Two hours: browsers keep no answer to a preflight for longer.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// How many bytes of requested header names are mirrored. The clients send some forty.
const MAX_MIRRORED_BYTES: usize = 4096;

/// The web pages that may use a hub, by their exact origins.
///
/// ```
/// use hubward_auth::Cors;
/// use http::{HeaderMap, HeaderValue, header::ORIGIN};
///
/// let cors = Cors::origins(["https://app.example"])?;
/// let mut request = HeaderMap::new();
/// request.insert(ORIGIN, HeaderValue::from_static("https://evil.example"));
/// assert!(!cors.allows_websocket(&request));
/// # Ok::<(), hubward_auth::AuthConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Arc<[Origin]>,
    with_credentials: bool,
}

impl Cors {
    /// Allows no page but those of the same host.
    pub fn none() -> Self {
        Self { origins: Arc::default(), with_credentials: true }
    }

    /// Allows pages of these origins, each `scheme://host` or `scheme://host:port`.
    ///
    /// # Errors
    /// Refuses a text that is not exactly an origin: one with a path (even `/`) or a wildcard, and `null`.
    pub fn origins(origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, AuthConfigError> {
        let origins = origins.into_iter().map(|origin| Origin::configured(origin.as_ref()));
        Ok(Self { origins: origins.collect::<Result<_, _>>()?, with_credentials: true })
    }

    /// Says whether pages may send cookies and read the answers all the same. Default: true, because
    /// SignalR's browser client sends with credentials unless told otherwise.
    pub fn with_credentials(mut self, with_credentials: bool) -> Self {
        self.with_credentials = with_credentials;
        self
    }

    /// Returns the headers of the answer to a browser's question whether a request would be allowed, if
    /// this is such a question from an allowed page.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<HeaderMap> {
        if method != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let origin = self.allowed(headers)?;
        let mut answer = HeaderMap::with_capacity(6);
        self.write(origin, &mut answer);
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(MAX_AGE.as_secs()));
        if let Some(names) = mirrored(headers) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        Some(answer)
    }

    /// Adds to a response what lets an allowed page read it. To any other page's it adds nothing, and the
    /// browser keeps it from the page.
    pub fn apply(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if let Some(origin) = self.allowed(request) {
            self.write(origin, response);
        }
    }

    /// Tells whether a WebSocket handshake is from no browser, from a page of the same host, or from an
    /// allowed page. Browsers let any page open a WebSocket anywhere, with the user's cookies.
    ///
    /// The host is read from `Host`: HTTP/2 has it in `:authority`, from where it must be copied.
    pub fn allows_websocket(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::ORIGIN) || self.allowed(headers).is_some() {
            return true;
        }
        let origin = only(headers, &header::ORIGIN).and_then(text).and_then(Origin::parse);
        let host = only(headers, &header::HOST).and_then(text);
        matches!((origin, host), (Some(origin), Some(host)) if origin.is_of_host(host))
    }

    fn allowed<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = only(headers, &header::ORIGIN)?;
        let known = |allowed: &Origin| origin.as_bytes() == allowed.as_str().as_bytes();
        self.origins.iter().any(known).then_some(origin)
    }

    fn write(&self, origin: &HeaderValue, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.with_credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        // Without it a cache would give one page's answer to another.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

/// What may occur once and occurs twice is not trusted either time.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// Any header may be sent by an allowed page; names that are none are left out.
fn mirrored(headers: &HeaderMap) -> Option<HeaderValue> {
    let requested = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = requested.filter_map(text).flat_map(|list| list.split(',')).map(str::trim);
    let mut mirrored = String::new();
    for name in names.filter(|name| HeaderName::try_from(*name).is_ok()) {
        if mirrored.len() + name.len() + 2 > MAX_MIRRORED_BYTES {
            break;
        }
        if !mirrored.is_empty() {
            mirrored.push_str(", ");
        }
        mirrored.push_str(name);
    }
    if mirrored.is_empty() { None } else { HeaderValue::try_from(mirrored).ok() }
}

#[cfg(test)]
mod tests;

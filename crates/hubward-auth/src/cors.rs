//! Which web pages may use a hub from a browser: CORS for HTTP requests, and the `Origin` check of WebSocket
//! handshakes, to which CORS does not apply. A request without `Origin` does not come from a page and is
//! allowed.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::error::AuthConfigError;

mod origin;

use origin::Origin;

/// The methods of SignalR's transports: negotiate and sends, polls and streams, and the end of a poll.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");

/// Two hours: no browser caches the response to a preflight for longer.
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
    /// Allows only pages of the same host.
    pub fn none() -> Self {
        Self { origins: Arc::default(), with_credentials: true }
    }

    /// Allows pages of these origins, each `scheme://host` or `scheme://host:port`.
    ///
    /// # Errors
    /// Refuses a string that is not exactly an origin: one with a path (even `/`) or a wildcard, and `null`.
    pub fn origins(origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, AuthConfigError> {
        let origins = origins.into_iter().map(|origin| Origin::configured(origin.as_ref()));
        Ok(Self { origins: origins.collect::<Result<_, _>>()?, with_credentials: true })
    }

    /// Sets whether pages may read responses to requests that were sent with cookies. Default: true, because
    /// SignalR's browser client sends credentials unless it is configured not to.
    pub fn with_credentials(mut self, with_credentials: bool) -> Self {
        self.with_credentials = with_credentials;
        self
    }

    /// Returns the headers of the response to a preflight request, if this is one and comes from an allowed
    /// page.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<HeaderMap> {
        if method != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let origin = self.allowed(headers)?;
        let mut response = HeaderMap::with_capacity(6);
        self.allow(origin, &mut response);
        response.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        response.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(MAX_AGE.as_secs()));
        if let Some(names) = mirrored(headers) {
            response.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        Some(response)
    }

    /// Adds the headers to a response that let an allowed page read it. For any other page it adds nothing,
    /// and the browser keeps the response from the page.
    pub fn apply(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if let Some(origin) = self.allowed(request) {
            self.allow(origin, response);
        }
    }

    /// Returns whether a WebSocket handshake may go on: it is not from a browser, or from a page of the same
    /// host, or from an allowed page. Browsers let any page open a WebSocket to any host, with the user's
    /// cookies.
    ///
    /// The host is read from `Host`: HTTP/2 has it in `:authority`, from where it must be copied.
    pub fn allows_websocket(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::ORIGIN) || self.allowed(headers).is_some() {
            return true;
        }
        let origin = only(headers, &header::ORIGIN).and_then(string).and_then(Origin::parse);
        let host = only(headers, &header::HOST).and_then(string);
        matches!((origin, host), (Some(origin), Some(host)) if origin.is_of_host(host))
    }

    fn allowed<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = only(headers, &header::ORIGIN)?;
        let known = |allowed: &Origin| origin.as_bytes() == allowed.as_str().as_bytes();
        self.origins.iter().any(known).then_some(origin)
    }

    fn allow(&self, origin: &HeaderValue, response: &mut HeaderMap) {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.with_credentials {
            response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        // Without it a cache would give one page's response to another.
        response.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

/// Returns a header that occurs once. Of two with the same name, neither can be trusted.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn string(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// An allowed page may send any header: returns the requested names that are valid.
fn mirrored(headers: &HeaderMap) -> Option<HeaderValue> {
    let requested = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = requested.filter_map(string).flat_map(|list| list.split(',')).map(str::trim);
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

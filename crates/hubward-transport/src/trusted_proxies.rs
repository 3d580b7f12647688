//! Which proxies are believed when they say whom a request comes from. Anybody can send such a header.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{self, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks of the proxies in front of a node, and the header in which they name clients. The client is whom the last
/// proxy that is not one of these would be: the rightmost address that is not in the networks.
///
/// ```
/// use hubward_transport::{ForwardingHeader, TrustedProxies};
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8", "fd00::/8", "192.0.2.7"])?;
/// let proxies = proxies.header(ForwardingHeader::Forwarded);
/// # let _ = proxies; Ok::<(), hubward_transport::InvalidNetwork>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ForwardingHeader,
}

/// The header in which proxies name clients. Only one is read, the one that the proxies write: they pass on whatever a client
/// sends in the other one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ForwardingHeader {
    /// `X-Forwarded-For: 192.0.2.7, 10.0.0.1`, as nginx, HAProxy and cloud load balancers write it.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=192.0.2.7;proto=https, for="[2001:db8::1]:80"` (RFC 7239).
    Forwarded,
}

/// What is not a network.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{0}' is not a network; write one as 10.0.0.0/8, fd00::/8 or 192.0.2.7")]
pub struct InvalidNetwork(String);

impl TrustedProxies {
    /// Reads networks, such as `10.0.0.0/8`, and single addresses.
    ///
    /// # Errors
    /// [`InvalidNetwork`] for the first that is none.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidNetwork> {
        let parse = |text: &str| {
            let network = text.trim().parse::<IpNet>().ok();
            network
                .or_else(|| Some(IpNet::from(text.trim().parse::<IpAddr>().ok()?.to_canonical())))
                .ok_or_else(|| InvalidNetwork(text.to_owned()))
        };
        let networks = networks.into_iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { networks, header: ForwardingHeader::default() })
    }

    /// Sets the header in which the proxies name clients. Default: `X-Forwarded-For`.
    pub fn header(mut self, header: ForwardingHeader) -> Self {
        self.header = header;
        self
    }

    /// Returns whom a request comes from that this peer has sent. The port is 0 where no proxy says it. Where a proxy does not
    /// know, it is that proxy.
    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        let mut client = peer;
        if !self.trusts(client) {
            return client;
        }
        let name = match self.header {
            ForwardingHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardingHeader::Forwarded => header::FORWARDED,
        };
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
        for mut rest in values.into_iter().rev().map(Some) {
            while let Some(value) = rest {
                let (before, element) = match self.header {
                    ForwardingHeader::XForwardedFor => last_of(value),
                    ForwardingHeader::Forwarded => last_outside_quotes(value),
                };
                let element = std::str::from_utf8(element).ok();
                let named = element.and_then(|element| match self.header {
                    ForwardingHeader::XForwardedFor => address(element.trim()),
                    ForwardingHeader::Forwarded => forwarded_for(element),
                });
                let Some(named) = named else { return client };
                client = named;
                if !self.trusts(client) {
                    return client;
                }
                rest = before;
            }
        }
        client
    }

    fn trusts(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.networks.iter().any(|network| network.contains(&ip))
    }
}

/// Returns the address in the `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<SocketAddr> {
    let pairs = parameters(element).into_iter().filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let ((_, value), None) = (named.next()?, named.next()) else { return None };
    let value = value.trim();
    match value.strip_prefix('"') {
        Some(quoted) => address(&quoted.strip_suffix('"')?.replace('\\', "")),
        None => address(value),
    }
}

/// Returns the last element of a list, and what is before it.
fn last_of(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let comma = list.iter().rposition(|byte| *byte == b',');
    split_at_comma(list, comma)
}

/// The same where elements may have quotes. It is read from its end, as proxies append to whatever a client has sent: that
/// cannot open a quote into which what they say would fall.
fn last_outside_quotes(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut is_quoted = false;
    let comma = list.iter().enumerate().rposition(|(at, byte)| {
        match byte {
            b'"' if !(is_quoted && is_escaped(list, at)) => is_quoted = !is_quoted,
            byte => return *byte == b',' && !is_quoted,
        }
        false
    });
    split_at_comma(list, comma)
}

/// Whether there is an odd number of backslashes before a byte.
fn is_escaped(list: &[u8], at: usize) -> bool {
    let before = list.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn split_at_comma(list: &[u8], comma: Option<usize>) -> (Option<&[u8]>, &[u8]) {
    let split = comma.and_then(|at| Some((list.get(..at), list.get(at + 1..)?)));
    split.unwrap_or((None, list))
}

/// Splits an element at the semicolons that are not within quotes.
fn parameters(text: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_end = |letter: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match letter {
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            '"' if !was_escaped => is_quoted = !is_quoted,
            letter => return letter == ';' && !is_quoted,
        }
        false
    };
    text.split(is_end).collect()
}

/// Reads an address as proxies write it, with a port or without, an IPv6 address in brackets or not.
fn address(text: &str) -> Option<SocketAddr> {
    let without_port = |ip: IpAddr| SocketAddr::new(ip, 0);
    let bare = text.parse::<IpAddr>().ok().map(without_port);
    let in_brackets = || {
        let ip = text.strip_prefix('[')?.strip_suffix(']')?;
        ip.parse::<std::net::Ipv6Addr>().ok().map(|ip| without_port(ip.into()))
    };
    let address = bare.or_else(|| text.parse::<SocketAddr>().ok()).or_else(in_brackets)?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.1:5000";

    fn check(header: ForwardingHeader, peer: &str, values: &[&str], expected: &str) {
        let proxies = TrustedProxies::new(["10.0.0.0/8", "fd00::/8", " 192.0.2.7 "]).unwrap().header(header);
        let mut headers = HeaderMap::new();
        for value in values {
            for name in [header::FORWARDED, X_FORWARDED_FOR] {
                let is_read = (header == ForwardingHeader::Forwarded) == (name == header::FORWARDED);
                let value = if is_read { *value } else { "6.6.6.6" };
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
        }
        let client = proxies.client(peer.parse().unwrap(), &headers);
        assert_eq!(client.to_string(), expected, "{peer} {values:?}");
    }

    #[test]
    fn the_rightmost_address_that_is_not_a_proxys_is_the_clients() {
        let check = |peer, values: &[&str], expected| {
            check(ForwardingHeader::XForwardedFor, peer, values, expected);
        };
        check("203.0.113.1:80", &["1.2.3.4"], "203.0.113.1:80");
        check(PROXY, &[], PROXY);
        check(PROXY, &["1.2.3.4"], "1.2.3.4:0");
        check(PROXY, &["6.6.6.6, 1.2.3.4"], "1.2.3.4:0");
        check(PROXY, &["6.6.6.6, 1.2.3.4, 10.9.9.9,192.0.2.7"], "1.2.3.4:0");
        check(PROXY, &["6.6.6.6", "1.2.3.4:81 , 10.9.9.9", "fd00::1"], "1.2.3.4:81");
        check(PROXY, &["10.0.0.3, 10.0.0.2"], "10.0.0.3:0");
        check("[::ffff:10.0.0.1]:5000", &["2001:db8::1"], "[2001:db8::1]:0");
        check("[fd00::7]:5000", &["[2001:db8::1]:443"], "[2001:db8::1]:443");
        check(PROXY, &["[2001:db8::1]"], "[2001:db8::1]:0");
        check(PROXY, &["::ffff:1.2.3.4"], "1.2.3.4:0");
    }

    #[test]
    fn who_cannot_be_read_is_the_proxy_that_said_so() {
        let check = |values: &[&str], expected| {
            check(ForwardingHeader::XForwardedFor, PROXY, values, expected);
        };
        for garbage in
            ["", "unknown", "_hidden", "1.2.3", "[1.2.3.4]", "1.2.3.4:99999", "a, ,", "\u{e9}", "1.2.3.4;"]
        {
            check(&[garbage], PROXY);
            check(&["6.6.6.6", garbage], PROXY);
        }
        check(&["6.6.6.6, unknown, 10.0.0.9"], "10.0.0.9:0");
    }

    #[test]
    fn nothing_that_a_client_sends_hides_it_from_a_proxy_that_appends_to_it() {
        for sent in ["\"", "\\\"", "\"\\", ";\"", "for=\"", "for=6.6.6.6;by=\"", "\"\"\"", ",", "unknown"] {
            let appended = format!("{sent}, 1.2.3.4, 10.0.0.2");
            check(ForwardingHeader::XForwardedFor, PROXY, &[&appended], "1.2.3.4:0");
            for own in ["for=1.2.3.4", "for=\"1.2.3.4\";by=_a", "by=\"b,\\\",c\";for=1.2.3.4"] {
                let appended = format!("{sent}, {own}, for=\"10.0.0.2:80\"");
                check(ForwardingHeader::Forwarded, PROXY, &[&appended], "1.2.3.4:0");
            }
        }
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let value = HeaderValue::from_bytes(b"\xff, 1.2.3.4").unwrap();
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, value)]);
        assert_eq!(proxies.client(PROXY.parse().unwrap(), &headers), "1.2.3.4:0".parse().unwrap());
    }

    #[test]
    fn forwarded_is_read_with_its_quotes_and_parameters() {
        let check = |values: &[&str], expected| {
            check(ForwardingHeader::Forwarded, PROXY, values, expected);
        };
        check(&["for=1.2.3.4"], "1.2.3.4:0");
        check(&["proto=https; For = \"1.2.3.4:81\" ;by=10.0.0.1"], "1.2.3.4:81");
        check(&["for=6.6.6.6, for=\"[2001:db8::1]:443\";proto=http, for=10.0.0.2"], "[2001:db8::1]:443");
        check(&["for=6.6.6.6;by=\"a,for=7.7.7.7;b\\\",x\", for=10.0.0.2"], "6.6.6.6:0");
        for garbage in [
            "for=unknown",
            "for=_x",
            "by=1.2.3.4",
            "for=\"1.2.3.4",
            "for=1.2.3.4;for=6.6.6.6",
            "1.2.3.4",
            "for=2001:db8::1]",
            "\"",
        ] {
            check(&[garbage], PROXY);
        }
    }

    #[test]
    fn what_is_no_network_is_refused_and_no_network_trusts_nobody() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "proxy.example", "*"] {
            assert_eq!(TrustedProxies::new([text]).unwrap_err(), InvalidNetwork(text.into()));
        }
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, HeaderValue::from_static("1.2.3.4"))]);
        let peer = PROXY.parse().unwrap();
        assert_eq!(TrustedProxies::default().client(peer, &headers), peer);
    }
}

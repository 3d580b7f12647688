//! Which headers pages of allowed, other and absent origins get.

use super::*;

const APP: &str = "https://app.example";

fn request(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    map
}

fn flat(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut flat: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    flat.sort_unstable();
    flat
}

fn cors() -> Cors {
    Cors::origins([APP, "http://localhost:5173"]).unwrap()
}

#[test]
fn an_allowed_page_may_read_the_response() {
    let mut response = request(&[("vary", "Accept")]);
    cors().apply(&request(&[("origin", APP)]), &mut response);
    let expected = [
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-origin", APP),
        ("vary", "Accept"),
        ("vary", "Origin"),
    ];
    assert_eq!(flat(&response), expected);

    let mut response = HeaderMap::new();
    cors().with_credentials(false).apply(&request(&[("origin", "http://localhost:5173")]), &mut response);
    assert_eq!(
        flat(&response),
        [("access-control-allow-origin", "http://localhost:5173"), ("vary", "Origin")]
    );
}

#[test]
fn any_other_page_gets_no_headers() {
    let others: &[&[(&str, &str)]] = &[
        &[],
        &[("origin", "null")],
        &[("origin", "*")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://app.example")],
        &[("origin", "https://app.example:444")],
        &[("origin", "https://app.example.evil.example")],
        &[("origin", "https://sub.app.example")],
        &[("origin", "https://app.example/")],
        &[("origin", APP), ("origin", "https://evil.example")],
        &[("origin", APP), ("origin", APP)],
    ];
    for headers in others {
        let mut requested = request(headers);
        let mut response = HeaderMap::new();
        cors().apply(&requested, &mut response);
        assert_eq!(flat(&response), [], "{headers:?}");
        requested.insert("access-control-request-method", HeaderValue::from_static("POST"));
        assert_eq!(cors().preflight(&Method::OPTIONS, &requested), None, "{headers:?}");
    }
    assert_eq!(Cors::none().preflight(&Method::OPTIONS, &request(&[("origin", APP)])), None);
}

#[test]
fn a_preflight_of_an_allowed_page_gets_all_headers() {
    let preflight = request(&[
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-requested-with,X-SignalR-User-Agent"),
        ("access-control-request-headers", "authorization, b a d, , x\"y"),
        ("access-control-request-headers", "a-line-that-is-not-ascii, ü"),
    ]);
    let response = cors().preflight(&Method::OPTIONS, &preflight).unwrap();
    let expected = [
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-headers", "x-requested-with, X-SignalR-User-Agent, authorization"),
        ("access-control-allow-methods", "GET, POST, DELETE"),
        ("access-control-allow-origin", APP),
        ("access-control-max-age", "7200"),
        ("vary", "Origin"),
    ];
    assert_eq!(flat(&response), expected);

    let plain = request(&[("origin", APP), ("access-control-request-method", "POST")]);
    let response = cors().preflight(&Method::OPTIONS, &plain).unwrap();
    assert!(!response.contains_key("access-control-allow-headers"));
}

#[test]
fn what_is_not_a_preflight_gets_no_response_to_one() {
    let preflight = request(&[("origin", APP), ("access-control-request-method", "POST")]);
    assert!(cors().preflight(&Method::OPTIONS, &preflight).is_some());
    assert_eq!(cors().preflight(&Method::POST, &preflight), None);
    assert_eq!(cors().preflight(&Method::OPTIONS, &request(&[("origin", APP)])), None);
}

#[test]
fn mirrored_headers_are_bounded() {
    let names: Vec<_> = (0..2000).map(|i| format!("x-{i}")).collect();
    let preflight = request(&[
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", &names.join(",")),
    ]);
    let response = cors().preflight(&Method::OPTIONS, &preflight).unwrap();
    let mirrored = response["access-control-allow-headers"].to_str().unwrap();
    assert!(mirrored.len() <= MAX_MIRRORED_BYTES && mirrored.starts_with("x-0, x-1, "), "{}", mirrored.len());
}

#[test]
fn a_websocket_is_for_allowed_pages_pages_of_the_same_host_and_programs() {
    // Headers, and whether they are allowed where one origin is configured and where none is.
    type Row<'a> = (&'a [(&'a str, &'a str)], bool, bool);
    let table: &[Row<'_>] = &[
        (&[], true, true),
        (&[("host", "hub.example")], true, true),
        (&[("origin", APP), ("host", "hub.example")], true, false),
        (&[("origin", "https://hub.example"), ("host", "hub.example")], true, true),
        (&[("origin", "https://hub.example"), ("host", "hub.example:443")], true, true),
        (&[("origin", "http://hub.example:5000"), ("host", "hub.example:5000")], true, true),
        (&[("origin", "http://hub.example:5000"), ("host", "hub.example")], false, false),
        (&[("origin", "https://evil.example"), ("host", "hub.example")], false, false),
        (&[("origin", "null"), ("host", "null")], false, false),
        (&[("origin", "https://hub.example")], false, false),
        (&[("origin", APP), ("origin", APP)], false, false),
        (
            &[("origin", "https://hub.example"), ("host", "hub.example"), ("host", "hub.example")],
            false,
            false,
        ),
        (&[("origin", ""), ("host", "")], false, false),
    ];
    for (headers, with, without) in table {
        assert_eq!(cors().allows_websocket(&request(headers)), *with, "{headers:?}");
        assert_eq!(Cors::none().allows_websocket(&request(headers)), *without, "{headers:?}");
    }
}

#[test]
fn only_exact_origins_can_be_allowed() {
    for origin in ["*", "null", "https://*.app.example", "https://app.example/", "app.example", ""] {
        assert_eq!(
            Cors::origins([origin]).unwrap_err(),
            AuthConfigError::InvalidOrigin { origin: origin.into() }
        );
    }
}

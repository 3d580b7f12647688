//! What pages of allowed, other and no origins are told.

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
fn an_allowed_page_may_read_the_answer() {
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
fn any_other_page_is_told_nothing() {
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
        let mut asked = request(headers);
        let mut response = HeaderMap::new();
        cors().apply(&asked, &mut response);
        assert_eq!(flat(&response), [], "{headers:?}");
        asked.insert("access-control-request-method", HeaderValue::from_static("POST"));
        assert_eq!(cors().preflight(&Method::OPTIONS, &asked), None, "{headers:?}");
    }
    assert_eq!(Cors::none().preflight(&Method::OPTIONS, &request(&[("origin", APP)])), None);
}

#[test]
fn a_preflight_of_an_allowed_page_is_answered_in_full() {
    let asked = request(&[
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-requested-with,X-SignalR-User-Agent"),
        ("access-control-request-headers", "authorization, b a d, , x\"y"),
        ("access-control-request-headers", "a-line-that-is-not-ascii, ü"),
    ]);
    let answer = cors().preflight(&Method::OPTIONS, &asked).unwrap();
    let expected = [
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-headers", "x-requested-with, X-SignalR-User-Agent, authorization"),
        ("access-control-allow-methods", "GET, POST, DELETE"),
        ("access-control-allow-origin", APP),
        ("access-control-max-age", "7200"),
        ("vary", "Origin"),
    ];
    assert_eq!(flat(&answer), expected);

    let plain = request(&[("origin", APP), ("access-control-request-method", "POST")]);
    let answer = cors().preflight(&Method::OPTIONS, &plain).unwrap();
    assert!(!answer.contains_key("access-control-allow-headers"));
}

#[test]
fn what_is_no_preflight_is_not_answered_as_one() {
    let question = request(&[("origin", APP), ("access-control-request-method", "POST")]);
    assert!(cors().preflight(&Method::OPTIONS, &question).is_some());
    assert_eq!(cors().preflight(&Method::POST, &question), None);
    assert_eq!(cors().preflight(&Method::OPTIONS, &request(&[("origin", APP)])), None);
}

#[test]
fn mirrored_headers_are_bounded() {
    let names: Vec<_> = (0..2000).map(|i| format!("x-{i}")).collect();
    let asked = request(&[
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", &names.join(",")),
    ]);
    let answer = cors().preflight(&Method::OPTIONS, &asked).unwrap();
    let mirrored = answer["access-control-allow-headers"].to_str().unwrap();
    assert!(mirrored.len() <= MAX_MIRRORED_BYTES && mirrored.starts_with("x-0, x-1, "), "{}", mirrored.len());
}

#[test]
fn a_websocket_is_for_allowed_pages_pages_of_the_same_host_and_programs() {
    // Headers, and whether they will do with an allowed origin and without any.
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
    for text in ["*", "null", "https://*.app.example", "https://app.example/", "app.example", ""] {
        assert_eq!(Cors::origins([text]).unwrap_err(), AuthConfigError::Origin { origin: text.into() });
    }
}

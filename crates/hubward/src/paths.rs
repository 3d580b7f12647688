//! The paths of hubs, which are compared without regard to case, as ASP.NET Core compares them. axum's router does not,
//! so that a request's path gets the letters of the path that it means before it is routed.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use axum::middleware::map_request_with_state;

/// A path that a hub or a raw handler is mounted at, such as `/hubs/chat`.
pub type HubPath = String;

/// What may come after a hub's path.
const SUFFIXES: [&str; 4] = ["", "/", "/negotiate", "/negotiate/"];

/// Makes a router of another, in which these paths are found whatever the case of their letters.
pub(crate) fn ignoring_case(app: Router, paths: Arc<[String]>) -> Router {
    Router::new().fallback_service(app).layer(map_request_with_state(paths, with_known_letters))
}

/// Whether axum can route a path: it begins with a slash and does not end with one, and no part of it has the signs of a
/// pattern, but for a whole part such as `{ward}`, which stands for any one.
pub(crate) fn is_usable(path: &str) -> bool {
    let Some(parts) = path.strip_prefix('/') else { return false };
    !path.ends_with('/') && parts.split('/').all(is_usable_part)
}

fn is_usable_part(part: &str) -> bool {
    if let Some(name) = wildcard(part) {
        return !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    }
    // What follows a question mark or number sign is no part of a request's path, and a space ends it.
    let never_requested = |letter: char| letter.is_whitespace() || letter.is_control();
    !part.starts_with([':', '*']) && !part.contains(['{', '}', '?', '#']) && !part.contains(never_requested)
}

/// Returns the routes that no other path may have, spelled so that those that are the same to the router are equal.
pub(crate) fn routed(path: &str) -> [String; 2] {
    let path = path.to_ascii_lowercase();
    let parts: Vec<_> = path.split('/').map(|part| wildcard(part).map_or(part, |_| "{}")).collect();
    let path = parts.join("/");
    [format!("{path}/negotiate"), path]
}

fn wildcard(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

async fn with_known_letters(State(paths): State<Arc<[String]>>, mut request: Request) -> Request {
    if let Some(path) = known(&paths, request.uri().path())
        && let Some(uri) = with_path(request.uri(), &path)
    {
        *request.uri_mut() = uri;
    }
    request
}

/// Returns the path that is meant, where it is written otherwise.
fn known(paths: &[String], given: &str) -> Option<String> {
    for path in paths {
        let Some((head, suffix)) = given.split_at_checked(path.len()) else { continue };
        if !head.eq_ignore_ascii_case(path) {
            continue;
        }
        if let Some(suffix_meant) = SUFFIXES.iter().find(|known| known.eq_ignore_ascii_case(suffix)) {
            return (head != path || suffix != *suffix_meant).then(|| format!("{path}{suffix_meant}"));
        }
    }
    None
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let path_and_query = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_other_letters_is_the_known_one() {
        let paths = ["/Hubs/Chat".to_owned(), "/hubs/chat2".to_owned()];
        for (given, meant) in [
            ("/hubs/chat", Some("/Hubs/Chat")),
            ("/HUBS/CHAT/Negotiate", Some("/Hubs/Chat/negotiate")),
            ("/hubs/CHAT2/", Some("/hubs/chat2/")),
            ("/Hubs/Chat/negotiate", None),
            ("/hubs/chat/other", None),
            ("/hub", None),
        ] {
            assert_eq!(known(&paths, given).as_deref(), meant, "{given}");
        }
    }

    #[test]
    fn the_query_stays() {
        let uri = Uri::from_static("/A?id=Xy");
        assert_eq!(with_path(&uri, "/a"), Some(Uri::from_static("/a?id=Xy")));
    }
}

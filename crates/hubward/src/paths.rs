//! The paths of hubs, which are compared without regard to case, as ASP.NET Core compares them. axum's router does not,
//! so that a request's path gets the letters of the path that it means before it is routed.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use axum::middleware::map_request_with_state;

/// What may come after a hub's path.
const SUFFIXES: [&str; 4] = ["", "/", "/negotiate", "/negotiate/"];

/// Makes a router of another, in which these paths are found whatever the case of their letters.
pub(crate) fn ignoring_case(app: Router, paths: Arc<[String]>) -> Router {
    Router::new().fallback_service(app).layer(map_request_with_state(paths, with_known_letters))
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

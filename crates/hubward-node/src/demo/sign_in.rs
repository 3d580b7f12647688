//! Signing in: mints a development token for any user. There is no password, by design.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::demo_node::DemoNode;

/// How long a token is valid: long enough to try the demo.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The roles that the demo's policies name.
const ROLES: [&str; 3] = ["nurse", "doctor", "admin"];

/// The longest name of a user or department, in characters: more than a real name needs.
const MAX_NAME_CHARS: usize = 64;

#[derive(Deserialize)]
pub(super) struct SignIn {
    user: String,
    role: String,
    department: String,
}

pub(super) async fn sign_in(
    State(node): State<Arc<DemoNode>>,
    body: Result<Json<SignIn>, JsonRejection>,
) -> Response {
    let Ok(Json(SignIn { user, role, department })) = body else {
        return refused("Send user, role and department as JSON.");
    };
    let is_name = |name: &str| !name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS;
    if !is_name(&user) || !is_name(&department) {
        return refused("A user and a department have 1 to 64 characters.");
    }
    if !ROLES.contains(&role.as_str()) {
        return refused("The role must be nurse, doctor or admin.");
    }
    let claims = [("department".to_owned(), department.trim().to_owned())];
    match node.issuer.mint(user.trim(), &[role], &claims, LIFETIME, SystemTime::now()) {
        Ok(token) => {
            Json(json!({ "token": token.expose(), "expiresInSeconds": LIFETIME.as_secs() })).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "A development token could not be minted.");
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": "The token could not be minted." })))
                .into_response()
        }
    }
}

fn refused(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
}

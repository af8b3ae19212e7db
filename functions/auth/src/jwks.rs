use axum::extract::State;
use axum::response::IntoResponse;
use http::header;
use shared::http::{Json, Result};

use crate::Auth;

/// Public keys
///
/// The keys that access tokens are signed with, as a JSON Web Key Set (RFC 7517). A key is here before it
/// signs, and until the last token that it signed has expired.
#[utoipa::path(get, path = "/api/auth/jwks.json", operation_id = "public_keys", tag = "auth", responses(
    (status = 200, description = "The keys", body = serde_json::Value),
))]
pub(crate) async fn jwks(State(auth): State<Auth>) -> Result<impl IntoResponse> {
    let keys = auth.keys.current().await?;
    Ok(([(header::CACHE_CONTROL, "public, max-age=300")], Json(keys.to_public_jwks())))
}

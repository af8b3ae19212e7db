use axum::extract::State;
use axum::response::IntoResponse;
use http::header;
use serde::Serialize;
use shared::http::Json;
use shared::password::{MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH};
use utoipa::ToSchema;

use crate::Api;

/// What the pages need to know of the app.
#[derive(Serialize, ToSchema)]
pub(crate) struct SiteConfig {
    /// The app's name.
    #[schema(example = "Billion")]
    name: &'static str,
    /// The origin that links in mails lead to.
    #[schema(example = "https://example.com")]
    origin: String,
    password: PasswordRules,
}

/// What a password must be.
#[derive(Serialize, ToSchema)]
struct PasswordRules {
    /// Fewest characters.
    #[schema(example = 15)]
    min_length: usize,
    /// Most characters.
    #[schema(example = 256)]
    max_length: usize,
}

/// Configuration
///
/// What the pages need to know of the app; the same for all.
#[utoipa::path(get, path = "/api/config", tag = "api", responses(
    (status = 200, description = "The configuration", body = SiteConfig),
))]
pub(crate) async fn config(State(api): State<Api>) -> impl IntoResponse {
    let config = SiteConfig {
        name: "Billion",
        origin: api.origin.as_str().to_owned(),
        password: PasswordRules { min_length: MIN_PASSWORD_LENGTH, max_length: MAX_PASSWORD_LENGTH },
    };
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(config))
}

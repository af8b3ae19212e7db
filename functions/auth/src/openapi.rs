use shared::http::Common;
use utoipa::OpenApi;

use crate::{deletion, email_change, jwks, password, sessions, sign_in, sign_up, verification};

#[derive(OpenApi)]
#[openapi(
    paths(
        sign_up::sign_up,
        verification::ask,
        verification::confirm,
        sign_in::sign_in,
        sessions::refresh,
        sessions::sign_out,
        password::forgot,
        password::reset,
        password::change,
        email_change::ask,
        email_change::confirm,
        deletion::delete,
        sessions::list,
        sessions::revoke,
        jwks::jwks,
    ),
    tags((name = "auth", description = "Who you are: sign-up, verification, sign-in, sessions, passwords")),
    modifiers(&Common),
)]
struct Document;

/// The routes of this function, as an OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

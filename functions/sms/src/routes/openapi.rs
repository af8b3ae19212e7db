use shared::http::Common;
use utoipa::OpenApi;

use super::phone;

#[derive(OpenApi)]
#[openapi(
    paths(phone::show, phone::ask, phone::remove, phone::confirm),
    tags((name = "sms", description = "The user’s phone, for codes and warnings by text")),
    modifiers(&Common),
)]
struct Document;

/// The routes of this function, as an OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

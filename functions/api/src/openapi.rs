use axum::response::IntoResponse;
use http::header;
use shared::http::Common;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::{activity, health, me, preferences, site, unsubscribe};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Billion",
        description = "The API of the app. Every error is a problem document (RFC 9457). Unknown fields are refused.",
        license(name = "MIT OR Apache-2.0"),
    ),
    paths(
        health::health,
        site::config,
        me::me,
        me::rename,
        preferences::show,
        preferences::choose,
        activity::activity,
        unsubscribe::page,
        unsubscribe::unsubscribe,
        serve,
    ),
    tags((name = "api", description = "The app, and the signed-in user")),
    modifiers(&Common),
)]
struct Routes;

/// The routes of this function, as an OpenAPI document.
#[must_use]
pub fn openapi() -> Document {
    Routes::openapi()
}

/// The documents of several functions in one, as pretty JSON: what `openapi.json` in this crate must hold.
///
/// # Panics
///
/// Never: a document is plain data.
#[must_use]
pub fn merged_openapi(documents: impl IntoIterator<Item = Document>) -> String {
    let merged = documents.into_iter().reduce(Document::merge_from).unwrap_or_default();
    let mut json = merged.to_pretty_json().expect("a document is plain data");
    json.push('\n');
    json
}

/// This document
///
/// Every function's routes.
#[utoipa::path(get, path = "/api/openapi.json", operation_id = "openapi", tag = "api", responses(
    (status = 200, description = "The document", body = serde_json::Value),
))]
pub(crate) async fn serve() -> impl IntoResponse {
    // A function imports no other function: the tests keep this file as their code says.
    let document = include_str!("../openapi.json");
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")], document)
}

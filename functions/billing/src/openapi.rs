use shared::http::Common;
use utoipa::OpenApi;

use crate::{checkout, invoices, plans, portal, subscription, webhook};

#[derive(OpenApi)]
#[openapi(
    paths(
        plans::plans,
        subscription::subscription,
        checkout::checkout,
        portal::portal,
        invoices::invoices,
        webhook::receive,
    ),
    tags((name = "billing", description = "What you pay: plans, checkout, portal, invoices")),
    modifiers(&Common),
)]
struct Document;

/// The routes of these functions, as an OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

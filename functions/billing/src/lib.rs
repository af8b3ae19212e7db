//! What you pay: plans, checkout, portal, invoices. Everything below `/api/billing`.
//!
//! The payment provider's ledger is the truth, and the table keeps what it said when it was last read. Four functions:
//!
//! - [`router`]: the routes, which never decide what was paid;
//! - [`webhook_router`]: hears the provider, and knows nothing of it but its signature;
//! - [`Sync::handle`]: reads the ledger afresh when the provider has told of something;
//! - [`run_reconcile`]: walks through all of the ledger, for what was never told.

mod change;
mod checkout;
mod config;
mod document;
mod invoices;
mod openapi;
mod parts;
mod plans;
mod portal;
mod reconcile;
mod signature;
mod stripe;
mod subscription;
mod sync;
mod webhook;

use axum::Router;
use axum::routing::{get, post};

pub use config::{Config, LedgerConfig, WebhookConfig};
pub use openapi::openapi;
pub use parts::Billing;
pub use reconcile::{Walk, run_reconcile};
pub use signature::{InvalidSecrets, WebhookSecrets};
pub use stripe::Stripe;
pub use sync::Sync;
pub use webhook::{Webhooks, webhook_router};

#[cfg(test)]
mod tests;

/// The routes.
pub fn router(billing: Billing) -> Router {
    let routes = Router::new()
        .route("/plans", get(plans::plans))
        .route("/subscription", get(subscription::subscription))
        .route("/checkout", post(checkout::checkout))
        .route("/portal", post(portal::portal))
        .route("/invoices", get(invoices::invoices))
        .with_state(billing);
    Router::new().nest("/api/billing", routes)
}

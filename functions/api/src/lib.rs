//! API routing: health, configuration, the signed-in user, and every route that no other function has.
//!
//! What matches nothing is told so here: 404, or 405 with what would be allowed.

mod activity;
mod config;
mod health;
mod me;
mod openapi;
mod parts;
mod preferences;
mod site;
mod unsubscribe;

use axum::Router;
use axum::routing::get;

pub use config::Config;
pub use openapi::{merged_openapi, openapi};
pub use parts::Api;

/// The routes.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/api/health", get(health::health))
        .route("/api/config", get(site::config))
        .route("/api/me", get(me::me).patch(me::rename))
        .route("/api/me/preferences", get(preferences::show).put(preferences::choose))
        .route("/api/unsubscribe", get(unsubscribe::page).post(unsubscribe::unsubscribe))
        .route("/api/me/activity", get(activity::activity))
        .route("/api/openapi.json", get(openapi::serve))
        .with_state(api)
}

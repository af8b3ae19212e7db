//! The developer's console under `/_local`: its JSON, its live feed and its pages.
//!
//! It tells everything and can change much, so it answers only to the names of this machine (a
//! stranger's page cannot reach it by a name of its own), and takes writes only from its own
//! pages or from programs.

mod api;
mod live;
mod pages;
mod payments;
pub(crate) mod problem;
mod schedules;
mod texts;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};
use axum::{Router, middleware};
use infra_model::App;

use crate::events::Events;
use crate::faults::Faults;
use crate::flows::Flows;
use crate::gateway::Pages;
use crate::guard::only_from_here;
use crate::mail::Inbox;
use crate::payments::Payments;
use crate::queue::Queues;
use crate::runtime::Runtime;
use crate::schedule::Schedules;
use crate::table::Table;
use crate::texts::{Inbox as Texts, Phones};

/// What the console shows.
#[derive(Clone)]
pub struct Parts {
    /// The app.
    pub app: &'static App,
    /// Its flows.
    pub flows: Flows,
    /// The live feed.
    pub events: Events,
    /// Its functions.
    pub runtime: Runtime,
    /// Its queues and dead letters.
    pub queues: Queues,
    /// Its mail.
    pub inbox: Inbox,
    /// Its texts.
    pub texts: Texts,
    /// The phones that they go to.
    pub phones: Phones,
    /// Its schedules.
    pub schedules: Schedules,
    /// The simulated payment provider; none if the real one is used.
    pub payments: Option<Payments>,
    /// Its table.
    pub table: Table,
    /// The settings that can be changed.
    pub faults: Faults,
    /// The site, whose shells the console's pages use.
    pub pages: Pages,
}

/// Everything under `/_local`.
pub fn router(parts: Parts) -> Router {
    let payload_bytes = parts.app.limits.payload_bytes;
    let console = Router::new()
        .route("/_local", get(pages::flows))
        .route("/_local/", get(pages::flows))
        .route("/_local/ui/{page}", get(pages::page))
        .route("/_local/assets/{*path}", get(pages::asset))
        .route("/_local/events", get(live::events))
        .route("/_local/summary", get(api::summary))
        .route("/_local/flows", get(api::flows))
        .route("/_local/flows/{trace}", get(api::flow))
        .route("/_local/emails", get(api::emails))
        .route("/_local/emails/{id}", get(api::email))
        .route("/_local/emails/{id}/html", get(pages::email_html))
        .route("/_local/texts", get(texts::list))
        .route("/_local/texts/{id}", get(texts::one))
        .route("/_local/texts/{id}/reply", post(texts::reply))
        .route("/_local/texts/{id}/receipt", post(texts::receipt))
        .route("/_local/schedules", get(schedules::list))
        .route("/_local/schedules/{function}/run", post(schedules::run))
        .route("/_local/payments", get(payments::report))
        .route("/_local/payments/clock", post(payments::clock))
        .route("/_local/payments/switches", put(payments::switches))
        .route("/_local/payments/webhooks/{event}/resend", post(payments::resend))
        .route("/_local/payments/invoices/{invoice}/refund", post(payments::refund))
        .route("/_local/payments/customers/{customer}/portal", post(payments::portal))
        .route("/_local/functions", get(api::functions))
        .route("/_local/functions/{name}/logs", get(api::logs))
        .route("/_local/functions/{name}/invoke", post(api::invoke))
        .route("/_local/queues", get(api::queues))
        .route("/_local/dead-letters", get(api::dead_letters))
        .route("/_local/dead-letters/{id}", delete(api::discard))
        .route("/_local/dead-letters/{id}/redrive", post(api::redrive))
        .route("/_local/table", get(api::table))
        .route("/_local/settings", get(api::settings).put(api::change_settings))
        .route("/_local/{*rest}", get(pages::not_found))
        .method_not_allowed_fallback(problem::method_not_allowed);
    console
        .layer(middleware::from_fn(only_from_here))
        .layer(DefaultBodyLimit::max(payload_bytes))
        .with_state(Arc::new(parts))
}

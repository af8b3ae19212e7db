//! A user's phone: given, shown to be theirs, taken away. Everything below `/api/sms`.
//!
//! Codes cost money, and some numbers pay whoever they belong to for each text. So every code is counted against the
//! client, the user, the number, its country and all together; and where accounts ask for one number of a range after the
//! other, codes stop (`shared/src/store/breaker.rs`). What users with a number are texted about goes on meanwhile.

mod config;
mod number;
mod openapi;
mod parts;
mod phone;

use axum::Router;
use axum::routing::{get, post};

pub use config::Config;
pub use number::{Countries, InvalidCountries};
pub use openapi::openapi;
pub use parts::Sms;

/// The routes.
pub fn router(sms: Sms) -> Router {
    let routes = Router::new()
        .route("/phone", get(phone::show).put(phone::ask).delete(phone::remove))
        .route("/phone/confirm", post(phone::confirm))
        .with_state(sms);
    Router::new().nest("/api/sms", routes)
}

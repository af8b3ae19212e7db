//! Who you are: sign-up, verification, sign-in, sessions, passwords, and the end of it. Everything below `/api/auth`.
//!
//! To a stranger every address looks alike: known, unknown or unverified, the answer is the same,
//! costs one password hash where there is a password, and one write. What is different
//! is told by mail, to whoever reads the mail of that address.

mod config;
mod deletion;
mod email_change;
mod jwks;
mod openapi;
mod parts;
mod password;
mod sessions;
mod sign_in;
mod sign_up;
mod verification;

use axum::Router;
use axum::routing::{delete, get, post, put};

pub use config::Config;
pub use openapi::openapi;
pub use parts::Auth;

#[cfg(test)]
mod tests;

/// The routes.
pub fn router(auth: Auth) -> Router {
    let routes = Router::new()
        .route("/sign-up", post(sign_up::sign_up))
        .route("/verification", post(verification::ask))
        .route("/verification/confirm", post(verification::confirm))
        .route("/sign-in", post(sign_in::sign_in))
        .route("/refresh", post(sessions::refresh))
        .route("/sign-out", post(sessions::sign_out))
        .route("/password/forgot", post(password::forgot))
        .route("/password/reset", post(password::reset))
        .route("/password", put(password::change))
        .route("/email", put(email_change::ask))
        .route("/email/confirm", post(email_change::confirm))
        .route("/account/delete", post(deletion::delete))
        .route("/sessions", get(sessions::list))
        .route("/sessions/{id}", delete(sessions::revoke))
        .route("/jwks.json", get(jwks::jwks))
        .with_state(auth);
    Router::new().nest("/api/auth", routes)
}

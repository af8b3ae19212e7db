//! The HTTP edge: what every function with routes does alike.
//!
//! A function's router has handlers that return [`Result`]; [`edge`] makes of it what is served, and [`run`] serves it.

mod caller;
mod client;
mod cookies;
mod edge;
mod fields;
mod idempotency;
mod json;
mod lambda;
mod openapi;
mod problem;
mod same_origin;
mod time;
mod user;
mod viewer;

pub use caller::{Authentication, Caller};
pub use client::Client;
pub use cookies::Cookie;
pub use edge::edge;
pub use fields::Fields;
pub use idempotency::{IdempotencyKey, Once};
pub use json::Json;
pub use lambda::run;
pub use openapi::Common;
pub use problem::{InvalidField, Problem, ProblemDocument, Result};
pub use same_origin::{Origin, SameOrigin};
pub use time::Time;
pub use user::UserDocument;

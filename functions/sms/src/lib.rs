//! Texts. Three functions, each with one trigger and no more rights than that takes:
//!
//! - `sms` answers requests: a user gives a number, and shows by a code that it is theirs ([`routes`]).
//! - `sms-notifier` sends: codes, and what a user asked to be texted about ([`notifier`]).
//! - `sms-inbound` hears: STOP, START and HELP, and what carriers say of texts ([`inbound`]).

pub mod inbound;
pub mod notifier;
pub mod routes;
mod texter;

pub use routes::openapi;
pub use texter::Texter;

#[cfg(test)]
mod tests;

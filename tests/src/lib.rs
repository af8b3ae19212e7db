//! What the tests have in hand: the platform as a person and as a browser meet it.
//!
//! Nothing here is a mock. A [`Platform`] is the real `infra-local` program in a data directory of its
//! own; it runs the functions' real binaries. A helper that does not get what it waits for panics and
//! says what it got; the platform's log follows.

pub mod browser;
pub mod client;
pub mod console;
pub mod cookies;
pub mod inbox;
pub mod person;
pub mod platform;
pub mod port;
pub mod wait;

pub use client::{Client, Response};
pub use person::Person;
pub use platform::Platform;
pub use wait::until;

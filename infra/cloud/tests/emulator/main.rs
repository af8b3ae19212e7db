//! The very template, deployed by `cargo cloud` and the stock CDK CLI to an emulator of AWS, with the very binaries.
//!
//! `infra/cloud/test` installs what this needs and runs it. What the emulator does not do is asserted on the template.

mod chain;
mod clock;
mod cloud;
mod emulator;
mod grants;
mod missing;
mod person;
mod texts;
mod web;

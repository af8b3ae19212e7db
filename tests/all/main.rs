//! The tests through the front door: one file an area, one binary, since it links once.
//!
//! A test that shows a promise bears its id. Each starts a platform of its own, so that none depends
//! on another.

mod abuse;
mod accounts;
mod api;
mod aws;
mod billing;
mod browser;
mod browser_billing;
mod browser_races;
mod browser_texts;
mod console;
mod deletion;
mod events;
mod faults;
mod forge;
mod ledger;
mod mail;
mod openapi;
mod privacy;
mod runtime;
mod site;
mod structure;
mod texts;
mod tokens;

//! The tests through the front door: one file an area, one binary, since it links once.
//!
//! A test that shows a promise bears its id. Each starts a platform of its own, so that none depends
//! on another.


mod accounts;

mod aws;


mod forge;
mod ledger;




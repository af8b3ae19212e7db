//! The one table: where state and events are kept, together.
//!
//! | what | `pk` | `sk` |
//! |---|---|---|
//! | user | `USER#<usr>` | `USER` |
//! | membership | `USER#<usr>` | `USER#WORKSPACE#<wsp>` |
//! | session | `USER#<usr>` | `SESSION#<ses>` |
//! | one-time link | `USER#<usr>` | `LINK#<purpose>` |
//! | event: outbox and history at once | `USER#<usr>` | `EVENT#<evt>` |
//! | address that an event is about | `USER#<usr>` | `ADDRESS#<evt>` |
//! | account of an address | `EMAIL#<key>` | `EMAIL` |
//! | workspace | `WORKSPACE#<wsp>` | `WORKSPACE` |
//! | a consumer's claim on an event | `EVENT#<evt>` | `CONSUMER#<name>` |
//! | counter of a limit | `LIMIT#<name>#<hashed key>#<window>` | `LIMIT` |
//!
//! A change and its event are one transaction. Nothing is read by scanning or through an index.

mod claims;
mod events;
mod keys;
mod limits;
mod links;
mod sessions;
mod table;
mod users;

pub use claims::Claim;
pub use events::Activity;
pub use table::Store;
pub use users::SignUp;

#[cfg(test)]
mod tests;

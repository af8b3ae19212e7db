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
//! | preferences | `USER#<usr>` | `PREFERENCES` |
//! | phone | `USER#<usr>` | `PHONE` |
//! | phone that waits for its code | `USER#<usr>` | `PHONE_CODE` |
//! | answer to a request with an idempotency key | `USER#<usr>` | `IDEMPOTENCY#<operation>#<key>` |
//! | account of an address | `EMAIL#<key>` | `EMAIL` |
//! | user of a number | `PHONE#<number>` | `PHONE` |
//! | whether a number answered STOP | `PHONE#<number>` | `OPT_OUT` |
//! | text that was sent | `TEXT#<message>` | `TEXT` |
//! | breaker of codes to phones: of all, of a range | `BREAKER#sms` | `BREAKER`, `BREAKER#<hashed range>` |
//! | last digits asked for in a range, and the hashed users who did | `BREAKER#sms` | `RANGE#<hashed range>#<window>` |
//! | ranges that tripped it | `BREAKER#sms` | `RANGES#<window>` |
//! | workspace | `WORKSPACE#<wsp>` | `WORKSPACE` |
//! | customer that a workspace is | `WORKSPACE#<wsp>` | `CUSTOMER` |
//! | subscription, as the ledger said | `WORKSPACE#<wsp>` | `SUBSCRIPTION` |
//! | checkout that was begun | `WORKSPACE#<wsp>` | `CHECKOUT` |
//! | how far an invoice has come | `WORKSPACE#<wsp>` | `INVOICE#<in>` |
//! | workspace of a customer | `CUSTOMER#<cus>` | `CUSTOMER` |
//! | event that the provider told of a customer | `CUSTOMER#<cus>` | `EVENT#<evt>` |
//! | webhook that was kept | `WEBHOOK#<evt>` | `WEBHOOK` |
//! | how far a scheduled function has come | `SCHEDULE#<function>` | `CURSOR` |
//! | a consumer's claim on an event | `EVENT#<evt>` | `CONSUMER#<name>` |
//! | counter of a limit | `LIMIT#<name>#<hashed key>#<window>` | `LIMIT` |
//!
//! A change and its event are one transaction. Nothing is read by scanning or through an index.

mod breaker;
mod checkouts;
mod claims;
mod customers;
mod deletion;
mod events;
mod idempotency;
mod keys;
mod limits;
mod links;
mod phones;
mod preferences;
mod sessions;
mod subscriptions;
mod table;
mod texts;
mod users;
mod webhooks;

pub use breaker::Pause;
pub use claims::{Claim, Minted};
pub use events::Activity;
pub use idempotency::{Answer, Begun, Intent};
pub use phones::Heard;
pub use subscriptions::{Applied, SubscriptionRecord};
pub use table::Store;
pub use texts::Receipt;
pub use users::SignUp;
pub use webhooks::Webhook;

#[cfg(test)]
mod tests;

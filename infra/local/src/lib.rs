//! The app on one laptop: the model of `infra-model`, run without a cloud.
//!
//! [`platform::Platform`] starts the parts and is all that `main` and the tests need. Each part
//! stands for one service of AWS and speaks to the functions as that service does, so that the
//! very binaries that are deployed run here:
//!
//! | module | stands for |
//! |---|---|
//! | [`gateway`] | CloudFront and the API Gateway HTTP API in front of the functions and the site |
//! | [`runtime`] | Lambda: starts the functions' binaries and speaks the Runtime API to them |
//! | [`invoke`] | Lambda's own API, by which anyone may invoke a function |
//! | [`parameters`] | SSM Parameter Store |
//! | [`table`], [`stream`] | DynamoDB, and the table's stream as an event source |
//! | [`bus`], [`queue`] | EventBridge, and one SQS queue a consumer |
//! | [`mail`], [`texts`] | SES, and SNS with the phones at its other end |
//! | [`topic`], [`schedule`] | SNS topics, and EventBridge Scheduler |
//! | [`payments`] | Stripe |
//! | [`console`] | what the AWS console shows: flows, inbox, functions, dead letters, data |

// Stripe's objects have more fields than `json!` goes deep by default.
#![recursion_limit = "256"]

mod aws_request;
pub mod bus;
pub mod console;
pub mod data_dir;
mod event_source;
pub mod events;
pub mod faults;
pub mod flows;
pub mod functions;
pub mod gateway;
mod guard;
pub mod invoke;
pub mod journal;
pub mod mail;
pub mod names;
pub mod parameters;
pub mod payments;
pub mod platform;
pub mod queue;
pub mod runtime;
pub mod schedule;
pub mod settings;
pub mod stream;
pub mod table;
pub mod texts;
pub mod topic;

#[cfg(test)]
mod test_world;

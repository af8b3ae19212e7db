//! The helpers of ours: each adds what one concern takes, from the model and the stage alone.

mod alarms;
mod api;
mod budget;
mod dashboard;
mod events;
mod functions;
mod mail;
mod records;
mod site;
mod table;

use crate::Context;
use crate::stack::{Id, Stack, id};

pub(crate) const TABLE: &str = "Table";
pub(crate) const BUS: &str = "Bus";
pub(crate) const API: &str = "HttpApi";
pub(crate) const BUCKET: &str = "SiteBucket";
pub(crate) const DISTRIBUTION: &str = "Distribution";
pub(crate) const MAIL_IDENTITY: &str = "MailIdentity";
pub(crate) const MAIL_CONFIGURATION: &str = "MailConfiguration";
pub(crate) const ALARM_TOPIC: &str = "AlarmTopic";
pub(crate) const EDGE_SECRET: &str = "EdgeSecret";

pub(crate) fn add(stack: &mut Stack, context: &Context<'_>) {
    table::add(stack, context);
    let routes = events::add(stack, context);
    functions::add(stack, context, &routes);
    api::add(stack, context);
    site::add(stack, context);
    mail::add(stack, context);
    records::add(stack, context);
    alarms::add(stack, context);
    dashboard::add(stack, context);
    budget::add(stack, context);
}

pub(crate) fn function_id(function: &str) -> Id {
    Id(id(function) + "Function")
}

pub(crate) fn log_group_id(function: &str) -> Id {
    Id(id(function) + "Log")
}

pub(crate) fn topic_id(topic: &str) -> Id {
    Id(id(topic) + "Topic")
}

pub(crate) fn queue_id(function: &str) -> Id {
    Id(id(function) + "Queue")
}

pub(crate) fn dead_letters_id(function: &str) -> Id {
    Id(id(function) + "DeadLetters")
}

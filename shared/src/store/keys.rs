//! The keys of the items, all in one place.

use crate::email_address::EmailKey;
use crate::id::{EventId, SessionId, UserId, WorkspaceId};
use crate::link::LinkPurpose;
use crate::phone_number::PhoneNumber;

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";

/// Seconds since 1970 after which the table may drop the item. It takes its time: reads check it too.
pub(super) const EXPIRES_AT: &str = "expires_at";

pub(super) const USER: &str = "USER";
pub(super) const EMAIL: &str = "EMAIL";
pub(super) const WORKSPACE: &str = "WORKSPACE";
pub(super) const CUSTOMER: &str = "CUSTOMER";
pub(super) const SUBSCRIPTION: &str = "SUBSCRIPTION";
pub(super) const CHECKOUT: &str = "CHECKOUT";
pub(super) const WEBHOOK: &str = "WEBHOOK";
pub(super) const CURSOR: &str = "CURSOR";
pub(super) const LIMIT: &str = "LIMIT";
pub(super) const PREFERENCES: &str = "PREFERENCES";
pub(super) const PHONE: &str = "PHONE";
pub(super) const PHONE_CODE: &str = "PHONE_CODE";
pub(super) const OPT_OUT: &str = "OPT_OUT";
pub(super) const BREAKER: &str = "BREAKER";
pub(super) const TEXT: &str = "TEXT";
pub(super) const MEMBERSHIP_PREFIX: &str = "USER#WORKSPACE#";
pub(super) const SESSION_PREFIX: &str = "SESSION#";
pub(super) const EVENT_PREFIX: &str = "EVENT#";

pub(super) fn user(id: UserId) -> String {
    format!("USER#{id}")
}

pub(super) fn membership(id: WorkspaceId) -> String {
    format!("{MEMBERSHIP_PREFIX}{id}")
}

pub(super) fn session(id: SessionId) -> String {
    format!("{SESSION_PREFIX}{id}")
}

pub(super) fn link(purpose: LinkPurpose) -> String {
    format!("LINK#{}", purpose.name())
}

pub(super) fn event(id: EventId) -> String {
    format!("{EVENT_PREFIX}{id}")
}

pub(super) fn address(id: EventId) -> String {
    format!("ADDRESS#{id}")
}

pub(super) fn email(key: &EmailKey) -> String {
    format!("EMAIL#{}", key.as_str())
}

pub(super) fn phone(number: &PhoneNumber) -> String {
    format!("PHONE#{number}")
}

pub(super) fn text(message_id: &str) -> String {
    format!("TEXT#{message_id}")
}

pub(super) fn workspace(id: WorkspaceId) -> String {
    format!("WORKSPACE#{id}")
}

pub(super) fn customer(id: &str) -> String {
    format!("CUSTOMER#{id}")
}

pub(super) fn invoice(id: &str) -> String {
    format!("INVOICE#{id}")
}

pub(super) fn webhook(id: &str) -> String {
    format!("WEBHOOK#{id}")
}

pub(super) fn schedule(function: &str) -> String {
    format!("SCHEDULE#{function}")
}

pub(super) fn idempotency(operation: &str, key: &str) -> String {
    format!("IDEMPOTENCY#{operation}#{key}")
}

pub(super) fn consumer(name: &str) -> String {
    format!("CONSUMER#{name}")
}

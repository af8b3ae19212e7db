//! The keys of the items, all in one place.

use crate::email_address::EmailKey;
use crate::id::{EventId, SessionId, UserId, WorkspaceId};
use crate::link::LinkPurpose;

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";

/// Seconds since 1970 after which the table may drop the item. It takes its time: reads check it too.
pub(super) const EXPIRES_AT: &str = "expires_at";

pub(super) const USER: &str = "USER";
pub(super) const EMAIL: &str = "EMAIL";
pub(super) const WORKSPACE: &str = "WORKSPACE";
pub(super) const LIMIT: &str = "LIMIT";
pub(super) const SESSION_PREFIX: &str = "SESSION#";
pub(super) const EVENT_PREFIX: &str = "EVENT#";

pub(super) fn user(id: UserId) -> String {
    format!("USER#{id}")
}

pub(super) fn membership(id: WorkspaceId) -> String {
    format!("USER#WORKSPACE#{id}")
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

pub(super) fn workspace(id: WorkspaceId) -> String {
    format!("WORKSPACE#{id}")
}

pub(super) fn consumer(name: &str) -> String {
    format!("CONSUMER#{name}")
}

//! A person with an account.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::email_address::EmailAddress;
use crate::id::UserId;
use crate::name::DisplayName;
use crate::password::PasswordHash;

/// A person with an account, known by one address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Where mail goes.
    pub email: EmailAddress,
    /// The name to show.
    pub name: DisplayName,
    /// Hash of the password.
    pub password_hash: PasswordHash,
    /// How often the password was set since the sign-up. What was asked for under an earlier one is worth nothing.
    #[serde(default)]
    pub password_changes: u32,
    /// When the address was shown to be the user's; nobody signs in before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// Somebody else signed up with the same address before it was verified. The password given first
    /// is then worth nothing: only a link in the owner's inbox sets one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contested: bool,
    /// When the user first signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_signed_in_at: Option<Timestamp>,
    /// When the user signed up.
    pub created_at: Timestamp,
    /// Counts the changes that bear on sessions: a new session, a new password.
    #[serde(default)]
    pub version: u64,
}

impl User {
    /// Whether the address was shown to be the user's.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verified_at.is_some()
    }
}

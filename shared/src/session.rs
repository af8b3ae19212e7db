//! A signed-in browser or machine.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{SessionId, UserId};

/// How long an access token is good. Ending a session takes at most this long to reach every function.
pub const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(10 * 60);

/// How long a session lives without being refreshed.
pub const SESSION_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// For how long the previous refresh token still gets the current one: two tabs that refresh at
/// once, or a reply that got lost. Anything older is theft.
pub const REFRESH_GRACE: Duration = Duration::from_secs(10);

/// A signed-in browser or machine.
///
/// No secret is kept: a refresh token is signed and carries the generation it belongs to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// Id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// Short description of the device, such as `Firefox on Linux`.
    pub device: String,
    /// How often it was refreshed.
    pub generation: u64,
    /// When it was last refreshed.
    pub refreshed_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
}

/// What became of a refresh token that was presented.
#[derive(Debug)]
pub enum Refreshed {
    /// The session goes on; its refresh token is now that of the session's generation.
    Current(Session),
    /// The token was replayed: the session is ended.
    Replayed,
    /// There is no such session any more.
    Ended,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// Its user signed out.
    SignedOut,
    /// Its user ended it from another session.
    Revoked,
    /// An old refresh token was presented: somebody has a copy.
    Replayed,
}

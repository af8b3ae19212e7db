//! One-time links: what proves that somebody reads the mail of an address.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Random;
use crate::email_address::EmailAddress;
use crate::id::UserId;

/// What a link is for. A link for one purpose is worth nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPurpose {
    /// Show that the address of a new user is theirs.
    Verification,
    /// Set a password.
    PasswordReset,
    /// Move to a new address.
    EmailChange,
}

impl LinkPurpose {
    /// Every purpose there is.
    pub const ALL: [Self; 3] = [Self::Verification, Self::PasswordReset, Self::EmailChange];

    /// How long a link is good.
    #[must_use]
    pub const fn life(self) -> Duration {
        match self {
            Self::Verification => Duration::from_secs(24 * 60 * 60),
            Self::PasswordReset | Self::EmailChange => Duration::from_secs(60 * 60),
        }
    }

    /// The page that spends it, on the app's origin.
    #[must_use]
    pub const fn page(self) -> &'static str {
        match self {
            Self::Verification => "/verify",
            Self::PasswordReset => "/reset",
            Self::EmailChange => "/confirm-email",
        }
    }

    /// Its name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::PasswordReset => "password_reset",
            Self::EmailChange => "email_change",
        }
    }
}

/// The token in a link: whose it is, and 256 bits that only the link knows.
///
/// As text it is 64 characters of unpadded URL-safe base64.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkToken {
    user_id: UserId,
    secret: [u8; 32],
}

/// SHA-256 of a token and its purpose: all that is stored of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkHash(String);

/// A link as it is stored: one for each user and purpose, so that a newer one replaces the older.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Link {
    /// Whose it is.
    pub user_id: UserId,
    /// What for.
    pub purpose: LinkPurpose,
    /// Hash of its token.
    #[serde(rename = "token_hash")]
    pub hash: LinkHash,
    /// Where it was sent.
    pub email: EmailAddress,
    /// [`crate::user::User::password_changes`] as it was when the link was asked for.
    #[serde(default)]
    pub password_changes: u32,
    /// From when on it is worth nothing.
    pub dies_at: Timestamp,
}

/// A text that is not a link's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a link's token")]
pub struct InvalidLinkToken;

impl LinkToken {
    /// A new token for this user.
    #[must_use]
    pub fn new(user_id: UserId, random: &Random) -> Self {
        Self { user_id, secret: random.bytes() }
    }

    /// Whose it is.
    #[must_use]
    pub const fn user_id(&self) -> UserId {
        self.user_id
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self, purpose: LinkPurpose) -> LinkHash {
        let digest = Sha256::new()
            .chain_update(purpose.name())
            .chain_update(self.user_id.uuid().as_bytes())
            .chain_update(self.secret)
            .finalize();
        LinkHash(BASE64_URL_SAFE_NO_PAD.encode(digest))
    }
}

impl LinkHash {
    /// The hash as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.user_id.uuid().as_bytes().as_slice(), &self.secret].concat();
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Shows no secret: debug output ends in logs.
impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkToken({}, …)", self.user_id)
    }
}

impl FromStr for LinkToken {
    type Err = InvalidLinkToken;

    fn from_str(text: &str) -> Result<Self, InvalidLinkToken> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidLinkToken)?;
        let (user_id, secret) = bytes.split_at_checked(16).ok_or(InvalidLinkToken)?;
        Ok(Self {
            user_id: UserId::from_uuid(Uuid::from_slice(user_id).map_err(|_| InvalidLinkToken)?),
            secret: secret.try_into().map_err(|_| InvalidLinkToken)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> LinkToken {
        let random = Random::system();
        LinkToken::new(UserId::new(Timestamp::UNIX_EPOCH, &random), &random)
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = token();
        assert_eq!(token.to_string().len(), 64);
        assert_eq!(token.to_string().parse(), Ok(token));
    }

    /// A4
    #[test]
    fn a4_a_token_hashes_differently_for_each_purpose_and_each_user() {
        let token = token();
        let other = LinkToken { user_id: self::token().user_id, ..token.clone() };
        assert_ne!(token.hash(LinkPurpose::Verification), token.hash(LinkPurpose::PasswordReset));
        assert_ne!(token.hash(LinkPurpose::Verification), other.hash(LinkPurpose::Verification));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let token = token().to_string();
        for text in ["", "x", &token[..63], &format!("{token}A"), &token.replace(&token[10..11], "!")] {
            assert!(text.parse::<LinkToken>().is_err(), "{text}");
        }
    }
}

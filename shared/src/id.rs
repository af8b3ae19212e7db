//! Ids: a prefix that says of what, then a UUIDv7 (RFC 9562) as 32 hex digits, so that ids sort by time.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::clock::Random;

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}<32 hex digits>")]
pub struct InvalidId {
    prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id of this moment.
            #[must_use]
            pub fn new(now: Timestamp, random: &Random) -> Self {
                Self(uuid_v7(now, random))
            }

            /// The id of this UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID in it.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text, $prefix).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// Id of a user.
    UserId = "usr_";
    /// Id of a session.
    SessionId = "ses_";
    /// Id of a workspace.
    WorkspaceId = "wsp_";
    /// Id of an event.
    EventId = "evt_";
}

fn uuid_v7(now: Timestamp, random: &Random) -> Uuid {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random.bytes()).into_uuid()
}

fn parse(text: &str, prefix: &'static str) -> Result<Uuid, InvalidId> {
    let invalid = InvalidId { prefix };
    let digits = text.strip_prefix(prefix).ok_or(invalid)?;
    // One spelling an id: `Uuid` alone would take hyphens, braces and capitals as well.
    if digits.len() != 32 || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(invalid);
    }
    Uuid::try_parse(digits).map_err(|_| invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written() {
        let id = UserId::new(Timestamp::UNIX_EPOCH, &Random::system());
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_has_one_spelling_and_one_kind() {
        let id = UserId::new(Timestamp::UNIX_EPOCH, &Random::from_fn(|bytes| bytes.fill(0xab)));
        assert!(id.to_string().to_uppercase().parse::<UserId>().is_err());
        assert!(format!("usr_{}", id.uuid().hyphenated()).parse::<UserId>().is_err());
        assert!(id.to_string().parse::<SessionId>().is_err());
    }

    #[test]
    fn ids_sort_by_time() {
        let random = Random::system();
        let earlier = EventId::new("2026-01-01T00:00:00.000Z".parse().unwrap(), &random);
        let later = EventId::new("2026-01-01T00:00:00.001Z".parse().unwrap(), &random);
        assert!(earlier.to_string() < later.to_string());
    }
}

//! What stands in a mail so that one click ends its kind, without signing in ([RFC 8058](https://www.rfc-editor.org/rfc/rfc8058)).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use uuid::Uuid;

use crate::id::UserId;

/// A kind of mail that a user can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionalMail {
    /// What becomes of a subscription.
    Billing,
    /// What helps to get on with the app.
    Product,
}

/// Proof (HMAC-SHA256) that somebody has a mail of this kind to this user. It is good for nothing but to end that kind, and for ever:
/// mail is kept for long.
///
/// As text it is 66 characters of unpadded URL-safe base64.
#[derive(Clone, PartialEq, Eq)]
pub struct UnsubscribeToken {
    user_id: UserId,
    kind: OptionalMail,
    tag: [u8; 32],
}

/// A text that is no such token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token of ours")]
pub struct InvalidUnsubscribeToken;

impl OptionalMail {
    const fn byte(self) -> u8 {
        match self {
            Self::Billing => 1,
            Self::Product => 2,
        }
    }
}

impl UnsubscribeToken {
    /// The token for a mail of this kind to this user.
    #[must_use]
    pub fn new(key: &hmac::Key, user_id: UserId, kind: OptionalMail) -> Self {
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(key, &message(user_id, kind)).as_ref());
        Self { user_id, kind, tag }
    }

    /// What it ends, and whose, if we made it.
    #[must_use]
    pub fn verify(&self, key: &hmac::Key) -> Option<(UserId, OptionalMail)> {
        let genuine = hmac::verify(key, &message(self.user_id, self.kind), &self.tag).is_ok();
        genuine.then_some((self.user_id, self.kind))
    }
}

fn message(user_id: UserId, kind: OptionalMail) -> Vec<u8> {
    [b"unsubscribe:".as_slice(), &[kind.byte()], user_id.uuid().as_bytes()].concat()
}

impl fmt::Display for UnsubscribeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.user_id.uuid().as_bytes().as_slice(), &[self.kind.byte()], &self.tag].concat();
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Shows no token: debug output ends in logs.
impl fmt::Debug for UnsubscribeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnsubscribeToken(…)")
    }
}

impl FromStr for UnsubscribeToken {
    type Err = InvalidUnsubscribeToken;

    fn from_str(text: &str) -> Result<Self, InvalidUnsubscribeToken> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidUnsubscribeToken)?;
        let (user, rest) = bytes.split_first_chunk::<16>().ok_or(InvalidUnsubscribeToken)?;
        let (kind, tag) = rest.split_first().ok_or(InvalidUnsubscribeToken)?;
        let kind = [OptionalMail::Billing, OptionalMail::Product].into_iter().find(|it| it.byte() == *kind);
        Ok(Self {
            user_id: UserId::from_uuid(Uuid::from_bytes(*user)),
            kind: kind.ok_or(InvalidUnsubscribeToken)?,
            tag: tag.try_into().map_err(|_| InvalidUnsubscribeToken)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::Random;

    /// S2
    #[test]
    fn s2_a_token_is_bound_to_its_user_and_kind_and_to_our_key() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let user = UserId::new(Timestamp::UNIX_EPOCH, &Random::system());
        let token = UnsubscribeToken::new(&key, user, OptionalMail::Product);
        let text = token.to_string();
        assert_eq!(text.len(), 66);
        let read: UnsubscribeToken = text.parse().unwrap();
        assert_eq!(read.verify(&key), Some((user, OptionalMail::Product)));
        assert_eq!(read.verify(&hmac::Key::new(hmac::HMAC_SHA256, &[8; 32])), None);
        for place in 0..49 {
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&text).unwrap();
            bytes[place] ^= 1;
            let forged = BASE64_URL_SAFE_NO_PAD.encode(bytes).parse::<UnsubscribeToken>();
            assert_eq!(forged.ok().and_then(|forged| forged.verify(&key)), None, "byte {place}");
        }
        for text in ["", "x", &text[1..], &format!("{text}A"), "usr_1"] {
            assert!(text.parse::<UnsubscribeToken>().is_err(), "{text}");
        }
    }
}

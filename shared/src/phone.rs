//! A user's phone, and the codes by which a number is shown to be theirs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::clock::Random;
use crate::id::{EventId, UserId};
use crate::phone_number::{Country, PhoneNumber};

/// The number that a user has shown to be theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    /// The number.
    #[serde(rename = "phone_number")]
    pub number: PhoneNumber,
    /// The country that it is of.
    pub country: Country,
    /// When it was shown to be theirs.
    pub verified_at: Timestamp,
}

/// A number that a user says is theirs, and the code that will show it. One a user: a newer one replaces the older.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneRequest {
    /// The number.
    #[serde(rename = "phone_number")]
    pub number: PhoneNumber,
    /// The country that it is of.
    pub country: Country,
    /// The event that asks for the code.
    pub event_id: EventId,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// From when on it is worth nothing.
    pub dies_at: Timestamp,
    /// Hash of the code, once one is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_hash: Option<CodeHash>,
    /// How many codes were tried.
    #[serde(default)]
    pub tries: u32,
}

/// How long a code is good: the shortest that a text and a pair of hands need.
pub const CODE_LIFE: Duration = Duration::from_secs(5 * 60);

/// How many codes may be tried for one that was sent.
pub const CODE_TRIES: u32 = 5;

/// Six digits that only the holder of a phone can know.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneCode(String);

/// Keyed hash (HMAC-SHA256) of a code with all that it is bound to: six digits alone would be found by trying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeHash(String);

/// A text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Enter the six digits of the text.")]
pub struct InvalidPhoneCode;

impl PhoneCode {
    /// A new code.
    #[must_use]
    pub fn new(random: &Random) -> Self {
        // Of 64 bits, no code is likelier than another by more than one in 10^13.
        Self(format!("{:06}", u64::from_ne_bytes(random.bytes()) % 1_000_000))
    }

    /// Its digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// What is stored of it. It is bound to the user, the number and what it is for.
    #[must_use]
    pub fn hash(&self, key: &hmac::Key, user: UserId, number: &PhoneNumber) -> CodeHash {
        let tag = hmac::sign(key, &message(self, user, number));
        CodeHash(BASE64_URL_SAFE_NO_PAD.encode(tag))
    }

    /// Whether this is the hash of this code. It takes as long whatever is different.
    #[must_use]
    pub fn matches(&self, hash: &CodeHash, key: &hmac::Key, user: UserId, number: &PhoneNumber) -> bool {
        let tag = BASE64_URL_SAFE_NO_PAD.decode(&hash.0).unwrap_or_default();
        hmac::verify(key, &message(self, user, number), &tag).is_ok()
    }
}

/// Every part but the last has one length or an end of its own, so that no two codes share a message.
fn message(code: &PhoneCode, user: UserId, number: &PhoneNumber) -> Vec<u8> {
    let purpose = b"phone.verification:".as_slice();
    [purpose, user.uuid().as_bytes(), code.0.as_bytes(), number.as_str().as_bytes()].concat()
}

impl CodeHash {
    /// The hash as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhoneCode {
    type Err = InvalidPhoneCode;

    /// Six digits, with spaces anywhere: phones show them in groups.
    fn from_str(text: &str) -> Result<Self, InvalidPhoneCode> {
        let digits: String = text.chars().filter(|c| *c != ' ').collect();
        let is_one = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_one.then_some(Self(digits)).ok_or(InvalidPhoneCode)
    }
}

/// Shows no code: debug output ends in logs.
impl fmt::Debug for PhoneCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    /// P2
    #[test]
    fn p2_a_code_is_bound_to_its_user_number_and_key() {
        let random = Random::system();
        let user = UserId::new(Timestamp::UNIX_EPOCH, &random);
        let number: PhoneNumber = "+4915112345678".parse().unwrap();
        let code: PhoneCode = "042 137".parse().unwrap();
        let hash = code.hash(&key(1), user, &number);
        assert!(code.matches(&hash, &key(1), user, &number));
        let stranger = UserId::new(Timestamp::UNIX_EPOCH, &random);
        assert!(!code.matches(&hash, &key(1), stranger, &number));
        assert!(!code.matches(&hash, &key(1), user, &"+4915112345679".parse().unwrap()));
        assert!(!code.matches(&hash, &key(2), user, &number));
        assert!(!"042138".parse::<PhoneCode>().unwrap().matches(&hash, &key(1), user, &number));
        assert!(!hash.as_str().contains("042137"));
    }

    #[test]
    fn a_code_has_six_digits() {
        for _ in 0..1_000 {
            let code = PhoneCode::new(&Random::system());
            assert_eq!(code.digits().parse::<PhoneCode>().as_ref(), Ok(&code));
        }
        let smallest = PhoneCode::new(&Random::from_fn(|bytes| bytes.fill(0)));
        assert_eq!(smallest.digits(), "000000");
        for text in ["", "12345", "1234567", "12345a", "１２３４５６", "-12345"] {
            assert!(text.parse::<PhoneCode>().is_err(), "{text}");
        }
        assert!(!format!("{smallest:?}").contains('0'));
    }
}

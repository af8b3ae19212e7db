//! An address that mail can be sent to, and the account key that makes all its spellings one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use unicode_normalization::UnicodeNormalization;

/// A mail address: a dot-atom and a domain (RFC 5321, section 4.1.2), 254 bytes at most.
///
/// It is brought to one Unicode form (NFKC) and its domain to lower-case A-labels (UTS 46). The part
/// before the `@` must then be ASCII, as SES requires; it keeps its case, for that is how its owner writes it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    text: String,
}

/// The address in the one spelling that accounts are told apart by: lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailKey(String);

/// A text that is not a mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Enter an email address, like name@example.com.")]
pub struct InvalidEmailAddress;

const MAX_LENGTH: usize = 254;
const MAX_LOCAL_LENGTH: usize = 64;

impl EmailAddress {
    /// The address as it is shown and as mail is sent to it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key of the account it belongs to.
    #[must_use]
    pub fn key(&self) -> EmailKey {
        EmailKey(self.text.to_ascii_lowercase())
    }

    /// The part before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.text.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl EmailKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;

    fn from_str(text: &str) -> Result<Self, InvalidEmailAddress> {
        // Bounds the work below, whatever was sent.
        if text.len() > 4 * MAX_LENGTH {
            return Err(InvalidEmailAddress);
        }
        let text: String = text.trim().nfkc().collect();
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmailAddress)?;
        // "=?" begins an encoded word (RFC 2047): a mail client would show another address than mail goes to.
        if !is_dot_atom(local) || local.len() > MAX_LOCAL_LENGTH || local.contains("=?") {
            return Err(InvalidEmailAddress);
        }
        let domain = idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::STD3)
            .map_err(|_| InvalidEmailAddress)?;
        if !is_public_domain(&domain) {
            return Err(InvalidEmailAddress);
        }
        let text = format!("{local}@{domain}");
        if text.len() > MAX_LENGTH {
            return Err(InvalidEmailAddress);
        }
        Ok(Self { text })
    }
}

fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    })
}

fn is_public_domain(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    labels.len() >= 2
        && labels
            .iter()
            .all(|label| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-'))
        && labels.last().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Shows no address: debug output ends in logs.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

/// Shows no address: debug output ends in logs.
impl fmt::Debug for EmailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailKey(…)")
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> EmailAddress {
        text.parse().unwrap_or_else(|_| panic!("{text} is an address"))
    }

    #[test]
    fn an_address_keeps_the_case_its_owner_writes_and_loses_the_domains() {
        assert_eq!(parse(" Ada.Lovelace@Example.COM ").as_str(), "Ada.Lovelace@example.com");
    }

    /// A9
    #[test]
    fn a9_every_spelling_of_an_address_has_one_key() {
        let key = parse("ada@example.com").key();
        for spelling in [
            "ADA@EXAMPLE.COM",
            "Ada@Example.com",
            "\u{ff41}\u{ff44}\u{ff41}@example.com", // full-width letters
            "ada\u{ff20}example.com",               // full-width @
            "ada@ex\u{ff41}mple.com",
            "ada@example\u{3002}com", // ideographic full stop
        ] {
            assert_eq!(parse(spelling).key(), key, "{spelling}");
        }
        assert_eq!(parse("x@bücher.example").key(), parse("X@XN--BCHER-KVA.example").key());
    }

    /// A9: a letter that only looks alike is no spelling of it.
    #[test]
    fn a9_lookalike_letters_make_no_address() {
        for text in ["m\u{0131}ke@example.com", "\u{430}da@example.com", "stra\u{df}e@example.com"] {
            assert!(text.parse::<EmailAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "ada@@example.com",
            "a b@example.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..b@example.com",
            "\"ada\"@example.com",
            "ada@-example.com",
            "ada@127.0.0.1",
            "ada@[127.0.0.1]",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com,eve@example.com",
            "<ada@example.com>",
            "=?utf-8?q?x?=@example.com",
        ] {
            assert!(text.parse::<EmailAddress>().is_err(), "{text}");
        }
        assert!(format!("{}@example.com", "a".repeat(65)).parse::<EmailAddress>().is_err());
        assert!(format!("a@{}.com", "a.".repeat(130)).parse::<EmailAddress>().is_err());
    }

    proptest! {
        /// S3: no address can end a header or name a second recipient.
        #[test]
        fn s3_an_address_holds_no_character_that_structures_a_header(text in "\\PC{0,40}@\\PC{0,40}|.*") {
            if let Ok(address) = text.parse::<EmailAddress>() {
                prop_assert!(address.as_str().bytes().all(|byte| byte.is_ascii_graphic() && !b",;:<>()[]\\\"".contains(&byte)));
                prop_assert_eq!(address.as_str().matches('@').count(), 1);
                prop_assert_eq!(address.as_str().parse::<EmailAddress>(), Ok(address));
            }
        }
    }
}

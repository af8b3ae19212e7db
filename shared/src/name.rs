//! The name that a person goes by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use unicode_normalization::UnicodeNormalization;

/// A name to show: 1 to 80 characters in Unicode form NFC, on one line, with nothing invisible at its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

/// A text that is not a name to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Enter a name of 1 to 80 characters, on one line.")]
pub struct InvalidDisplayName;

/// Longest name, in characters.
pub const MAX_NAME_LENGTH: usize = 80;

impl DisplayName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DisplayName {
    type Err = InvalidDisplayName;

    fn from_str(text: &str) -> Result<Self, InvalidDisplayName> {
        if text.len() > 16 * MAX_NAME_LENGTH {
            return Err(InvalidDisplayName);
        }
        let name: String = text.trim().nfc().collect();
        let shown = name.chars().any(|c| !c.is_whitespace() && !is_invisible(c));
        if !shown
            || name.chars().count() > MAX_NAME_LENGTH
            || name.chars().any(|c| c.is_control() || reorders_text(c))
        {
            return Err(InvalidDisplayName);
        }
        Ok(Self(name))
    }
}

/// Line and paragraph separators, and the marks that turn the direction of the text around the name.
fn reorders_text(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{3164}' | '\u{feff}')
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for DisplayName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DisplayName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_otherwise_kept() {
        assert_eq!(" Ada  Lovelace ".parse::<DisplayName>().unwrap().as_str(), "Ada  Lovelace");
        assert_eq!("🧑‍🚀 O'Brien <x>".parse::<DisplayName>().unwrap().as_str(), "🧑‍🚀 O'Brien <x>");
    }

    #[test]
    fn what_cannot_be_shown_on_one_line_is_refused() {
        for text in ["", "   ", "\u{200b}", "a\nb", "a\r\nBcc: x", "a\u{0}b", "a\u{202e}b", &"a".repeat(81)] {
            assert!(text.parse::<DisplayName>().is_err(), "{text:?}");
        }
    }
}

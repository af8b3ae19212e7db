//! Keys for keyed hashes, which parameters hold.

use ring::hmac;

use crate::aws::Aws;
use crate::cached::Cached;
use crate::clock::Clock;

/// A parameter's text that is too short to be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key has 32 bytes or more")]
pub struct TooShort;

const MIN_LENGTH: usize = 32;

/// The key in this parameter: HMAC-SHA256 by the bytes of its text.
#[must_use]
pub fn in_parameter(aws: &Aws, name: impl Into<String>, clock: Clock) -> Cached<hmac::Key> {
    Cached::in_parameter(aws, name, |text| Ok(parse(text)?), clock)
}

/// The key of this text.
///
/// # Errors
///
/// If it is too short.
pub fn parse(text: &str) -> Result<hmac::Key, TooShort> {
    if text.len() < MIN_LENGTH {
        return Err(TooShort);
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_could_be_tried_is_refused() {
        assert!(parse(&"k".repeat(32)).is_ok());
        assert_eq!(parse(&"k".repeat(31)).unwrap_err(), TooShort);
    }
}

//! The signature by which a webhook is known to be the provider's.
//!
//! `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`: HMAC-SHA256 of `<seconds>.<body>`
//! ([Stripe](https://docs.stripe.com/webhooks#verify-manually)).

use jiff::Timestamp;
use ring::hmac;

/// The secrets that the provider may sign with: one, or two while one is replaced.
#[derive(Debug)]
pub struct WebhookSecrets(Vec<hmac::Key>);

/// A text that holds no secrets. It is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the webhook secrets are not a JSON array of one or two texts of 16 bytes or more")]
pub struct InvalidSecrets;

/// For how long before and after its time a signature is good, in seconds.
const TOLERANCE: i64 = 300;

/// More signatures than a provider sends: two secrets, and some versions.
const MAX_SIGNATURES: usize = 16;

const MIN_LENGTH: usize = 16;

impl WebhookSecrets {
    /// Reads a JSON array of one or two texts.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub fn parse(json: &str) -> Result<Self, InvalidSecrets> {
        let secrets: Vec<String> = serde_json::from_str(json).map_err(|_| InvalidSecrets)?;
        let is_good = |secret: &String| secret.len() >= MIN_LENGTH;
        if !(1..=2).contains(&secrets.len()) || !secrets.iter().all(is_good) {
            return Err(InvalidSecrets);
        }
        let key = |secret: &String| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Ok(Self(secrets.iter().map(key).collect()))
    }

    /// Whether the header is a signature of this body, by one of the secrets, and of about now.
    #[must_use]
    pub fn verify(&self, header: &str, body: &[u8], now: Timestamp) -> bool {
        let Some(signature) = Signature::parse(header) else { return false };
        let Ok(time) = signature.time.parse::<i64>() else { return false };
        if now.as_second().abs_diff(time) > TOLERANCE.unsigned_abs() {
            return false;
        }
        let signed = [signature.time.as_bytes(), b".", body].concat();
        let mut pairs = self.0.iter().flat_map(|key| signature.tags.iter().map(move |tag| (key, tag)));
        // In constant time, for each pair.
        pairs.any(|(key, tag)| hmac::verify(key, &signed, tag).is_ok())
    }
}

struct Signature<'a> {
    time: &'a str,
    /// Of scheme `v1`; others are not the provider's for live events.
    tags: Vec<Vec<u8>>,
}

impl<'a> Signature<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let mut time = None;
        let mut tags = Vec::new();
        for part in header.split(',') {
            match part.trim().split_once('=')? {
                ("t", value) if time.is_none() => time = Some(value),
                ("t", _) => return None,
                ("v1", value) if tags.len() < MAX_SIGNATURES => tags.extend(from_hex(value)),
                _ => {}
            }
        }
        Some(Self { time: time?, tags })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SECRETS: &str = r#"["whsec_first_0123456789", "whsec_second_0123456789"]"#;

    pub(crate) fn sign(secret: &str, time: i64, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, &[time.to_string().as_bytes(), b".", body].concat());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={time},v1={hex}")
    }

    /// B1
    #[test]
    fn b1_a_signature_is_of_the_raw_body_by_a_live_secret_of_about_now() {
        let secrets = WebhookSecrets::parse(SECRETS).unwrap();
        let body = br#"{"id": "evt_1"}"#;
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let good = |header: &str| secrets.verify(header, body, now);
        let at = |time: i64| sign("whsec_first_0123456789", time, body);
        let t = now.as_second();
        assert!(good(&at(t)));
        assert!(good(&sign("whsec_second_0123456789", t, body)), "the other live secret");
        assert!(good(&at(t - 300)) && good(&at(t + 300)));
        assert!(!good(&at(t - 301)) && !good(&at(t + 301)), "too old, or of the future");
        assert!(!good(&sign("whsec_third_01234567890", t, body)), "no secret of ours");
        assert!(!good(&sign("whsec_first_0123456789", t, br#"{"id":"evt_1"}"#)), "not the raw body");
        // Another time under the same tag.
        assert!(!good(&at(t).replace(&format!("t={t}"), &format!("t={}", t + 1))));
        // What replaces a secret is sent with signatures of both; unknown schemes are passed over.
        let tag = at(t).split_once("v1=").unwrap().1.to_owned();
        assert!(good(&format!("t={t}, v0=abc, v1={}, v1={tag}", "0".repeat(64))));
        assert!(!good(&format!("t={t},v0={tag}")), "an old scheme");
        for bad in [
            "",
            "t",
            "v1=",
            &format!("v1={tag}"),
            &format!("t=,v1={tag}"),
            &format!("t={t}"),
            &format!("t={t},t={t},v1={tag}"),
            &format!("t={t},v1={}", &tag[..62]),
            &format!("t={t},v1=é{}", &tag[2..]),
            &format!("t=99999999999999999999,v1={tag}"),
            &format!("t=-9223372036854775808,v1={tag}"),
        ] {
            assert!(!good(bad), "{bad}");
        }
    }

    /// K2
    #[test]
    fn k2_what_holds_no_secrets_is_refused_and_not_quoted() {
        for json in [
            "",
            "{}",
            "[]",
            r#"["short"]"#,
            r#"["whsec_0123456789abcd", 5]"#,
            r#""whsec_0123456789abcd""#,
            r#"["whsec_0123456789abcd","whsec_0123456789abcd","whsec_0123456789abcd"]"#,
        ] {
            let error = WebhookSecrets::parse(json).unwrap_err();
            assert!(!format!("{error:?}{error}").contains("0123"), "{json}");
        }
        assert!(!format!("{:?}", WebhookSecrets::parse(SECRETS).unwrap()).contains("whsec"));
    }
}

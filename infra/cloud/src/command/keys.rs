//! The keys that sign tokens: made once, kept in the account, seen by nobody.
//!
//! CloudFormation cannot make an encrypted parameter, so these are made beside the stack.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::failure::{Failure, Result};

/// A JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037), the active one first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SigningKeys {
    keys: Vec<SigningKey>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SigningKey {
    kty: String,
    crv: String,
    alg: String,
    r#use: String,
    kid: String,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<String>,
    /// Since when it waits to sign, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    appended_at: Option<i64>,
    /// Since when it signs, or did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signs_since: Option<i64>,
}

/// What a step of a rotation did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is a new key, which signs nothing before this moment.
    Appended { until: i64 },
    /// The new key signs.
    Promoted,
}

/// After how many seconds all functions know a key that was appended: they believe what they have read for ten minutes, and
/// writing it takes a moment.
const READ_BY_ALL: i64 = 11 * 60;

/// After how many seconds nothing is good any more that a replaced key signed: as long as the refresh token of a session is
/// good, and as long as functions do not know that it was replaced.
const SIGNED_LIFE: i64 = 30 * 24 * 60 * 60 + READ_BY_ALL;

impl SigningKeys {
    /// One new key.
    pub(crate) fn make(now: i64) -> Result<Self> {
        Ok(Self { keys: vec![SigningKey { signs_since: Some(now), ..SigningKey::make()? }] })
    }

    /// Appends a new key; or lets the one that was appended sign, once every function knows it: a token by a key that one of
    /// them does not know is refused (T7).
    pub(crate) fn rotate(&mut self, now: i64) -> Result<Step> {
        let waiting = self.keys.iter().position(|key| key.appended_at.is_some());
        if let Some(key) = waiting.map(|index| self.keys.remove(index)) {
            let until = key.appended_at.map_or(now, |at| at + READ_BY_ALL);
            if now < until {
                return Err(Failure::new(format!(
                    "the new key may sign from {} on, when every function has read it; run the same command again then",
                    time_of_day(until)
                )));
            }
            self.keys.insert(0, SigningKey { appended_at: None, signs_since: Some(now), ..key });
            return Ok(Step::Promoted);
        }
        let first_signs_since = self.keys.first().and_then(|key| key.signs_since);
        if first_signs_since.is_some_and(|since| now >= since + SIGNED_LIFE) {
            // Nothing is good any more that the others signed.
            self.keys.truncate(1);
        }
        self.keys.push(SigningKey { appended_at: Some(now), ..SigningKey::make()? });
        Ok(Step::Appended { until: now + READ_BY_ALL })
    }

    /// Those in this text, if each of them is whole: a public half that belongs to the private one.
    pub(crate) fn from_json(json: &str) -> Result<Self> {
        let wrong = |reason: &str| {
            Failure::new(format!(
                "this is no set of signing keys ({reason}): it must be a JSON Web Key Set of Ed25519 private keys"
            ))
        };
        let keys: Self = serde_json::from_str(json).map_err(|error| wrong(&error.to_string()))?;
        if keys.keys.is_empty() {
            return Err(wrong("it holds none"));
        }
        for key in &keys.keys {
            let private = key.d.as_ref().ok_or_else(|| wrong("a private half is missing"))?;
            let seed =
                URL_SAFE_NO_PAD.decode(private).map_err(|_| wrong("a private half is not base64url"))?;
            let own = SigningKey::from_seed(&seed).map_err(|_| wrong("a private half has not 32 bytes"))?;
            if own.x != key.x {
                return Err(wrong("a public half belongs to another private one"));
            }
        }
        Ok(keys)
    }

    pub(crate) fn public(&self) -> Self {
        let public =
            |key: &SigningKey| SigningKey { d: None, appended_at: None, signs_since: None, ..key.clone() };
        Self { keys: self.keys.iter().map(public).collect() }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("keys are text only")
    }
}

/// `17:05:00 UTC`.
pub(crate) fn time_of_day(second: i64) -> String {
    let time = Timestamp::from_second(second).unwrap_or_default();
    time.strftime("%H:%M:%S UTC").to_string()
}

impl SigningKey {
    fn make() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| Failure::new(format!("no signing key could be made: {error}")))?;
        Self::from_seed(&seed)
    }

    fn from_seed(seed: &[u8]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|error| Failure::new(format!("no signing key could be made: {error}")))?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        // RFC 7638: the required members, in order, without spaces.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Ok(Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            r#use: "sig".to_owned(),
            kid: URL_SAFE_NO_PAD.encode(thumbprint),
            x,
            d: Some(URL_SAFE_NO_PAD.encode(seed)),
            appended_at: None,
            signs_since: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 0;

    fn ids(keys: &SigningKeys) -> Vec<&str> {
        keys.keys.iter().map(|key| key.kid.as_str()).collect()
    }

    /// T7: nobody's session ends because keys are replaced.
    #[test]
    fn t7_a_new_key_signs_only_when_all_know_it_and_an_old_one_goes_when_nothing_of_it_is_good() {
        let mut keys = SigningKeys::make(NOW).unwrap();
        let old = keys.keys[0].kid.clone();
        let until = NOW + READ_BY_ALL;
        assert_eq!(keys.rotate(NOW).unwrap(), Step::Appended { until });
        assert_eq!(keys.keys.len(), 2);
        assert_eq!(ids(&keys)[0], old, "it still signs");
        let new = keys.keys[1].kid.clone();

        let mut again = SigningKeys::from_json(&keys.to_json()).unwrap();
        let refused = again.rotate(until - 1).unwrap_err().to_string();
        assert!(refused.contains("from 00:11:00 UTC on"), "{refused}");
        let mut keys = SigningKeys::from_json(&keys.to_json()).unwrap();
        assert_eq!(keys.rotate(until).unwrap(), Step::Promoted);
        assert_eq!(ids(&keys), [&new, &old], "the old one still verifies");

        let mut soon = SigningKeys::from_json(&keys.to_json()).unwrap();
        soon.rotate(until + SIGNED_LIFE - 1).unwrap();
        assert_eq!(ids(&soon)[..2], [&new, &old], "a session of the old one may be good");
        keys.rotate(until + SIGNED_LIFE).unwrap();
        assert_eq!(keys.keys.len(), 2);
        assert!(ids(&keys)[0] == new && !ids(&keys).contains(&old.as_str()));
    }

    /// Sets that people wrote, or that were made before rotations, do not say since when.
    #[test]
    fn of_keys_that_say_nothing_none_is_taken_for_new_or_dropped() {
        let mut keys = SigningKeys { keys: vec![SigningKey::make().unwrap(), SigningKey::make().unwrap()] };
        let before: Vec<_> = ids(&keys).into_iter().map(str::to_owned).collect();
        assert!(matches!(keys.rotate(NOW).unwrap(), Step::Appended { .. }));
        assert_eq!(ids(&keys)[..2], before);
        assert_eq!(keys.keys.len(), 3);
    }

    #[test]
    fn a_key_is_named_and_derived_as_the_standards_say() {
        // RFC 8037, appendix A: this private key has this public half and this thumbprint.
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::from_seed(&seed).unwrap();
        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn keys_survive_their_text_and_the_public_ones_hold_no_secret() {
        let keys = SigningKeys::make(NOW).unwrap();
        let again = SigningKeys::from_json(&keys.to_json()).unwrap();
        assert_eq!(again.to_json(), keys.to_json());
        let public = keys.public().to_json();
        assert!(!public.contains("\"d\"") && !public.contains("since"), "{public}");
        assert_ne!(SigningKeys::make(NOW).unwrap().to_json(), keys.to_json());
    }

    #[test]
    fn what_cannot_sign_is_refused() {
        let keys = SigningKeys::make(NOW).unwrap();
        let other = SigningKeys::make(NOW).unwrap();
        let mixed = keys.to_json().replace(&keys.keys[0].x, &other.keys[0].x);
        for text in ["", "{}", r#"{"keys":[]}"#, &keys.public().to_json(), &mixed] {
            let error = SigningKeys::from_json(text).unwrap_err().to_string();
            assert!(error.starts_with("this is no set of signing keys"), "{text}: {error}");
        }
    }
}

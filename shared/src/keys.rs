//! The keys that tokens are signed with: where they are read, and how long they are believed.
//!
//! Keys are Ed25519, as a [JSON Web Key Set](https://www.rfc-editor.org/rfc/rfc7517) in a parameter; the first one
//! signs. To rotate: append the new key, wait until every instance has read it (ten minutes), move it to the front, and drop
//! the old one when the last token that it signed has expired. A new key that signs at once is refused by whoever has read
//! the keys in the last half minute; see [`Cached::newer`]. `cargo cloud secrets rotate` does it in this order.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};

use crate::aws::Aws;
use crate::cached::Cached;
use crate::clock::Clock;
use crate::ed25519;
use crate::error::Result;

/// The keys as they are now. Cheap to clone; all clones read them once.
#[derive(Debug, Clone)]
pub struct Keys(Cached<KeySet>);

impl Keys {
    /// The keys in this parameter, which is read when they are first asked for.
    #[must_use]
    pub fn in_parameter(aws: &Aws, name: impl Into<String>, clock: Clock) -> Self {
        Self(Cached::in_parameter(aws, name, |json| Ok(KeySet::parse(json)?), clock))
    }

    /// These keys, for ever.
    #[must_use]
    pub fn fixed(keys: KeySet) -> Self {
        Self(Cached::fixed(keys))
    }

    /// Reads them, so that the first request does not wait. Whoever asks meanwhile waits for this reading; if
    /// it fails, they read again.
    pub async fn warm(&self) {
        self.0.warm().await;
    }

    /// The keys, at most ten minutes old. Older ones only while they cannot be read.
    ///
    /// # Errors
    ///
    /// If they were never read and cannot be: [`Unavailable`](crate::error::Error::Unavailable) if they may be a moment later,
    /// else [`Internal`](crate::error::Error::Internal).
    pub async fn current(&self) -> Result<Arc<KeySet>> {
        self.0.current().await
    }

    /// The keys for a token whose key is not among the [`current`](Self::current) ones.
    ///
    /// # Errors
    ///
    /// As `current`.
    pub async fn newer(&self) -> Result<Arc<KeySet>> {
        self.0.newer().await
    }
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The text is not a JSON Web Key Set.
    #[error("the keys are not a JSON Web Key Set")]
    NotAKeySet,
    /// A key is not an Ed25519 key, or not whole.
    #[error("the key {kid} is not an Ed25519 key")]
    NotEd25519 {
        /// Id of the key.
        kid: String,
    },
    /// There is none.
    #[error("there are no keys")]
    Empty,
}

/// A set of keys: all verify, the first one signs, if its private half is there.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    signing: Option<EncodingKey>,
}

#[derive(Debug)]
struct PublicKey {
    jwk: Jwk,
    verifying: DecodingKey,
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<PrivateJwk>,
}

#[derive(Deserialize)]
struct PrivateJwk {
    d: Option<String>,
    #[serde(flatten)]
    public: Jwk,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct Jwk {
    kty: String,
    crv: String,
    kid: String,
    x: String,
}

impl KeySet {
    /// Reads a JSON Web Key Set of Ed25519 keys, private or public.
    ///
    /// # Errors
    ///
    /// If it is something else, or empty.
    pub fn parse(json: &str) -> Result<Self, KeysError> {
        ed25519::install();
        // The cause would quote what it did not understand, which may be a private key.
        let set: JwkSet = serde_json::from_str(json).map_err(|_| KeysError::NotAKeySet)?;
        let mut signing = None;
        let mut keys = Vec::new();
        for PrivateJwk { d, public: jwk } in set.keys {
            let not_ed25519 = || KeysError::NotEd25519 { kid: jwk.kid.clone() };
            let x = key_bytes(&jwk.x).ok_or_else(not_ed25519)?;
            if jwk.kty != "OKP" || jwk.crv != "Ed25519" {
                return Err(not_ed25519());
            }
            if let (true, Some(d)) = (keys.is_empty(), d) {
                let seed = key_bytes(&d).ok_or_else(not_ed25519)?;
                signing = Some(EncodingKey::from_ed_der(&[PKCS8_ED25519.as_slice(), &seed].concat()));
            }
            keys.push(PublicKey { verifying: DecodingKey::from_ed_der(&x), jwk });
        }
        if keys.is_empty() {
            return Err(KeysError::Empty);
        }
        Ok(Self { keys, signing })
    }

    /// The public halves as a JSON Web Key Set, for whoever verifies our tokens.
    #[must_use]
    pub fn to_public_jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self
            .keys
            .iter()
            .map(|PublicKey { jwk: Jwk { kty, crv, kid, x }, .. }| {
                serde_json::json!({ "kty": kty, "crv": crv, "kid": kid, "x": x, "use": "sig", "alg": "EdDSA" })
            })
            .collect();
        serde_json::json!({ "keys": keys })
    }

    pub(crate) fn verifying(&self, kid: &str) -> Option<&DecodingKey> {
        self.keys.iter().find(|key| key.jwk.kid == kid).map(|key| &key.verifying)
    }

    /// The key that signs, and its id.
    pub(crate) fn signing(&self) -> Option<(&str, &EncodingKey)> {
        Some((&self.keys.first()?.jwk.kid, self.signing.as_ref()?))
    }
}

/// What precedes the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410, section 7).
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

fn key_bytes(base64: &str) -> Option<[u8; 32]> {
    BASE64_URL_SAFE_NO_PAD.decode(base64).ok()?.try_into().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The key of RFC 8037, appendix A.
    pub(crate) const PRIVATE: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"first","use":"sig",
        "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    #[test]
    fn what_is_published_holds_no_private_half() {
        let published = KeySet::parse(PRIVATE).unwrap().to_public_jwks();
        assert_eq!(published["keys"][0]["kid"], "first");
        assert_eq!(published["keys"][0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert!(!published.to_string().contains("nWGxne"));
        assert!(KeySet::parse(&published.to_string()).unwrap().signing().is_none());
    }

    #[test]
    fn what_is_no_ed25519_key_set_is_refused_and_not_quoted() {
        for json in [
            "",
            "{}",
            r#"{"keys":[]}"#,
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"first","x":"c2VjcmV0"}]}"#,
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"first","x":5,"d":"c2VjcmV0"}]}"#,
            &PRIVATE.replace("Ed25519", "Ed448"),
            &PRIVATE.replace("OKP", "EC"),
            &PRIVATE.replace("nWGxne", ""),
        ] {
            let error = KeySet::parse(json).unwrap_err();
            assert!(!format!("{error:?}{error}").contains("c2VjcmV0"), "{error:?}");
        }
    }
}

//! The keys that sign tokens: made once, kept in the account, seen by nobody.
//!
//! CloudFormation cannot make an encrypted parameter, so these are made beside the stack.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
}

impl SigningKeys {
    /// One new key.
    pub(crate) fn make() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| Failure::new(format!("no signing key could be made: {error}")))?;
        Ok(Self { keys: vec![SigningKey::from_seed(&seed)?] })
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
        Self { keys: self.keys.iter().map(|key| SigningKey { d: None, ..key.clone() }).collect() }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("keys are text only")
    }
}

impl SigningKey {
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let keys = SigningKeys::make().unwrap();
        let again = SigningKeys::from_json(&keys.to_json()).unwrap();
        assert_eq!(again.to_json(), keys.to_json());
        assert!(!keys.public().to_json().contains("\"d\""));
        assert_ne!(SigningKeys::make().unwrap().to_json(), keys.to_json());
    }

    #[test]
    fn what_cannot_sign_is_refused() {
        let keys = SigningKeys::make().unwrap();
        let other = SigningKeys::make().unwrap();
        let mixed = keys.to_json().replace(&keys.keys[0].x, &other.keys[0].x);
        for text in ["", "{}", r#"{"keys":[]}"#, &keys.public().to_json(), &mixed] {
            let error = SigningKeys::from_json(text).unwrap_err().to_string();
            assert!(error.starts_with("this is no set of signing keys"), "{text}: {error}");
        }
    }
}

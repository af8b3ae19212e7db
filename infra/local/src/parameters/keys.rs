//! The keys that sign tokens.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde::{Deserialize, Serialize};

use super::Error;
use super::kept::{keep_secret, modified, random};

/// PKCS #8 of an Ed25519 key, up to the 32 bytes of the key itself (RFC 8410).
pub(super) const ED25519_PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A JSON Web Key Set of Ed25519 keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SigningKeys {
    pub(super) keys: Vec<SigningKey>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SigningKey {
    kty: String,
    crv: String,
    alg: String,
    r#use: String,
    pub(super) kid: String,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) d: Option<String>,
}

impl SigningKeys {
    pub(super) fn load_or_make(path: &Path) -> Result<(Self, f64), Error> {
        let file = |source| Error::File { path: path.to_owned(), source };
        match fs::read(path) {
            Ok(json) => {
                let keys: Self =
                    serde_json::from_slice(&json).map_err(|_| Error::NotKeys(path.to_owned()))?;
                if keys.keys.is_empty() || keys.keys.iter().any(|key| key.d.is_none()) {
                    return Err(Error::NotKeys(path.to_owned()));
                }
                Ok((keys, modified(path).map_err(file)?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self { keys: vec![SigningKey::make()?] };
                keep_secret(path, keys.to_json().as_bytes()).map_err(file)?;
                Ok((keys, modified(path).map_err(file)?))
            }
            Err(error) => Err(file(error)),
        }
    }

    pub(super) fn public(&self) -> Self {
        let keys = self.keys.iter().map(|key| SigningKey { d: None, ..key.clone() });
        Self { keys: keys.collect() }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("keys are text only")
    }
}

impl SigningKey {
    fn make() -> Result<Self, Error> {
        let seed = random()?;
        let pkcs8 = [&ED25519_PKCS8_PREFIX[..], &seed[..]].concat();
        let key = |error: jsonwebtoken::errors::Error| Error::Key(error.to_string());
        let jwk = Jwk::from_encoding_key(&EncodingKey::from_ed_der(&pkcs8), Algorithm::EdDSA).map_err(key)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(key)?;
        let jwk = serde_json::to_value(&jwk).map_err(|error| Error::Key(error.to_string()))?;
        let x = jwk["x"].as_str().ok_or_else(|| Error::Key("it has no public half".to_owned()))?;
        Ok(Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            r#use: "sig".to_owned(),
            kid,
            x: x.to_owned(),
            d: Some(URL_SAFE_NO_PAD.encode(seed)),
        })
    }
}

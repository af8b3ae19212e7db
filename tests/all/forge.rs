//! Tokens forged with the platform's own key, so that each is wrong in one point only.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tests::Platform;

/// What precedes an Ed25519 seed in PKCS#8.
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Somebody who has a key.
pub(crate) struct Forger {
    /// The key as it is published.
    pub(crate) jwk: Value,
    key: EncodingKey,
}

impl Forger {
    /// With the key that the platform signs with.
    pub(crate) fn with_key_of(platform: &Platform) -> Self {
        let keys = std::fs::read_dir(platform.data().join("keys")).expect("keys");
        let sets = keys.filter_map(|file| {
            let text = std::fs::read_to_string(file.ok()?.path()).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        });
        let private = sets.filter_map(|set| Some(set["keys"].as_array()?.first()?.clone()));
        Self::with(private.into_iter().find(|key| key["d"].is_string()).expect("a private key"))
    }

    /// With a key of their own: that of RFC 8037, appendix A.
    pub(crate) fn with_other_key() -> Self {
        Self::with(json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "kid": "forged",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }))
    }

    fn with(mut jwk: Value) -> Self {
        let seed = jwk["d"].take();
        let seed = BASE64_URL_SAFE_NO_PAD.decode(seed.as_str().expect("d")).expect("base64");
        jwk.as_object_mut().expect("a key").remove("d");
        Self { jwk, key: EncodingKey::from_ed_der(&[PKCS8_ED25519.as_slice(), &seed].concat()) }
    }

    /// The public half's bytes.
    pub(crate) fn public_bytes(&self) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(self.jwk["x"].as_str().expect("x")).expect("base64")
    }

    /// A token of this header and these claims, signed.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(header, &claims.to_string())
    }

    /// As [`Forger::sign`], of claims that need not be JSON.
    pub(crate) fn sign_text(&self, header: &Value, claims: &str) -> String {
        let message = unsigned(header, claims);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::EdDSA).expect("signed");
        format!("{message}.{signature}")
    }
}

/// A token signed with HMAC under this secret.
pub(crate) fn sign_hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = unsigned(header, &claims.to_string());
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("signed");
    format!("{message}.{signature}")
}

/// The part of a token that is signed.
pub(crate) fn unsigned(header: &Value, claims: &str) -> String {
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", encode(&header.to_string()), encode(claims))
}

/// A token's header and claims.
pub(crate) fn read(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    });
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

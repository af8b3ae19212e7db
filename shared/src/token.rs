//! Tokens: what the bearer is known by, signed ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519), profiled as
//! [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068) and hardened as [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725)).
//!
//! There is one algorithm, EdDSA. A token's header only names which of our own keys signed it.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::device::KnownDevice;
use crate::error::{Error, Result};
use crate::id::{SessionId, UserId};
use crate::keys::{KeySet, Keys};
use crate::session::{ACCESS_TOKEN_LIFE, SESSION_LIFE};

/// A kind of token, by what it claims. One is never taken for another: each has a type and an audience of its own.
pub trait Claims: Serialize + DeserializeOwned {
    /// The header's `typ`.
    const TYPE: &'static str;
    /// Path of the audience, below the app's origin.
    const AUDIENCE: &'static str;
    /// How long a token is good.
    const LIFE: Duration;
}

/// Who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The user.
    #[serde(rename = "sub")]
    pub user_id: UserId,
    /// The session.
    #[serde(rename = "sid")]
    pub session_id: SessionId,
}

/// Which session to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshClaims {
    /// The user.
    #[serde(rename = "sub")]
    pub user_id: UserId,
    /// The session.
    #[serde(rename = "sid")]
    pub session_id: SessionId,
    /// How often the session had been refreshed when the token was made.
    #[serde(rename = "gen")]
    pub generation: u64,
}

impl Claims for AccessClaims {
    const TYPE: &'static str = "at+jwt";
    const AUDIENCE: &'static str = "/api";
    const LIFE: Duration = ACCESS_TOKEN_LIFE;
}

impl Claims for RefreshClaims {
    const TYPE: &'static str = "rt+jwt";
    const AUDIENCE: &'static str = "/api/auth/refresh";
    const LIFE: Duration = SESSION_LIFE;
}

impl Claims for KnownDevice {
    const TYPE: &'static str = "device+jwt";
    const AUDIENCE: &'static str = "/api/auth/sign-in";
    /// As long as browsers keep a cookie.
    const LIFE: Duration = Duration::from_secs(400 * 24 * 60 * 60);
}

/// What every token claims, and its kind besides. Times are in seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct Signed<C> {
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    claims: C,
}

/// How far clocks of machines may differ, in seconds.
const LEEWAY: i64 = 5;

/// Longer than any token of ours: bounds the work, whatever was sent.
const MAX_LENGTH: usize = 4096;

/// Verifies tokens of this app, without asking anyone.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Keys,
    origin: Arc<str>,
    clock: Clock,
}

impl Verifier {
    /// A verifier of tokens that the app at `origin` has signed.
    #[must_use]
    pub fn new(keys: Keys, origin: &str, clock: Clock) -> Self {
        Self { keys, origin: origin.into(), clock }
    }

    /// What the token claims.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] if it is not a token of this kind, signed with one of our keys, issued by and meant
    /// for us, and good now; that of the keys if they cannot be read.
    pub async fn verify<C: Claims>(&self, token: &str) -> Result<C> {
        let checked = match self.check(token, &*self.keys.current().await?) {
            Err(Refusal::UnknownKey) => self.check(token, &*self.keys.newer().await?),
            checked => checked,
        };
        checked.map_err(|_| Error::Unauthenticated)
    }

    fn check<C: Claims>(&self, token: &str, keys: &KeySet) -> Result<C, Refusal> {
        if token.len() > MAX_LENGTH {
            return Err(Refusal::NotGood);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::NotGood)?;
        if header.typ.as_deref() != Some(C::TYPE) || header.crit.is_some() {
            return Err(Refusal::NotGood);
        }
        let key = header.kid.and_then(|kid| keys.verifying(&kid)).ok_or(Refusal::UnknownKey)?;
        let token =
            jsonwebtoken::decode::<Signed<C>>(token, key, &signature_only()).map_err(|_| Refusal::NotGood)?;
        let Signed { iss, aud, iat, exp, claims } = token.claims;
        let now = self.clock.now().as_second();
        let good = iss == *self.origin
            && aud == audience::<C>(&self.origin)
            && iat <= now.saturating_add(LEEWAY)
            && now < exp;
        good.then_some(claims).ok_or(Refusal::NotGood)
    }
}

enum Refusal {
    /// It names a key that is not among those at hand.
    UnknownKey,
    NotGood,
}

/// Only the algorithm and the signature: the library has no clock of ours and takes optional claims.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn audience<C: Claims>(origin: &str) -> String {
    format!("{origin}{}", C::AUDIENCE)
}

/// Signs tokens of this app, and verifies them.
#[derive(Debug, Clone)]
pub struct Signer {
    verifier: Verifier,
}

impl Signer {
    /// A signer for the app at `origin`; `keys` need the private half of the first.
    #[must_use]
    pub fn new(keys: Keys, origin: &str, clock: Clock) -> Self {
        Self { verifier: Verifier::new(keys, origin, clock) }
    }

    /// The verifier of what it signs.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// A token with these claims, good from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the keys cannot be read or have no private half.
    pub async fn sign<C: Claims>(&self, claims: &C) -> Result<String> {
        let Verifier { keys, origin, clock } = &self.verifier;
        let keys = keys.current().await?;
        let (kid, key) =
            keys.signing().ok_or_else(|| Error::internal("the first key has no private half"))?;
        let header = Header {
            typ: Some(C::TYPE.to_owned()),
            kid: Some(kid.to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let now = clock.now().as_second();
        let signed = Signed {
            iss: origin.to_string(),
            aud: audience::<C>(origin),
            iat: now,
            exp: now + C::LIFE.as_secs().cast_signed(),
            claims,
        };
        jsonwebtoken::encode(&header, &signed, key).map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jiff::Timestamp;
    use jsonwebtoken::EncodingKey;
    use jsonwebtoken::crypto::rust_crypto;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Random;
    use crate::keys::tests::PRIVATE;

    const ORIGIN: &str = "https://billion.example";
    const NOW: i64 = 1_800_000_000;

    fn signer_at(seconds: &Arc<AtomicI64>) -> Signer {
        let seconds = Arc::clone(seconds);
        let clock = Clock::from_fn(move || Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap());
        Signer::new(Keys::fixed(KeySet::parse(PRIVATE).unwrap()), ORIGIN, clock)
    }

    fn signer() -> Signer {
        signer_at(&Arc::new(AtomicI64::new(NOW)))
    }

    fn access() -> AccessClaims {
        let random = Random::system();
        let now = Timestamp::UNIX_EPOCH;
        AccessClaims { user_id: UserId::new(now, &random), session_id: SessionId::new(now, &random) }
    }

    /// A token with this header and these claims, rightly signed.
    fn forge(header: &Value, claims: &Value) -> String {
        let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let keys = KeySet::parse(PRIVATE).unwrap();
        let (_, key) = keys.signing().unwrap();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }

    fn header() -> Value {
        json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "first" })
    }

    fn claims() -> Value {
        let AccessClaims { user_id, session_id } = access();
        json!({
            "iss": ORIGIN, "aud": format!("{ORIGIN}/api"), "sub": user_id, "sid": session_id,
            "iat": NOW, "exp": NOW + 600,
        })
    }

    async fn verified(token: &str) -> bool {
        match signer().verifier().verify::<AccessClaims>(token).await {
            Ok(_) => true,
            Err(Error::Unauthenticated) => false,
            Err(error) => panic!("{error:?}"),
        }
    }

    #[tokio::test]
    async fn a_token_says_what_was_signed() {
        let claims = access();
        let token = signer().sign(&claims).await.unwrap();
        assert_eq!(signer().verifier().verify::<AccessClaims>(&token).await.unwrap(), claims);
        assert!(verified(&forge(&header(), &self::claims())).await);
    }

    /// T1
    #[tokio::test]
    async fn t1_no_header_chooses_the_algorithm_or_the_key() {
        for header in [
            json!({ "alg": "none", "typ": "at+jwt", "kid": "first" }),
            json!({ "alg": "HS256", "typ": "at+jwt", "kid": "first" }),
            json!({ "alg": "ES256", "typ": "at+jwt", "kid": "first" }),
            json!({ "alg": "EdDSA", "typ": "at+jwt" }),
            json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "other" }),
            json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "first", "crit": ["b64"], "b64": false }),
        ] {
            assert!(!verified(&forge(&header, &claims())).await, "{header}");
        }
        // The public key as an HMAC secret.
        let public = BASE64_URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let header =
            Header { typ: Some("at+jwt".into()), kid: Some("first".into()), ..Header::new(Algorithm::HS256) };
        let secret = EncodingKey::from_secret(&public);
        let hmac = (rust_crypto::DEFAULT_PROVIDER.signer_factory)(&Algorithm::HS256, &secret).unwrap();
        let part = |json: Vec<u8>| BASE64_URL_SAFE_NO_PAD.encode(json);
        let message = format!(
            "{}.{}",
            part(serde_json::to_vec(&header).unwrap()),
            part(claims().to_string().into_bytes())
        );
        let signature = hmac.sign(message.as_bytes());
        assert!(!verified(&format!("{message}.{}", part(signature))).await);
        // A key that the token brings along.
        let header = json!({
            "alg": "EdDSA", "typ": "at+jwt", "kid": "evil",
            "jwk": { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
        });
        assert!(!verified(&forge(&header, &claims())).await);
    }

    /// T2
    #[tokio::test]
    async fn t2_every_claim_is_required_and_of_its_type() {
        for name in ["iss", "aud", "sub", "sid", "iat", "exp"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(name);
            assert!(!verified(&forge(&header(), &without)).await, "without {name}");
            for wrong in [json!(null), json!(true), json!("x"), json!([]), json!(1.5), json!({}), json!(-1)] {
                // An issue time long past is a time all the same.
                if name == "iat" && wrong == json!(-1) {
                    continue;
                }
                let mut claims = claims();
                claims[name] = wrong.clone();
                assert!(!verified(&forge(&header(), &claims)).await, "{name}: {wrong}");
            }
        }
        for (name, wrong) in [
            ("aud", json!([format!("{ORIGIN}/api")])),
            ("aud", json!(format!("{ORIGIN}/api/auth/refresh"))),
            ("iss", json!("https://evil.example")),
            ("exp", json!(NOW.to_string())),
            ("exp", json!(NOW)),
            ("iat", json!(NOW + 6)),
            ("sub", claims()["sid"].clone()),
        ] {
            let mut claims = claims();
            claims[name] = wrong.clone();
            assert!(!verified(&forge(&header(), &claims)).await, "{name}: {wrong}");
        }
    }

    /// T2
    #[tokio::test]
    async fn t2_a_token_of_one_kind_is_never_taken_for_another() {
        let signer = signer();
        let AccessClaims { user_id, session_id } = access();
        let refresh = signer.sign(&RefreshClaims { user_id, session_id, generation: 0 }).await.unwrap();
        let device = signer.sign(&KnownDevice::new(&Random::system())).await.unwrap();
        let access = signer.sign(&access()).await.unwrap();
        let verifier = signer.verifier();
        assert!(verifier.verify::<AccessClaims>(&refresh).await.is_err());
        assert!(verifier.verify::<AccessClaims>(&device).await.is_err());
        assert!(verifier.verify::<RefreshClaims>(&access).await.is_err());
        assert!(verifier.verify::<RefreshClaims>(&device).await.is_err());
        assert!(verifier.verify::<KnownDevice>(&refresh).await.is_err());
        // Not even when all but its type is right, nor when all but its audience is.
        let mut retyped = header();
        retyped["typ"] = json!("JWT");
        assert!(!verified(&forge(&retyped, &claims())).await);
        retyped.as_object_mut().unwrap().remove("typ");
        assert!(!verified(&forge(&retyped, &claims())).await);
    }

    #[tokio::test]
    async fn a_token_is_good_for_its_life_and_not_a_second_longer() {
        let seconds = Arc::new(AtomicI64::new(NOW));
        let signer = signer_at(&seconds);
        let token = signer.sign(&access()).await.unwrap();
        for (at, good) in [(-6, false), (-5, true), (599, true), (600, false)] {
            seconds.store(NOW + at, Ordering::Relaxed);
            assert_eq!(signer.verifier().verify::<AccessClaims>(&token).await.is_ok(), good, "{at} s");
        }
    }

    #[tokio::test]
    async fn a_token_that_was_changed_anywhere_is_refused() {
        let token = signer().sign(&access()).await.unwrap();
        for place in (0..token.len()).step_by(7) {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            assert!(!verified(std::str::from_utf8(&changed).unwrap()).await, "{place}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(token in "\\PC*|[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,90}") {
            let keys = KeySet::parse(PRIVATE).unwrap();
            let _ = signer().verifier().check::<AccessClaims>(&token, &keys);
        }
    }
}

//! Parameters beside the stack: made here, or set by people, and never part of a template.

use std::fmt::Write as _;

use aws_sdk_ssm::error::ProvideErrorMetadata;
use aws_sdk_ssm::types::ParameterType;
use infra_cloud::names;
use jiff::Timestamp;

use super::failure::{Failure, Result};
use super::keys::SigningKeys;
use super::target::{MODEL, Place};

/// The private keys that sign tokens.
pub(crate) const SIGNING_KEYS: &str = "auth/signing-keys";
/// Their public halves.
pub(crate) const PUBLIC_KEYS: &str = "auth/public-keys";

/// Those that are mere chance: 256 bits as text.
const RANDOM: [(&str, &str); 2] = [
    ("sms/code-key", "the key of the codes that are sent to phones"),
    ("unsubscribe/key", "the key of the links that end a kind of mail"),
];

/// The parameters of a stage.
pub(crate) struct Parameters<'a> {
    ssm: aws_sdk_ssm::Client,
    place: &'a Place,
}

impl<'a> Parameters<'a> {
    pub(crate) fn of(place: &'a Place) -> Self {
        Self { ssm: place.aws.ssm(), place }
    }

    /// Makes those that are missing and need nobody's thought: the signing keys, and what CloudFront proves itself by.
    /// Says what it made.
    pub(crate) async fn make_missing(&self) -> Result<Vec<&'static str>> {
        let mut made = Vec::new();
        if !self.is_set(SIGNING_KEYS).await? {
            self.put_signing_keys(&SigningKeys::make(Timestamp::now().as_second())?).await?;
            made.push("the keys that sign tokens");
        } else if !self.is_set(PUBLIC_KEYS).await? {
            let keys = self.signing_keys().await?;
            self.put(PUBLIC_KEYS, &keys.public().to_json(), false).await?;
            made.push("the public halves of the keys that sign tokens");
        }
        for (name, what) in RANDOM {
            let is_of_the_app = MODEL.parameters.iter().any(|parameter| parameter.name == name);
            if is_of_the_app && !self.is_set(name).await? {
                self.put(name, &random_hex()?, true).await?;
                made.push(what);
            }
        }
        let edge_secret = names::edge_secret_parameter(MODEL, &self.place.stage.name);
        if self.get(&edge_secret, false).await?.is_none() {
            self.put_full(&edge_secret, &random_hex()?, ParameterType::String).await?;
            made.push("the secret between CloudFront and the API");
        }
        Ok(made)
    }

    /// The keys that sign tokens, as they are.
    pub(crate) async fn signing_keys(&self) -> Result<SigningKeys> {
        SigningKeys::from_json(&self.value(SIGNING_KEYS).await?)
    }

    /// Both halves, the public one first: a token is signed only by a key that is already published.
    pub(crate) async fn put_signing_keys(&self, keys: &SigningKeys) -> Result<()> {
        self.put(PUBLIC_KEYS, &keys.public().to_json(), false).await?;
        self.put(SIGNING_KEYS, &keys.to_json(), true).await
    }

    /// The names of the model's parameters that have no value yet.
    pub(crate) async fn missing(&self) -> Result<Vec<&'static str>> {
        let mut missing = Vec::new();
        for parameter in MODEL.parameters {
            if !self.is_set(parameter.name).await? {
                missing.push(parameter.name);
            }
        }
        Ok(missing)
    }

    pub(crate) async fn put(&self, name: &str, value: &str, secret: bool) -> Result<()> {
        let kind = if secret { ParameterType::SecureString } else { ParameterType::String };
        self.put_full(&self.full_name(name), value, kind).await
    }

    /// Removes all that were made or set.
    pub(crate) async fn remove_all(&self) -> Result<()> {
        let edge_secret = names::edge_secret_parameter(MODEL, &self.place.stage.name);
        let own = MODEL.parameters.iter().map(|parameter| self.full_name(parameter.name));
        for name in own.chain([edge_secret]) {
            match self.ssm.delete_parameter().name(&name).send().await {
                Err(error) if error.code() != Some("ParameterNotFound") => {
                    return Err(Failure::aws(&format!("removing the parameter {name}"), &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn full_name(&self, name: &str) -> String {
        names::parameter(MODEL, &self.place.stage.name, name)
    }

    async fn is_set(&self, name: &str) -> Result<bool> {
        Ok(self.get(&self.full_name(name), false).await?.is_some())
    }

    async fn value(&self, name: &str) -> Result<String> {
        let value = self.get(&self.full_name(name), true).await?;
        value.ok_or_else(|| Failure::new(format!("the parameter {name} has no value")))
    }

    async fn get(&self, full_name: &str, decrypted: bool) -> Result<Option<String>> {
        match self.ssm.get_parameter().name(full_name).with_decryption(decrypted).send().await {
            Ok(found) => Ok(found.parameter.and_then(|parameter| parameter.value)),
            Err(error) if error.code() == Some("ParameterNotFound") => Ok(None),
            Err(error) => Err(Failure::aws(&format!("reading the parameter {full_name}"), &error)),
        }
    }

    async fn put_full(&self, full_name: &str, value: &str, kind: ParameterType) -> Result<()> {
        let put = self.ssm.put_parameter().name(full_name).value(value).r#type(kind).overwrite(true);
        let put = put.send().await;
        put.map_err(|error| Failure::aws(&format!("setting the parameter {full_name}"), &error))?;
        Ok(())
    }
}

/// 256 bits that nobody can guess.
fn random_hex() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new(format!("no secret could be made: {error}")))?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

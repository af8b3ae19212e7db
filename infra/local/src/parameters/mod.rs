//! SSM Parameter Store, as `aws-sdk-ssm` calls it: secrets that are made on the first start and
//! kept in the data directory, and what other parts of the platform bring.

mod kept;
mod keys;

use std::io;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use infra_model::{App, Grant};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use kept::kept;

use crate::aws_request::{self, json_error, json_response};
use crate::names::{ACCOUNT, REGION, role_session_arn};
use crate::runtime::{Caller, Runtime, parameter_name};
use keys::SigningKeys;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Keys of 256 bits, as Base64, that nobody but the functions needs to know.
const RANDOM_KEYS: &[&str] = &["sms/code-key", "unsubscribe/key"];

/// The app's parameters.
#[derive(Debug, Clone)]
pub struct Parameters {
    app: &'static App,
    values: Vec<Parameter>,
}

#[derive(Debug, Clone)]
struct Parameter {
    /// As the model names it.
    name: &'static str,
    secret: bool,
    value: String,
    modified: f64,
}

/// Why the parameters are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key file cannot be read or written.
    #[error("{} cannot be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key file holds nothing.
    #[error("{} is empty; delete it to get a new secret", .0.display())]
    Empty(PathBuf),
    /// A key file holds something else.
    #[error("{} holds no signing keys; delete it to get new ones (everyone is signed out then)", .0.display())]
    NotKeys(PathBuf),
    /// No key could be made.
    #[error("no key could be made: {0}")]
    Key(String),
    /// The model asks for a parameter that nobody here provides.
    #[error("nothing on this laptop provides the parameter \"{0}\"")]
    Unknown(&'static str),
}

impl Parameters {
    /// The app's parameters: those that other parts `brought`, by the model's names, and the keys from the data
    /// directory, of which those that are missing are made.
    ///
    /// # Errors
    /// If a file cannot be read or written, or holds something else; if nobody provides a parameter.
    pub fn open(
        app: &'static App,
        data_dir: &Path,
        brought: &[(&'static str, String)],
    ) -> Result<Self, Error> {
        let path = data_dir.join(kept::FOLDER).join("signing-keys.json");
        let (keys, keys_modified) = SigningKeys::load_or_make(&path)?;
        let started = Timestamp::now().as_second() as f64;
        let values = app.parameters.iter().map(|parameter| {
            let (name, secret) = (parameter.name, parameter.secret);
            let (value, modified) = match brought.iter().find(|(brought, _)| *brought == name) {
                Some((_, value)) => (value.clone(), started),
                None => match name {
                    "auth/signing-keys" => (keys.to_json(), keys_modified),
                    "auth/public-keys" => (keys.public().to_json(), keys_modified),
                    name if RANDOM_KEYS.contains(&name) => {
                        (kept(data_dir, name, |random| STANDARD.encode(random))?, started)
                    }
                    name => return Err(Error::Unknown(name)),
                },
            };
            Ok(Parameter { name, secret, value, modified })
        });
        Ok(Self { app, values: values.collect::<Result<_, _>>()? })
    }

    /// The service. Functions may read what the model grants them.
    pub fn router(self, runtime: Runtime) -> Router {
        Router::new().route("/", post(serve)).with_state((self, runtime))
    }

    /// A caller that is no function is a developer and may read all.
    fn get(&self, caller: Option<&Caller>, request: &GetParameter) -> Result<Described, Refusal> {
        let found = self.find(&request.name);
        let Some(caller) = caller else {
            let not_found = Refusal { error_type: "ParameterNotFound", message: request.name.clone() };
            return found.map(|found| self.describe(found, request.decrypted())).ok_or(not_found);
        };
        let granted = found.is_some_and(|parameter| {
            let mut grants = caller.function.grants.iter();
            grants.any(|grant| matches!(grant, Grant::ReadParameter(name) if *name == parameter.name))
        });
        // Like AWS: without a grant one does not learn whether it exists.
        found
            .filter(|_| granted)
            .map(|found| self.describe(found, request.decrypted()))
            .ok_or_else(|| Refusal::access_denied(self.app, caller, &request.name))
    }

    fn find(&self, full_name: &str) -> Option<&Parameter> {
        self.values.iter().find(|it| parameter_name(self.app, it.name) == full_name)
    }

    fn describe(&self, parameter: &Parameter, decrypted: bool) -> Described {
        let name = parameter_name(self.app, parameter.name);
        Described {
            arn: format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}"),
            name,
            r#type: if parameter.secret { "SecureString" } else { "String" },
            value: if parameter.secret && !decrypted {
                // What one gets who forgets to ask for decryption: something of no use.
                STANDARD.encode(Sha256::digest(&parameter.value))
            } else {
                parameter.value.clone()
            },
            version: 1,
            last_modified_date: parameter.modified,
            data_type: "text",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameter {
    name: String,
    with_decryption: Option<bool>,
}

impl GetParameter {
    fn decrypted(&self) -> bool {
        self.with_decryption.unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameters {
    names: Vec<String>,
    with_decryption: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    name: String,
    r#type: &'static str,
    value: String,
    version: u32,
    last_modified_date: f64,
    #[serde(rename = "ARN")]
    arn: String,
    data_type: &'static str,
}

async fn serve(
    State((parameters, runtime)): State<(Parameters, Runtime)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let caller = aws_request::caller(&headers, &runtime);
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match answer(&parameters, caller.as_ref(), target.unwrap_or_default(), &body) {
        Ok(answer) => json_response(StatusCode::OK, CONTENT_TYPE, answer.to_string()),
        Err(Refusal { error_type, message }) => {
            json_error(StatusCode::BAD_REQUEST, CONTENT_TYPE, error_type, &message)
        }
    }
}

fn answer(
    parameters: &Parameters,
    caller: Option<&Caller>,
    target: &str,
    body: &[u8],
) -> Result<Value, Refusal> {
    let malformed = |error: serde_json::Error| Refusal {
        error_type: "SerializationException",
        message: error.to_string(),
    };
    match target {
        "AmazonSSM.GetParameter" => {
            let request = serde_json::from_slice(body).map_err(malformed)?;
            Ok(json!({ "Parameter": parameters.get(caller, &request)? }))
        }
        "AmazonSSM.GetParameters" => {
            let request: GetParameters = serde_json::from_slice(body).map_err(malformed)?;
            let (known, unknown): (Vec<_>, Vec<_>) =
                request.names.into_iter().partition(|name| parameters.find(name).is_some());
            let with_decryption = request.with_decryption;
            let found: Result<Vec<_>, _> = known
                .into_iter()
                .map(|name| parameters.get(caller, &GetParameter { name, with_decryption }))
                .collect();
            Ok(json!({ "Parameters": found?, "InvalidParameters": unknown }))
        }
        operation => Err(Refusal {
            error_type: "UnknownOperationException",
            message: format!("{operation} is not known here"),
        }),
    }
}

/// An error as the SDK understands it.
struct Refusal {
    error_type: &'static str,
    message: String,
}

impl Refusal {
    fn access_denied(app: &App, caller: &Caller, name: &str) -> Self {
        let who = role_session_arn(app, caller.function);
        let what = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}");
        Self {
            error_type: "AccessDeniedException",
            message: format!(
                "User: {who} is not authorized to perform: ssm:GetParameter on resource: {what} because no identity-based policy allows the ssm:GetParameter action"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use infra_model::APP;
    use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

    use super::keys::ED25519_PKCS8_PREFIX;
    use super::*;

    const WITH_OTHERS: App = App {
        parameters: &[
            infra_model::Parameter { name: "sms/code-key", secret: true, purpose: "" },
            infra_model::Parameter { name: "billing/stripe-secret-key", secret: true, purpose: "" },
        ],
        ..APP
    };

    fn open(directory: &Path) -> Result<Parameters, Error> {
        let brought = APP.parameters.iter().filter(|it| it.name.starts_with("billing/"));
        let brought: Vec<_> = brought.map(|it| (it.name, "brought".to_owned())).collect();
        Parameters::open(&APP, directory, &brought)
    }

    #[test]
    fn keys_are_made_once_kept_secret_and_sign() {
        let directory = tempfile::tempdir().unwrap();
        let first = open(directory.path()).unwrap();
        let again = open(directory.path()).unwrap();
        assert_eq!(first.values[0].value, again.values[0].value);
        let mode =
            |path: &str| fs::metadata(directory.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("keys"), mode("keys/signing-keys.json")], [0o700, 0o600]);

        let private: SigningKeys = serde_json::from_str(&first.values[0].value).unwrap();
        let public = &first.values[1].value;
        assert!(!public.contains("\"d\""));
        let seed = URL_SAFE_NO_PAD.decode(private.keys[0].d.as_ref().unwrap()).unwrap();
        let signer = EncodingKey::from_ed_der(&[&ED25519_PKCS8_PREFIX[..], &seed[..]].concat());
        let token = jsonwebtoken::encode(
            &Header::new(Algorithm::EdDSA),
            &json!({ "exp": 4_000_000_000_u64 }),
            &signer,
        )
        .unwrap();
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_str(public).unwrap();
        let jwk = jwks.find(&private.keys[0].kid).unwrap();
        let verifier = DecodingKey::from_jwk(jwk).unwrap();
        jsonwebtoken::decode::<serde_json::Value>(&token, &verifier, &Validation::new(Algorithm::EdDSA))
            .unwrap();
    }

    #[test]
    fn a_file_without_keys_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("keys")).unwrap();
        fs::write(directory.path().join("keys/signing-keys.json"), "{\"keys\":[]}").unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(matches!(error, Error::NotKeys(_)), "{error}");
    }

    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        let directory = tempfile::tempdir().unwrap();
        let first = kept(directory.path(), "sms/code-key", |random| STANDARD.encode(random)).unwrap();
        let again = kept(directory.path(), "sms/code-key", |_| unreachable!("it is made once")).unwrap();
        assert_eq!(first, again);
        assert_eq!(STANDARD.decode(&first).unwrap().len(), 32);
        let other = kept(directory.path(), "unsubscribe/key", |random| STANDARD.encode(random)).unwrap();
        assert_ne!(first, other);
        let path = directory.path().join("keys/sms-code-key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "").unwrap();
        let error = kept(directory.path(), "sms/code-key", |_| String::new()).unwrap_err();
        assert!(matches!(error, Error::Empty(_)), "{error}");
    }

    #[test]
    fn a_parameter_is_brought_or_made_or_a_clear_error() {
        let directory = tempfile::tempdir().unwrap();
        let error = Parameters::open(&WITH_OTHERS, directory.path(), &[]).unwrap_err();
        assert!(matches!(error, Error::Unknown("billing/stripe-secret-key")), "{error}");
        let brought = [("billing/stripe-secret-key", "sk_test_1".to_owned())];
        let parameters = Parameters::open(&WITH_OTHERS, directory.path(), &brought).unwrap();
        let made = STANDARD.decode(&parameters.values[0].value).unwrap();
        assert_eq!((made.len(), parameters.values[1].value.as_str()), (32, "sk_test_1"));
        let again = Parameters::open(&WITH_OTHERS, directory.path(), &brought).unwrap();
        assert_eq!(parameters.values[0].value, again.values[0].value);
    }

    #[test]
    fn functions_read_what_they_are_granted() {
        let directory = tempfile::tempdir().unwrap();
        let parameters = open(directory.path()).unwrap();
        let as_function = |function: &str, name: &str, decrypted: bool| {
            let caller = Caller {
                function: APP.function(function).unwrap(),
                instance: String::new(),
                running: Vec::new(),
            };
            let request = GetParameter { name: parameter_name(&APP, name), with_decryption: Some(decrypted) };
            parameters.get(Some(&caller), &request).map_err(|refusal| refusal.error_type)
        };
        let keys = as_function("auth", "auth/signing-keys", true).ok().unwrap();
        assert!(keys.value.contains("\"d\""));
        let encrypted = as_function("auth", "auth/signing-keys", false).ok().unwrap();
        assert!(!encrypted.value.contains("keys"));
        assert!(as_function("api", "auth/public-keys", false).is_ok());
        for (function, name) in [("api", "auth/signing-keys"), ("email", "auth/public-keys"), ("auth", "x")] {
            assert_eq!(as_function(function, name, true).err(), Some("AccessDeniedException"));
        }
    }
}

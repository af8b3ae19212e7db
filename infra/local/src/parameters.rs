//! SSM Parameter Store, as `aws-sdk-ssm` calls it: the signing keys, made on the first start and
//! kept in the data directory.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use infra_model::{App, Grant};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::aws_request::{self, json_error, json_response};
use crate::names::{ACCOUNT, REGION, role_session_arn};
use crate::runtime::{Caller, Runtime, parameter_name};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// PKCS #8 of an Ed25519 key, up to the 32 bytes of the key itself (RFC 8410).
const ED25519_PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

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
    /// A key file holds something else.
    #[error("{} holds no signing keys; delete it to get new ones (everyone is signed out then)", .0.display())]
    NotKeys(PathBuf),
    /// No key could be made.
    #[error("no signing key could be made: {0}")]
    Key(String),
    /// The model asks for a parameter that nobody here provides.
    #[error("nothing on this laptop provides the parameter \"{0}\"")]
    Unknown(&'static str),
}

impl Parameters {
    /// Reads the parameters from the data directory, and makes those that are missing.
    ///
    /// # Errors
    /// If a file cannot be read or written, or holds something else.
    pub fn open(app: &'static App, data_dir: &Path) -> Result<Self, Error> {
        let path = data_dir.join("keys").join("signing-keys.json");
        let (keys, modified) = SigningKeys::load_or_make(&path)?;
        let values = app.parameters.iter().map(|parameter| {
            let value = match parameter.name {
                "auth/signing-keys" => keys.to_json(),
                "auth/public-keys" => keys.public().to_json(),
                name => return Err(Error::Unknown(name)),
            };
            let (name, secret) = (parameter.name, parameter.secret);
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

/// A JSON Web Key Set of Ed25519 keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SigningKeys {
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
    fn load_or_make(path: &Path) -> Result<(Self, f64), Error> {
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

    fn public(&self) -> Self {
        let keys = self.keys.iter().map(|key| SigningKey { d: None, ..key.clone() });
        Self { keys: keys.collect() }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("keys are text only")
    }
}

impl SigningKey {
    fn make() -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| Error::Key(error.to_string()))?;
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

/// Written whole or not at all, and readable by its owner alone.
fn keep_secret(path: &Path, contents: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let unfinished = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

/// Seconds since 1970.
fn modified(path: &Path) -> io::Result<f64> {
    let modified = fs::metadata(path)?.modified()?;
    Ok(modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().floor())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use infra_model::APP;
    use jsonwebtoken::{DecodingKey, Header, Validation};

    use super::*;

    #[test]
    fn keys_are_made_once_kept_secret_and_sign() {
        let directory = tempfile::tempdir().unwrap();
        let first = Parameters::open(&APP, directory.path()).unwrap();
        let again = Parameters::open(&APP, directory.path()).unwrap();
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
        let error = Parameters::open(&APP, directory.path()).unwrap_err();
        assert!(matches!(error, Error::NotKeys(_)), "{error}");
    }

    #[test]
    fn functions_read_what_they_are_granted() {
        let directory = tempfile::tempdir().unwrap();
        let parameters = Parameters::open(&APP, directory.path()).unwrap();
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

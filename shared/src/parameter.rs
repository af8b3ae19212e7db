//! Parameters, as Systems Manager's Parameter Store keeps them.
//!
//! The one call that is needed, [GetParameter], on the AWS SDK's own runtime. Its whole client for this service would
//! read all of AWS's partitions at each cold start and compile a regular expression for each, which was a sixth of
//! what `api` took until it was ready, and is 0.4 MB of a binary.
//!
//! [GetParameter]: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html

use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{self, SigV4AuthScheme};
use aws_runtime::retries::classifiers::{AwsErrorCodeClassifier, THROTTLING_ERRORS};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{
    HttpRequest, HttpResponse, OrchestratorError, SensitiveOutput,
};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use jiff::SignedDuration;
use serde::Deserialize;

use crate::aws::{Aws, Service};
use crate::cached::Cached;
use crate::clock::Clock;
use crate::error::Error;

/// Reads parameters. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Parameters {
    get: Operation<String, Value, ErrorMetadata>,
}

/// The value of a parameter, which may be a secret.
pub struct Value(String);

impl Value {
    /// The value itself.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

/// Shows no value: debug output ends in logs.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value(…)")
    }
}

/// Why a parameter was not given out.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It has no value yet.
    #[error("there is no parameter of that name: {0}")]
    Missing(String),
    /// Parameter Store does not answer, or takes no more requests: it may be read a moment later.
    #[error("the parameter cannot be read just now: {0}")]
    Unavailable(String),
    /// It may not be read, or is no parameter.
    #[error("the parameter cannot be read: {0}")]
    Refused(String),
}

impl From<SdkError<ErrorMetadata, HttpResponse>> for Unreadable {
    fn from(error: SdkError<ErrorMetadata, HttpResponse>) -> Self {
        let code = error.as_service_error().and_then(ErrorMetadata::code);
        let of_kind = match code {
            Some("ParameterNotFound") => Self::Missing,
            Some(code) if THROTTLING_ERRORS.contains(&code) => Self::Unavailable,
            // What is wrong with a request is wrong for good; all else passes.
            _ if error.raw_response().is_some_and(|it| it.status().is_client_error()) => Self::Refused,
            _ if matches!(error, SdkError::ConstructionFailure(_)) => Self::Refused,
            _ => Self::Unavailable,
        };
        of_kind(DisplayErrorContext(error).to_string())
    }
}

impl From<Unreadable> for Error {
    fn from(error: Unreadable) -> Self {
        match error {
            Unreadable::Unavailable(_) => Self::Unavailable(Box::new(error)),
            Unreadable::Missing(_) | Unreadable::Refused(_) => Self::internal(error),
        }
    }
}

/// Whether something failed because a parameter has no value yet.
#[must_use]
pub fn is_missing(error: &Error) -> bool {
    let Error::Internal(cause) = error else { return false };
    matches!(cause.downcast_ref(), Some(Unreadable::Missing(_)))
}

impl Parameters {
    /// The parameters of the account and region that `aws` is connected to.
    #[must_use]
    pub fn new(aws: &Aws) -> Self {
        let config = aws.config(Service::Ssm);
        let region = config.region().map_or("", |region| region.as_ref());
        let endpoint = config.endpoint_url().map_or_else(|| endpoint(region), str::to_owned);
        let mut get = Operation::builder()
            .service_name("SSM")
            .operation_name("GetParameter")
            .endpoint_url(&endpoint)
            .runtime_plugin(signature(region.to_owned(), config.credentials_provider()))
            .with_connection_poisoning()
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(TransientErrorClassifier::<ErrorMetadata>::new())
            .retry_classifier(AwsErrorCodeClassifier::<ErrorMetadata>::new());
        if let Some(client) = config.http_client() {
            get = get.http_client(client);
        }
        if let Some(retry) = config.retry_config() {
            get = get.standard_retry(retry);
        }
        if let Some(timeouts) = config.timeout_config() {
            get = get.timeout_config(timeouts.clone());
        }
        Self { get: get.serializer(request).deserializer(value).build() }
    }

    /// The decrypted value of a parameter, by its full name.
    ///
    /// # Errors
    ///
    /// If there is none, it may not be read, or the service cannot be reached.
    pub async fn get(&self, name: &str) -> Result<Value, Unreadable> {
        Ok(self.get.invoke(name.to_owned()).await?)
    }
}

/// How long a value is believed before it is read again: one that was withdrawn is good for no longer.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(10);

impl<T: 'static> Cached<T> {
    /// What `parse` makes of this parameter's text, which is read when it is first asked for. Its error must not quote
    /// the text, which may be a secret.
    #[must_use]
    pub fn in_parameter(
        aws: &Aws,
        name: impl Into<String>,
        parse: fn(&str) -> Result<T, BoxError>,
        clock: Clock,
    ) -> Self {
        let (parameters, name) = (Parameters::new(aws), Arc::<str>::from(name.into()));
        let read = move || {
            let (parameters, name) = (parameters.clone(), Arc::clone(&name));
            async move {
                let text = parameters.get(&name).await?;
                parse(&text.into_text()).map_err(Error::internal)
            }
        };
        Self::new(read, MAX_AGE, clock)
    }
}

/// Where the service is in this region, as the AWS General Reference lists it.
fn endpoint(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://ssm.{region}.{suffix}")
}

/// Signs by AWS Signature Version 4.
fn signature(region: String, credentials: Option<SharedCredentialsProvider>) -> StaticRuntimePlugin {
    let mut layer = Layer::new("SSM");
    layer.store_put(SensitiveOutput);
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(aws_types::region::Region::new(region))),
        name: Some(SigningName::from_static("ssm")),
        ..SigV4OperationSigningConfig::default()
    });
    let mut components = RuntimeComponentsBuilder::new("SSM")
        .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
            StaticAuthSchemeOptionResolver::new(vec![sigv4::SCHEME_ID]),
        )))
        .with_identity_cache(Some(IdentityCache::no_cache()));
    if let Some(credentials) = credentials {
        components.set_identity_resolver(sigv4::SCHEME_ID, SharedIdentityResolver::new(credentials));
    }
    StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components)
}

fn request(name: String) -> Result<HttpRequest, BoxError> {
    let body = serde_json::json!({ "Name": name, "WithDecryption": true }).to_string();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST")?;
    request.set_uri("/")?;
    request.headers_mut().insert("content-type", "application/x-amz-json-1.1");
    request.headers_mut().insert("x-amz-target", "AmazonSSM.GetParameter");
    Ok(request)
}

fn value(response: &HttpResponse) -> Result<Value, OrchestratorError<ErrorMetadata>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        parameter: Parameter,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Parameter {
        value: String,
    }
    #[derive(Deserialize, Default)]
    struct Refusal {
        #[serde(rename = "__type", default)]
        code: String,
        #[serde(alias = "Message", default)]
        message: String,
    }

    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        // The cause would quote the value.
        let output: Output = serde_json::from_slice(body).map_err(|_| {
            OrchestratorError::other("the answer of Parameter Store is not what it should be")
        })?;
        return Ok(Value(output.parameter.value));
    }
    let Refusal { code, message } = serde_json::from_slice(body).unwrap_or_default();
    // As `com.amazonaws.ssm#ParameterNotFound`: the name alone is the code.
    let code = code.rsplit('#').next().unwrap_or_default();
    let mut error = ErrorMetadata::builder().code(code);
    if !message.is_empty() {
        error = error.message(message);
    }
    Err(OrchestratorError::operation(error.build()))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    use aws_credential_types::Credentials;

    use super::*;
    use crate::aws::Endpoints;

    /// Parameter Store, as far as it gives this answer to every request.
    fn that_answers(status: u16, body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut length = 0;
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|_| !line.trim().is_empty()) {
                    if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = told.trim().parse().unwrap();
                    }
                    line.clear();
                }
                reader.read_exact(&mut vec![0; length]).unwrap();
                let head = format!("HTTP/1.1 {status} Answer\r\ncontent-length: {}", body.len());
                write!(stream, "{head}\r\nconnection: close\r\n\r\n{body}").unwrap();
            }
        });
        address
    }

    async fn read(address: String) -> Result<String, Error> {
        let credentials = Credentials::from_keys("test", "test", None);
        let endpoints = Endpoints { services: Vec::new(), all: Some(address) };
        let aws = Aws::new("us-east-1".to_owned(), credentials, endpoints);
        let cached = Cached::in_parameter(&aws, "/a/name", |text| Ok(text.to_owned()), Clock::system());
        cached.current().await.map(|text| String::clone(&text))
    }

    #[tokio::test]
    async fn a_parameter_that_cannot_be_read_just_now_is_no_error_of_ours() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (throttled, broken, unreachable) = tokio::join!(
            read(that_answers(400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#)),
            read(that_answers(500, r#"{"__type":"InternalServerError"}"#)),
            read(format!("http://{closed}")),
        );
        for error in [throttled, broken, unreachable] {
            assert!(matches!(error, Err(Error::Unavailable(_))), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_parameter_that_is_missing_is_told_from_one_that_may_not_be_read() {
        let missing = read(that_answers(400, r#"{"__type":"ParameterNotFound"}"#)).await.unwrap_err();
        assert!(matches!(missing, Error::Internal(_)) && is_missing(&missing), "{missing:?}");
        let refused = read(that_answers(400, r#"{"__type":"AccessDeniedException"}"#)).await.unwrap_err();
        assert!(matches!(refused, Error::Internal(_)) && !is_missing(&refused), "{refused:?}");
        let there = read(that_answers(200, r#"{"Parameter":{"Name":"/a/name","Value":"it"}}"#)).await;
        assert_eq!(there.unwrap(), "it");
    }
}

//! How requests get to the payment provider.
//!
//! The provider's own client would open a connection for each request, and could not say which trace it belongs to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use shared::cached::Cached;
use shared::error::Error;
use shared::trace;
use stripe_client_core::{
    CustomizedStripeRequest, RequestBuilder, StripeClient, StripeClientErr, StripeMethod, VERSION,
};

/// The secret key, as a header.
#[derive(Debug)]
pub(crate) struct SecretKey(HeaderValue);

/// A key that no header can hold.
#[derive(Debug, thiserror::Error)]
#[error("the payment provider's secret key is not a line of ASCII")]
pub(crate) struct InvalidKey;

impl SecretKey {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidKey> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", text.trim())).map_err(|_| InvalidKey)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

/// A connection to the payment provider. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: Arc<str>,
    key: Cached<SecretKey>,
}

/// Why the provider did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StripeError {
    /// It refused. Its message is not kept: it may quote an address.
    #[error("the payment provider refused {path}: {status} {code} {param} (its request {request_id})")]
    Refused { status: u16, path: String, code: String, param: String, request_id: String },
    /// It did not answer, or only that it cannot just now. It may have done what it was asked for.
    #[error("the payment provider does not answer {path}: {reason}")]
    Unavailable { path: String, reason: String },
    /// It answered that it failed. It may have done what it was asked for, and whoever asks again with the same
    /// idempotency key hears this again for a day. <https://docs.stripe.com/api/idempotent_requests>
    #[error("the payment provider failed at {path}: {status} {code} (its request {request_id})")]
    Failed { status: u16, path: String, code: String, request_id: String },
    /// It answered something that is not understood.
    #[error("an answer of the payment provider is not understood: {0}")]
    Unreadable(String),
    /// There is no key.
    #[error(transparent)]
    NoKey(Error),
}

/// How often a request is sent in all. The provider does what bears an idempotency key once.
const ATTEMPTS: u32 = 3;

/// How long an attempt may take. Three of them and what lies between fit into the time of any of our functions.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

const DEFAULT_BASE: &str = "https://api.stripe.com";

impl Transport {
    pub(crate) fn new(base: Option<&str>, key: Cached<SecretKey>) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls())
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Self { client, base: base.unwrap_or(DEFAULT_BASE).trim_end_matches('/').into(), key }
    }

    /// Reads the key, and opens a connection.
    pub(crate) async fn warm(&self) {
        self.key.warm().await;
    }

    /// Sends a request until it is answered, and answers the body of what succeeded.
    async fn send(
        &self,
        request: &RequestBuilder,
        idempotency_key: Option<&str>,
    ) -> Result<Bytes, StripeError> {
        let path = request.path.as_str();
        let mut key = self.key.current().await.map_err(StripeError::NoKey)?;
        let mut attempt = 1;
        loop {
            let request = self.request(request, idempotency_key, &key)?;
            let failure = match tokio::time::timeout(ATTEMPT_TIMEOUT, self.attempt(request, path)).await {
                Ok(Ok(body)) => return Ok(body),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::passing(path, "it took too long".to_owned()),
            };
            if attempt == ATTEMPTS || !failure.passes {
                return Err(failure.error);
            }
            if failure.is_unauthorized {
                // The key may have been replaced.
                key = self.key.newer().await.map_err(StripeError::NoKey)?;
            }
            tokio::time::sleep(Duration::from_millis(150 << attempt)).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, request: Request<Full<Bytes>>, path: &str) -> Result<Bytes, Failure> {
        let unanswered =
            |error: &(dyn std::error::Error + 'static)| Failure::passing(path, shared::log::causes(error));
        let response = self.client.request(request).await.map_err(|error| unanswered(&error))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| unanswered(&error))?.to_bytes();
        if head.status.is_success() {
            return Ok(body);
        }
        let told = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        Err(Failure::answered(path, head.status, told("stripe-should-retry"), told("request-id"), &body))
    }

    fn request(
        &self,
        request: &RequestBuilder,
        idempotency_key: Option<&str>,
        SecretKey(key): &SecretKey,
    ) -> Result<Request<Full<Bytes>>, StripeError> {
        let method = match request.method {
            StripeMethod::Get => Method::GET,
            StripeMethod::Post => Method::POST,
            StripeMethod::Delete => Method::DELETE,
        };
        let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let mut sent = Request::builder()
            .method(method)
            .uri(format!("{}/v1{}{query}", self.base, request.path))
            .header(header::AUTHORIZATION, key)
            .header("stripe-version", VERSION.as_str());
        if let Some(trace) = trace::current() {
            sent = sent.header("x-amzn-trace-id", trace.to_xray());
        }
        if let Some(key) = idempotency_key {
            sent = sent.header("idempotency-key", key);
        }
        if request.body.is_some() {
            sent = sent.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = request.body.clone().unwrap_or_default();
        sent.body(Full::from(body)).map_err(|error| StripeError::Unavailable {
            path: request.path.clone(),
            reason: error.to_string(),
        })
    }
}

impl StripeClient for Transport {
    type Err = StripeError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, StripeError> {
        let (request, options) = request.into_pieces();
        let key = options.request_strategy.and_then(|strategy| strategy.get_key());
        self.send(&request, key.as_ref().map(stripe_client_core::IdempotencyKey::as_str)).await
    }
}

impl StripeClientErr for StripeError {
    fn deserialize_err(message: impl std::fmt::Display) -> Self {
        Self::Unreadable(message.to_string())
    }
}

impl StripeError {
    /// Whether there is no such thing as was asked for.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
            || matches!(self, Self::Refused { code, .. } if code == "resource_missing")
    }

    /// Whether there is no such customer as was named in a request for something else.
    pub(crate) fn lacks_customer(&self) -> bool {
        self.is_missing() && matches!(self, Self::Refused { param, .. } if param == "customer")
    }

    /// Whether it failed, and may say so again to whoever asks again.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    /// Whether what was asked for cannot be done, as things are.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { status: 400..=404, .. })
    }
}

impl From<StripeError> for Error {
    fn from(error: StripeError) -> Self {
        match error {
            StripeError::Refused { status: 429, .. } => Self::Busy { retry_after: Duration::from_secs(2) },
            StripeError::Unavailable { .. } | StripeError::Failed { .. } => {
                Self::Unavailable(Box::new(error))
            }
            StripeError::Refused { .. } | StripeError::Unreadable(_) => Self::internal(error),
            StripeError::NoKey(error) => error,
        }
    }
}

/// What came of an attempt that did not succeed.
struct Failure {
    error: StripeError,
    passes: bool,
    is_unauthorized: bool,
}

impl Failure {
    fn passing(path: &str, reason: String) -> Self {
        let error = StripeError::Unavailable { path: path.to_owned(), reason };
        Self { error, passes: true, is_unauthorized: false }
    }

    /// As the provider's [documentation] has it: what it says in `Stripe-Should-Retry`, else by the status.
    ///
    /// [documentation]: https://docs.stripe.com/error-low-level
    fn answered(
        path: &str,
        status: StatusCode,
        should_retry: Option<&str>,
        request_id: Option<&str>,
        body: &[u8],
    ) -> Self {
        #[derive(Deserialize, Default)]
        struct Refusal {
            error: Told,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Told {
            code: Option<String>,
            #[serde(rename = "type")]
            kind: Option<String>,
            param: Option<String>,
        }

        let Refusal { error: told } = serde_json::from_slice(body).unwrap_or_default();
        let passes = match should_retry {
            Some("true") => true,
            Some("false") => false,
            _ => matches!(status.as_u16(), 409 | 424 | 429 | 500..=504),
        };
        let is_unauthorized = status == StatusCode::UNAUTHORIZED;
        let code = told.code.or(told.kind).unwrap_or_default();
        let (path, request_id) = (path.to_owned(), request_id.unwrap_or_default().to_owned());
        let error = match status.as_u16() {
            409 => StripeError::Unavailable { path, reason: format!("409 {code}") },
            status @ 500.. => StripeError::Failed { status, path, code, request_id },
            status => {
                let param = told.param.unwrap_or_default();
                StripeError::Refused { status, path, code, param, request_id }
            }
        };
        Self { error, passes: passes || is_unauthorized, is_unauthorized }
    }
}

/// Mozilla's roots: what the provider's endpoints chain to is theirs to choose.
fn tls() -> rustls::ClientConfig {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the protocols")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

//! What every AWS client shares: one HTTP client, who we are, where the services are, how long we wait.
//!
//! A cold start pays for what is built here. The trust store holds only the roots that AWS
//! endpoints chain to: parsing the system's would take most of the time until the first
//! invocation. Credentials are those that Lambda puts into the environment: no chain is searched.

use std::time::Duration;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::{
    behavior_version::BehaviorVersion,
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector, http_client_fn,
    },
    orchestrator::HttpRequest,
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};

use crate::{env, trace};

/// A service of AWS that a function talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The table.
    DynamoDb,
    /// The bus.
    EventBridge,
    /// Mail.
    Ses,
    /// Texts.
    Sns,
    /// Parameters.
    Ssm,
}

/// The connection to AWS that all clients of a function share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
    endpoints: Endpoints,
}

/// Where services are, if not where the region has them.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// Each service's own address.
    pub services: Vec<(Service, String)>,
    /// The address of all others.
    pub all: Option<String>,
}

impl Aws {
    /// As the environment says: region, credentials, and the SDKs' own variables for endpoints
    /// (`AWS_ENDPOINT_URL_DYNAMODB` and its like, else `AWS_ENDPOINT_URL`).
    ///
    /// # Errors
    /// If a variable that Lambda sets is missing.
    pub fn from_env() -> Result<Self, env::Error> {
        let credentials = Credentials::from_keys(
            env::required("AWS_ACCESS_KEY_ID")?,
            env::required("AWS_SECRET_ACCESS_KEY")?,
            env::optional("AWS_SESSION_TOKEN")?,
        );
        let mut endpoints = Endpoints { services: Vec::new(), all: env::optional("AWS_ENDPOINT_URL")? };
        for (service, variable) in [
            (Service::DynamoDb, "AWS_ENDPOINT_URL_DYNAMODB"),
            (Service::EventBridge, "AWS_ENDPOINT_URL_EVENTBRIDGE"),
            (Service::Ses, "AWS_ENDPOINT_URL_SES"),
            (Service::Sns, "AWS_ENDPOINT_URL_SNS"),
            (Service::Ssm, "AWS_ENDPOINT_URL_SSM"),
        ] {
            endpoints.services.extend(env::optional(variable)?.map(|url| (service, url)));
        }
        Ok(Self::new(env::required("AWS_REGION")?, credentials, endpoints))
    }

    /// In this region, as the owner of these credentials.
    #[must_use]
    pub fn new(region: String, credentials: Credentials, endpoints: Endpoints) -> Self {
        // Three attempts of three seconds do not fit into eight: a service that answers nothing
        // is given up before the platform ends the invocation, so that the failure is told.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(3))
            .operation_timeout(Duration::from_secs(8))
            .build();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client())
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts)
            .build();
        Self { config, endpoints }
    }

    /// What the client of a service is made from, as in `aws_sdk_ses::Client::new(&config)`.
    #[must_use]
    pub fn config(&self, service: Service) -> SdkConfig {
        let own = self.endpoints.services.iter().find(|(named, _)| *named == service);
        let endpoint = own.map(|(_, url)| url).or(self.endpoints.all.as_ref());
        let mut config = self.config.to_builder();
        config.set_endpoint_url(endpoint.cloned());
        config.build()
    }
}

/// Opens connections beside the wait for the first invocation, so that it does not wait for them.
///
/// `open` begins when the Lambda runtime's own first call is on its way: the function is ready from
/// that moment on, and must not be late for it. A few turns of the scheduler are all that call takes.
pub fn warm(open: impl Future<Output = ()> + Send + 'static) {
    const TURNS: usize = 16;
    tokio::spawn(async {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        open.await;
    });
}

/// All of Amazon's own roots; AWS endpoints chain to one of them.
const AMAZON_ROOT_CERTIFICATES: &[u8] = include_bytes!("aws/amazon-root-certificates.pem");

fn http_client() -> SharedHttpClient {
    let trust_store = TrustStore::empty().with_pem_certificate(AMAZON_ROOT_CERTIFICATES);
    let tls = TlsContext::builder().with_trust_store(trust_store).build();
    let client = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls.unwrap_or_default())
        .build_https();
    http_client_fn(move |settings: &HttpConnectorSettings, components| {
        SharedHttpConnector::new(Traced(client.http_connector(settings, components)))
    })
}

/// Says on each request which trace it belongs to. Lambda's own variable cannot: an invocation
/// with several messages has several traces, and the SDK would name the first for all of them.
/// This stands at the connection, so that no client can be made without it.
#[derive(Debug)]
struct Traced(SharedHttpConnector);

impl HttpConnector for Traced {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if let Some(context) = trace::current() {
            request.headers_mut().insert("x-amzn-trace-id", context.to_xray());
        }
        self.0.call(request)
    }
}

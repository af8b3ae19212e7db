//! The front door: CloudFront and the API Gateway HTTP API behind it.
//!
//! `/api/*` goes to the functions by the model's routes, under payload format 2.0, and everything
//! else is the static site, as the CDN has it. Every response bears the CDN's headers.

mod payload;
mod problem;
mod routes;
mod site;
mod throttle;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::LengthLimitError;
use infra_model::{App, Limits, RESPONSE_HEADERS};
use jiff::Timestamp;

pub use site::{Pages, Rendered};

use crate::flows::{Flows, StepKind, TraceContext};
use crate::runtime::Runtime;
use payload::Received;
use problem::Problem;
use routes::Routes;

/// What the gateway needs.
#[derive(Clone)]
pub struct Gateway {
    app: &'static App,
    routes: Arc<Routes>,
    runtime: Runtime,
    flows: Flows,
    pages: Pages,
}

impl Gateway {
    /// In front of these functions and this site.
    #[must_use]
    pub fn new(app: &'static App, runtime: Runtime, flows: Flows, pages: Pages) -> Self {
        Self { app, routes: Arc::new(Routes::new(app)), runtime, flows, pages }
    }

    /// Everything on the origin: the app, and `others` besides, which win over the site. It needs
    /// the peer's address as [`ConnectInfo`].
    pub fn router(self, others: Router) -> Router {
        Router::new()
            .route("/api/{*rest}", any(api))
            .route("/api/", any(api))
            .fallback(page)
            .with_state(self)
            .layer(middleware::from_fn(with_response_headers::<true>))
            .merge(others.layer(middleware::from_fn(with_response_headers::<false>)))
    }

    async fn answer(
        &self,
        request: Request,
        peer: SocketAddr,
        request_id: &str,
        trace: TraceContext,
    ) -> Result<Response, Problem> {
        let received_at = Timestamp::now();
        let (parts, body) = request.into_parts();
        let (target, parameters) =
            self.routes.select(parts.method.as_str(), parts.uri.path()).ok_or(Problem::NotFound)?;
        target.throttle.take(Instant::now()).map_err(|wait| Problem::TooManyRequests {
            retry_after_seconds: wait.as_secs_f64().ceil().max(1.0) as u64,
        })?;
        let Limits { request_body_bytes, gateway_timeout_seconds, .. } = self.app.limits;
        let body = read(&parts, body, request_body_bytes).await?;
        let event = payload::event(
            &parts,
            &body,
            Received {
                request_id,
                route_key: &target.key,
                parameters,
                peer,
                trace_header: trace.to_xray(),
                at: received_at,
            },
        );
        let function = target.function.name;
        let traces = [trace];
        let invocation = self.runtime.invoke(function, event.into(), &traces);
        let patience = Duration::from_secs(gateway_timeout_seconds.into());
        let answer = tokio::time::timeout(patience, invocation)
            .await
            .map_err(|_| Problem::GatewayTimeout {
                function,
                reason: format!("no answer within {gateway_timeout_seconds} seconds"),
            })?
            .map_err(|error| Problem::of(function, &error))?;
        let response = payload::response(&parts.method, &answer).map_err(|reason| Problem::BadGateway {
            function,
            reason: format!("not a response: {reason}"),
        })?;
        Ok(response.map(Body::from))
    }
}

async fn api(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let request_id = request_id();
    let trace = request
        .headers()
        .get("traceparent")
        .and_then(|header| TraceContext::from_traceparent(header.to_str().ok()?))
        .unwrap_or_else(TraceContext::new_root);
    let name = format!("{} {}", request.method(), request.uri().path());
    gateway.flows.name(trace.trace, &name);
    let mut step = gateway.flows.begin(&trace, StepKind::Http, &name);

    let answer = gateway.answer(request, peer, &request_id, step.context()).await;
    let failure = answer.as_ref().err().map(Problem::reason);
    let mut response = answer.unwrap_or_else(|problem| problem.into_response(&request_id));

    let status = response.status();
    step.http_status(status.as_u16());
    if status.is_server_error() {
        step.error(failure.unwrap_or_else(|| status.to_string()));
    } else {
        step.ok();
    }
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("apigw-requestid", request_id);
    }
    response
}

async fn page(State(gateway): State<Gateway>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    gateway.pages.serve(&method, uri.path(), &headers).await
}

/// The whole body, unless it is larger than the gateway takes.
async fn read(parts: &http::request::Parts, body: Body, limit: usize) -> Result<bytes::Bytes, Problem> {
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > limit as u64) {
        return Err(Problem::BodyTooLarge);
    }
    to_bytes(body, limit).await.map_err(|error| {
        let too_large = std::error::Error::source(&error).is_some_and(|it| it.is::<LengthLimitError>());
        if too_large { Problem::BodyTooLarge } else { Problem::UnreadableBody }
    })
}

/// Adds the CDN's headers; `OVERRIDE` says whether they win over the response's own, as at the
/// CDN. The console's pages may differ where they show mail in a frame.
async fn with_response_headers<const OVERRIDE: bool>(request: Request, next: Next) -> Response {
    static HEADERS: LazyLock<Vec<(HeaderName, HeaderValue)>> = LazyLock::new(|| {
        let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        RESPONSE_HEADERS.iter().copied().map(header).collect()
    });
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.reserve(HEADERS.len());
    for (name, value) in &*HEADERS {
        if OVERRIDE || !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
    response
}

/// Sixteen characters, as API Gateway's.
fn request_id() -> String {
    let mut random = [0; 11];
    getrandom::fill(&mut random).expect("the system gives random bytes");
    STANDARD.encode(random)
}

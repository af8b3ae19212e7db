//! What is done to every request and every response.

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::header::{self, HeaderValue};
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use tracing::Instrument;

use super::problem::{PROBLEM_JSON, Problem};
use crate::trace::{self, TraceContext};

/// The router as it is served: whatever is sent, the answer is what a handler says or a problem
/// document; nothing is cached unless a handler says so; the work is part of the request's trace.
#[must_use]
pub fn edge(router: Router) -> Router {
    router.layer(middleware::from_fn(handle))
}

async fn handle(request: Request, next: Next) -> Response {
    let request_id = request_id(&request);
    let trace = trace(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let work = async move {
        match trace {
            Some(trace) => trace::scope(trace, next.run(request)).await,
            None => next.run(request).await,
        }
    };
    // A task of its own, for its panic is then an error here. (A release build aborts instead; the platform answers.)
    let mut response = match tokio::spawn(work.in_current_span()).await {
        Ok(response) => as_problem(response, &request_id),
        Err(panic) => Problem::internal(panic).render(&request_id, http::HeaderMap::new()),
    };
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    tracing::info!(
        request_id,
        %method,
        // Never the path itself: it may hold anything.
        route = route.as_ref().map_or("none", MatchedPath::as_str),
        status = response.status().as_u16(),
        "answered"
    );
    response
}

fn as_problem(mut response: Response, request_id: &str) -> Response {
    let status = response.status();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return problem.render(request_id, response.into_parts().0.headers);
    }
    let is_told = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_JSON);
    if (status.is_client_error() || status.is_server_error()) && !is_told {
        return Problem::of_status(status).render(request_id, response.into_parts().0.headers);
    }
    response
}

/// The id that the gateway gave the request.
fn request_id(request: &Request) -> String {
    let of_gateway = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    of_gateway.or_else(|| Some(request.lambda_context_ref()?.request_id.clone())).unwrap_or_default()
}

/// The trace that the platform started the invocation in.
fn trace(request: &Request) -> Option<TraceContext> {
    TraceContext::from_xray(request.lambda_context_ref()?.xray_trace_id.as_deref()?)
}

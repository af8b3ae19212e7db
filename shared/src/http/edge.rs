//! What is done to every request and every response.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use http::HeaderMap;
use http::header::{self, HeaderValue};
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use tracing::Instrument;

use super::problem::{PROBLEM_JSON, Problem};
use crate::trace::{self, TraceContext};

/// The router as it is served: whatever is sent, the answer is what a handler says or a problem
/// document; nothing is cached unless a handler says so; the work is part of the request's trace.
pub fn edge(router: Router) -> Router {
    router.layer(middleware::from_fn(handle))
}

async fn handle(request: Request, next: Next) -> Response {
    let request_id = request_id(&request);
    let trace = trace(&request);
    let work = async move {
        match trace {
            Some(trace) => trace::scope(trace, next.run(request)).await,
            None => next.run(request).await,
        }
    };
    // A task of its own, for its panic is then an error here. (A release build aborts instead; the platform answers.)
    let mut response = match tokio::spawn(work.in_current_span()).await {
        Ok(response) => as_problem(response, &request_id),
        Err(panic) => Problem::internal(panic).render(&request_id, HeaderMap::new()),
    };
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What says in words what went wrong: the handler's problem, or that of a status which the framework answered bare.
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

/// The id that the invocation has in the logs, else that of the request at the gateway.
fn request_id(request: &Request) -> String {
    if let Some(context) = request.lambda_context_ref() {
        return context.request_id.clone();
    }
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// The trace that the platform started the invocation in.
fn trace(request: &Request) -> Option<TraceContext> {
    TraceContext::from_xray(request.lambda_context_ref()?.xray_trace_id.as_deref()?)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::{get, post};
    use http::StatusCode;
    use lambda_http::{Context, Service};
    use serde_json::Value;

    use super::*;
    use crate::error::Error;
    use crate::http::{Json, Result};

    async fn answer(method: &str, path: &str) -> (StatusCode, HeaderMap, Value) {
        let routes = Router::new()
            .route("/ok", get(|| async { Json(trace::current().map(|trace| trace.trace_id())) }))
            .route("/cached", get(|| async { ([(header::CACHE_CONTROL, "max-age=300")], "") }))
            .route(
                "/busy",
                post(|| async {
                    Result::<()>::Err(
                        Error::Busy { retry_after: std::time::Duration::from_millis(1500) }.into(),
                    )
                }),
            )
            .route(
                "/secret",
                get(|| async { Result::<()>::Err(Error::internal("the table said ada@example.com").into()) }),
            )
            .route("/panic", get(|| async { std::hint::black_box(None::<()>).expect("ada@example.com") }));
        let mut context = Context::default();
        context.request_id = "0b5f".to_owned();
        context.xray_trace_id =
            Some("Root=1-6a5b4c3d-0af7651916cd43dd8448eb21;Parent=00f067aa0ba902b7".to_owned());
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = edge(routes).call(request.with_lambda_context(context)).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 4096).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// I3
    #[tokio::test]
    async fn i3_whatever_goes_wrong_the_answer_is_a_problem_document() {
        for (method, path, status, slug) in [
            ("GET", "/nowhere", 404, "not-found"),
            ("POST", "/ok", 405, "method-not-allowed"),
            ("POST", "/busy", 503, "busy"),
            ("GET", "/secret", 500, "internal"),
            ("GET", "/panic", 500, "internal"),
        ] {
            let (is, headers, problem) = answer(method, path).await;
            assert_eq!(is, status, "{path}");
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json", "{path}");
            assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{path}");
            assert_eq!(problem["type"], format!("/problems/{slug}"), "{path}");
            assert_eq!(problem["status"], status, "{path}");
            assert_eq!(problem["request_id"], "0b5f", "{path}");
            assert!(!problem.to_string().contains("ada"), "{path}");
        }
    }

    #[tokio::test]
    async fn a_refusal_says_what_would_be_taken() {
        assert_eq!(answer("POST", "/ok").await.1[header::ALLOW], "GET,HEAD");
        assert_eq!(answer("POST", "/busy").await.1[header::RETRY_AFTER], "2");
    }

    /// F1
    #[tokio::test]
    async fn f1_nothing_is_cached_unless_a_handler_says_so() {
        assert_eq!(answer("GET", "/ok").await.1[header::CACHE_CONTROL], "no-store");
        assert_eq!(answer("GET", "/cached").await.1[header::CACHE_CONTROL], "max-age=300");
    }

    #[tokio::test]
    async fn the_work_is_part_of_the_requests_trace() {
        assert_eq!(answer("GET", "/ok").await.2, "6a5b4c3d0af7651916cd43dd8448eb21");
    }
}

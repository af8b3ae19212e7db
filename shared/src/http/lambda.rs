//! Serves a router as a Lambda function.

use axum::Router;
use lambda_http::lambda_runtime::{self, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, Service, service_fn};

use super::{edge, viewer};

/// Serves the router to the requests of an API Gateway HTTP API, until the platform ends the process.
///
/// # Errors
///
/// If the Lambda Runtime API cannot be spoken to.
pub async fn run(router: Router) -> Result<(), Error> {
    let adapter = Adapter::from(edge(router));
    let handler = service_fn(move |event: LambdaEvent<LambdaRequest>| adapter.clone().call(harmless(event)));
    lambda_runtime::run(handler).await
}

/// `lambda_http` makes a URL of the host, the path and the query, and panics if that fails. No host is
/// needed, so none is given to it; a path or a query that is none is replaced by one that nothing answers to. Here
/// too, since only here the whole event is: whose request it is, behind a CDN.
fn harmless(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
        viewer::restore(request);
        request.headers.remove(http::header::HOST);
        request.request_context.domain_name = None;
        let path = request.raw_path.get_or_insert_default();
        if !path.starts_with('/') || path.len() > MAX_LENGTH {
            "/".clone_into(path);
        }
        if let Some(query) = &request.raw_query_string
            && (query.len() > MAX_LENGTH || format!("/?{query}").parse::<http::Uri>().is_err())
        {
            request.raw_query_string = None;
        }
    }
    event
}

/// Longest path and longest query, in bytes. API Gateway lets 10,240 bytes through for both and all headers.
const MAX_LENGTH: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use http::Method;
    use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
    use lambda_http::{Context, Request};
    use proptest::prelude::*;

    use super::*;

    fn request(path: &str, query: &str, host: &str) -> Option<Request> {
        let request: ApiGatewayV2httpRequest = serde_json::from_value(serde_json::json!({
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": { "host": host },
            "requestContext": {
                "stage": "$default",
                "domainName": host,
                "http": { "method": "GET", "path": path },
            },
        }))
        .ok()?;
        let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(request), Context::default());
        Some(harmless(event).payload.into())
    }

    #[test]
    fn a_request_keeps_its_path_and_its_query() {
        let request = request("/api/auth/sessions/ses_1", "limit=5&cursor=a%20b", "localhost:3000").unwrap();
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.uri().path(), "/api/auth/sessions/ses_1");
        assert_eq!(request.uri().query(), Some("limit=5&cursor=a%20b"));
    }

    proptest! {
        /// I3
        #[test]
        fn i3_no_host_no_path_and_no_query_panics(path in "\\PC*|/[ -~]*|.*", query in "\\PC*|.*", host in "[ -~]*") {
            let _ = request(&path, &query, &host);
        }
    }

    /// I3
    #[test]
    fn i3_what_is_longer_than_a_url_may_be_does_not_panic() {
        let long = "é".repeat(70_000);
        assert!(request(&format!("/{long}"), &long, "x").is_some());
        assert!(request("*", "\u{0}", "[:a b").is_some());
    }
}

//! JSON in and out.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{self, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::Problem;
use crate::error::FieldError;

/// A JSON body: read strictly, or written.
///
/// Read, it must be an object in a body of type `application/json`, at most 64 KiB long, with the fields of
/// `T` and, if `T` denies unknown fields, no others.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(
    /// The value.
    pub T,
);

const MAX_BYTES: usize = 64 * 1024;

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::NOT_JSON);
        }
        // The platform hands over whole bodies: all that can fail is the limit.
        let body = to_bytes(request.into_body(), MAX_BYTES).await.map_err(|_| Problem::TOO_LARGE)?;
        parse(&body).map(Self)
    }
}

/// `application/json`, with or without parameters such as a charset.
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if start != Some(&b'{') {
        // A struct would take its fields from an array as well, by their order.
        return Err(match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
            Ok(_) => Problem::invalid(vec![FieldError::new("", "The body must be a JSON object.")]),
            Err(_) => Problem::MALFORMED_JSON,
        });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            // What follows a wrong value may be no JSON at all: that is the greater problem.
            Category::Data if is_well_formed(body) => Problem::invalid(vec![field_error(&path, &error)]),
            Category::Data | Category::Syntax | Category::Eof | Category::Io => Problem::MALFORMED_JSON,
        }
    })?;
    deserializer.end().map_err(|_| Problem::MALFORMED_JSON)?;
    Ok(value)
}

fn is_well_formed(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// serde says in words, not in data, which field it misses or does not know.
fn field_error(path: &str, error: &serde_json::Error) -> FieldError {
    let words = error.to_string();
    let quoted = || words.split('`').nth(1).unwrap_or(path).to_owned();
    if words.starts_with("missing field") {
        FieldError::new(quoted(), "This field is required.")
    } else if words.starts_with("unknown field") {
        FieldError::new(quoted(), "There is no such field.")
    } else if words.starts_with("duplicate field") {
        FieldError::new(quoted(), "This field is there twice.")
    } else {
        FieldError::new(path, "This field has the wrong type.")
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(json) => {
                let content_type = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, content_type)], Body::from(json)).into_response()
            }
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Body {
        email: String,
        #[serde(default)]
        count: Option<u32>,
    }

    fn told(body: &str) -> String {
        match parse::<Body>(body.as_bytes()) {
            Ok(body) => format!("{body:?}"),
            Err(problem) => {
                let response = problem.into_response();
                let problem = response.extensions().get::<Problem>().unwrap().clone();
                format!("{} {problem:?}", response.status().as_u16())
            }
        }
    }

    /// I2, I3
    #[test]
    fn i2_what_is_not_what_was_asked_for_is_told_by_field() {
        assert!(told(r#" {"email":"a"} "#).starts_with("Body"));
        for (body, status, field) in [
            (r#"{"email":"a","admin":true}"#, 422, "\"admin\""),
            (r#"{"email":"a","verified_at":"2026-01-01T00:00:00Z"}"#, 422, "\"verified_at\""),
            (r#"{"count":1}"#, 422, "\"email\""),
            (r#"{"email":5}"#, 422, "\"email\""),
            (r#"{"email":null}"#, 422, "\"email\""),
            (r#"{"email":"a","count":-1}"#, 422, "\"count\""),
            (r#"{"email":"a","email":"b"}"#, 422, "\"email\""),
            (r#"["a",1]"#, 422, "object"),
            (r#""a""#, 422, "object"),
            ("", 400, "malformed"),
            ("{", 400, "malformed"),
            (r#"{"email":"a"} x"#, 400, "malformed"),
            (r#"{"email":5} x"#, 400, "malformed"),
            (r#"{"email":5"#, 400, "malformed"),
            (r#"{"email":"\ud800"}"#, 400, "malformed"),
            ("{\"email\":\"\u{0}\"}", 400, "malformed"),
        ] {
            let told = told(body);
            assert!(told.starts_with(&status.to_string()) && told.contains(field), "{body}: {told}");
        }
        let not_unicode = parse::<Body>(b"{\"email\":\"\xff\"}").unwrap_err();
        assert_eq!(not_unicode.into_response().status(), 400);
        let deep = format!("{{\"email\":{}", "[".repeat(60_000));
        assert!(told(&deep).starts_with("400"));
    }

    #[test]
    fn only_json_is_taken_for_json() {
        let is_json = |value: &'static str| {
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]))
        };
        assert!(is_json("application/json"));
        assert!(is_json("Application/JSON; charset=utf-8"));
        assert!(!is_json("text/plain"));
        assert!(!is_json("application/jsonp"));
        assert!(!is_json("text/plain;application/json"));
        assert!(!super::is_json(&HeaderMap::new()));
    }
}

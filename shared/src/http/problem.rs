//! Problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)): how every refusal and every failure is told.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Error, FieldError};
use crate::log::causes;

/// The result of a handler.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// A refusal or a failure, to be told as a problem document.
///
/// What a handler returns has no body yet: the edge writes it, for it knows the request's id.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    slug: &'static str,
    detail: &'static str,
    errors: Vec<InvalidField>,
    /// In seconds.
    retry_after: Option<u64>,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

/// A problem as it is sent, `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// What kind of problem: a path below the app's origin that never changes.
    #[serde(rename = "type")]
    #[schema(example = "/problems/validation")]
    kind: String,
    /// The status in words.
    #[schema(example = "Unprocessable Entity")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// One sentence for people.
    detail: &'static str,
    /// Finds the request in the logs.
    request_id: String,
    /// The fields that break a rule, if that is the problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<InvalidField>,
}

/// A field that breaks a rule.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InvalidField {
    /// Its name in the request.
    #[schema(example = "email")]
    field: String,
    /// What to do about it: one sentence for people.
    #[schema(example = "Enter an email address, like name@example.com.")]
    message: String,
}

/// `content-type` of a problem document.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

impl Problem {
    /// 400: the body is not JSON at all.
    pub(super) const MALFORMED_JSON: Self =
        Self::new(StatusCode::BAD_REQUEST, "malformed-json", "The body is not well-formed JSON.");

    /// 403: a browser sent the request on behalf of another site, or did not say that it did not.
    pub(super) const CROSS_SITE: Self = Self::new(
        StatusCode::FORBIDDEN,
        "cross-site",
        "A change that is proven by a cookie must come from the app's own pages.",
    );

    /// 413.
    pub const TOO_LARGE: Self =
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "content-too-large", "The body is larger than 64 KiB.");

    /// 415.
    pub(super) const NOT_JSON: Self = Self::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "The body must be JSON, sent with content-type: application/json.",
    );

    /// 404: what was asked for does not exist, or is not the caller's.
    pub const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here.");

    /// A problem of a function's own. The slug ends its type; the detail is one plain sentence or two.
    #[must_use]
    pub const fn new(status: StatusCode, slug: &'static str, detail: &'static str) -> Self {
        Self { status, slug, detail, errors: Vec::new(), retry_after: None, cause: None }
    }

    /// 422: these fields break a rule.
    pub(super) fn invalid(errors: Vec<FieldError>) -> Self {
        let errors = errors.into_iter().map(|FieldError { field, message }| InvalidField { field, message });
        Self {
            errors: errors.collect(),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "validation",
                "Some of what was sent cannot be taken.",
            )
        }
    }

    /// 500: the cause is for the log only.
    pub(super) fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            cause: Some(Arc::from(cause.into())),
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong on our side. Try again; if it stays, tell us the request id.",
            )
        }
    }

    /// The problem of a response that the framework made with this status, and no words.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method-not-allowed",
                "This cannot be done here; the allow header says what can.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => Self::TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::NOT_JSON,
            status if status.is_server_error() => Self::internal(format!("a response with status {status}")),
            status => Self::new(status, "bad-request", "The request cannot be understood."),
        }
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, duration: Duration) -> Self {
        // Rounded up: whoever waits that long is let in.
        let seconds = duration.as_millis().div_ceil(1000).max(1);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        self.retry_after = Some(seconds);
        self
    }

    /// Writes the document, and for the log the failure it tells of: the only place where that is done.
    pub(super) fn render(&self, request_id: &str, headers: HeaderMap) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(error = causes(&**cause), "a request failed");
        }
        let document = ProblemDocument {
            kind: format!("/problems/{}", self.slug),
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: self.detail,
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
        };
        let mut response = Response::new(Body::from(serde_json::to_vec(&document).unwrap_or_default()));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::invalid(errors),
            Error::Unauthenticated => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first.")
            }
            Error::InvalidCredentials => Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid-credentials",
                "The address or the password is not right, or the address is not verified yet.",
            ),
            Error::InvalidLink => Self::new(
                StatusCode::GONE,
                "invalid-link",
                "This link has expired, was used already, or a newer one was sent.",
            ),
            Error::InvalidCode => Self::new(
                StatusCode::GONE,
                "invalid-code",
                "This code has expired, was used, was tried too often, or a newer one was sent. Ask for another.",
            ),
            Error::NotFound => Self::NOT_FOUND,
            Error::Conflict => Self::new(
                StatusCode::CONFLICT,
                "conflict",
                "Something changed meanwhile and nothing was done. Look again, then try again.",
            ),
            Error::TooManyRequests { retry_after } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "Too many attempts. Wait a while before the next one.",
            )
            .retry_after(retry_after),
            Error::Busy { retry_after } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "There is much to do just now. Try again in a moment.",
            )
            .retry_after(retry_after),
            Error::Unavailable(cause) => Self {
                cause: Some(Arc::from(cause)),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "Something on our side does not answer just now. Try again in a moment.",
                )
            }
            .retry_after(Duration::from_secs(1)),
            Error::Internal(cause) => Self::internal(cause),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 wants to hear how to authenticate. No browser asks for a password on account of this scheme.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

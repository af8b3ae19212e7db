//! Problem documents (RFC 9457) of the console.

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::{journal, table};

/// Why the console does not do what was asked.
#[derive(Debug)]
pub(crate) enum Problem {
    NotFound(&'static str),
    /// It cannot be done as things are.
    Conflict(String),
    /// The request itself is wrong, in this way.
    Invalid(String),
    /// It does not come from this machine's own pages or programs.
    Forbidden(&'static str),
    MethodNotAllowed,
    TooLarge,
    /// Something is broken.
    Internal(String),
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn slug_and_title(&self) -> (&'static str, &'static str) {
        match self {
            Self::NotFound(_) => ("not-found", "There is no such thing"),
            Self::Conflict(_) => ("conflict", "This cannot be done now"),
            Self::Invalid(_) => ("validation", "The request is not right"),
            Self::Forbidden(_) => ("forbidden", "This is for this machine only"),
            Self::MethodNotAllowed => ("method-not-allowed", "This cannot be done here"),
            Self::TooLarge => ("payload-too-large", "The request is too large"),
            Self::Internal(_) => ("internal", "Something is broken"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let (slug, title) = self.slug_and_title();
        let detail = match self {
            Self::NotFound(detail) | Self::Forbidden(detail) => detail.to_owned(),
            Self::Invalid(detail) | Self::Conflict(detail) => detail,
            Self::MethodNotAllowed | Self::TooLarge => format!("{title}."),
            Self::Internal(detail) => {
                tracing::error!("the console failed: {detail}");
                detail
            }
        };
        let document = json!({
            "type": format!("/problems/{slug}"),
            "title": title,
            "status": status.as_u16(),
            "detail": detail,
            "request_id": uuid::Uuid::now_v7().to_string(),
        });
        let mut response = (status, document.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl From<journal::Error> for Problem {
    fn from(error: journal::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<table::Error> for Problem {
    fn from(error: table::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::Invalid(rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            _ => Self::Invalid(rejection.body_text()),
        }
    }
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::MethodNotAllowed
}

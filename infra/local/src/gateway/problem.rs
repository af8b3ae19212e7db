//! Problem documents (RFC 9457) of the gateway itself.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::runtime::InvokeError;

/// Why the gateway answers by itself.
#[derive(Debug)]
pub(super) enum Problem {
    /// The body could not be read to its end.
    UnreadableBody,
    BodyTooLarge,
    /// The route or the function has as many requests as it takes.
    TooManyRequests {
        retry_after_seconds: u64,
    },
    /// No route takes the request.
    NotFound,
    /// The function failed, or its answer is none.
    BadGateway {
        function: &'static str,
        reason: String,
    },
    /// The function took too long.
    GatewayTimeout {
        function: &'static str,
        reason: String,
    },
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
}

impl Problem {
    /// Why an invocation has no answer.
    pub(super) fn of(function: &'static str, error: &InvokeError) -> Self {
        let reason = error.to_string();
        match error {
            InvokeError::Throttled => Self::TooManyRequests { retry_after_seconds: 1 },
            InvokeError::PayloadTooLarge => Self::BodyTooLarge,
            InvokeError::TimedOut { .. } => Self::GatewayTimeout { function, reason },
            InvokeError::UnknownFunction
            | InvokeError::Crashed { .. }
            | InvokeError::InitFailed { .. }
            | InvokeError::Function { .. } => Self::BadGateway { function, reason },
        }
    }

    /// For the flow.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::BadGateway { reason, .. } | Self::GatewayTimeout { reason, .. } => reason.clone(),
            Self::UnreadableBody | Self::BodyTooLarge | Self::TooManyRequests { .. } | Self::NotFound => {
                self.title().to_owned()
            }
        }
    }

    pub(super) fn into_response(self, request_id: &str) -> Response {
        let status = self.status();
        let document = Document {
            r#type: format!("/problems/{}", self.slug()),
            title: self.title(),
            status: status.as_u16(),
            detail: &self.detail(),
            request_id,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Self::TooManyRequests { retry_after_seconds } = self {
            headers.insert(RETRY_AFTER, retry_after_seconds.into());
        }
        response
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::UnreadableBody => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadGateway { .. } => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::UnreadableBody => "bad-request",
            Self::BodyTooLarge => "payload-too-large",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::NotFound => "not-found",
            Self::BadGateway { .. } => "bad-gateway",
            Self::GatewayTimeout { .. } => "gateway-timeout",
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::UnreadableBody => "The request cannot be read",
            Self::BodyTooLarge => "The request is too large",
            Self::TooManyRequests { .. } => "Too many requests",
            Self::NotFound => "There is nothing here",
            Self::BadGateway { .. } => "The request could not be answered",
            Self::GatewayTimeout { .. } => "The request took too long",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::UnreadableBody => "The body ended before its end.".to_owned(),
            Self::BodyTooLarge => "Send a smaller body.".to_owned(),
            Self::TooManyRequests { .. } => "Try again in a moment.".to_owned(),
            Self::NotFound => "No route has this method and path.".to_owned(),
            Self::BadGateway { function, .. } => format!(
                "The function \"{function}\" failed. What it wrote is under Functions in the console."
            ),
            Self::GatewayTimeout { function, .. } => format!(
                "The function \"{function}\" did not answer in time. What it wrote is under Functions in the console."
            ),
        }
    }
}

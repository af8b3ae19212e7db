//! One click ends a kind of mail ([RFC 8058](https://www.rfc-editor.org/rfc/rfc8058)): the token in the mail is proof enough, so there is
//! neither a cookie nor a question. Only a POST does it: programs that look at mail follow its links.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Query, Request, State};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use serde::Deserialize;
use shared::error::Error;
use shared::event::{Envelope, Event};
use shared::http::{Json, Problem, Result};
use shared::trace;
use shared::unsubscribe::UnsubscribeToken;
use utoipa::{IntoParams, ToSchema};

use crate::Api;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UnsubscribeQuery {
    /// What the mail has in its `List-Unsubscribe` header.
    token: Option<String>,
}

/// The token, as the app's own page sends it: in no URL.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnsubscribeBody {
    /// What follows `#token=` in the mail's link.
    token: String,
}

/// The page that ends a kind of mail
///
/// For mail programs that open the address of the header. Changes nothing.
#[utoipa::path(get, path = "/api/unsubscribe", operation_id = "unsubscribe_page", tag = "api", params(UnsubscribeQuery),
    responses(
        (status = 303, description = "The page that asks for a click"),
        (status = 410, description = "Not a token of ours",
            body = shared::http::ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn page(
    State(api): State<Api>,
    Query(query): Query<UnsubscribeQuery>,
) -> Result<(StatusCode, HeaderMap)> {
    let token = parse(query.token.as_deref())?;
    let location = format!("{}/unsubscribe#token={token}", api.origin.as_str());
    let location = HeaderValue::try_from(location).map_err(Error::internal)?;
    Ok((StatusCode::SEE_OTHER, HeaderMap::from_iter([(header::LOCATION, location)])))
}

/// End a kind of mail
///
/// By one click in a mail program, or on the app's own page, without being signed in. Either the query has the token and
/// the body is the form `List-Unsubscribe=One-Click`, or the body is JSON and has the token.
#[utoipa::path(post, path = "/api/unsubscribe", operation_id = "unsubscribe", tag = "api", params(UnsubscribeQuery),
    request_body(content(
        (UnsubscribeBody = "application/json"),
        (String = "application/x-www-form-urlencoded"),
        (String = "multipart/form-data"),
    )),
    responses(
        (status = 204, description = "There is no more mail of this kind"),
        (status = 410, description = "Not a token of ours",
            body = shared::http::ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn unsubscribe(
    State(api): State<Api>,
    Query(query): Query<UnsubscribeQuery>,
    request: Request,
) -> Result<StatusCode> {
    let token = match form_kind(request.headers()) {
        None => {
            let Json(body) = Json::<UnsubscribeBody>::from_request(request, &()).await?;
            parse(Some(&body.token))?
        }
        Some(kind) => {
            let token = parse(query.token.as_deref())?;
            let body = to_bytes(request.into_body(), MAX_BYTES).await.map_err(|_| NOT_ONE_CLICK)?;
            if !kind.is_one_click(&body) {
                return Err(NOT_ONE_CLICK);
            }
            token
        }
    };
    let key = api.unsubscribe_key.current().await?;
    let (user_id, kind) = token.verify(&key).ok_or(Error::InvalidLink)?;
    let traceparent = trace::current().map(|trace| trace.to_traceparent());
    let event =
        Envelope::new(user_id, Event::PreferencesChanged {}, api.clock.now(), &api.random, traceparent);
    api.store.end_mail(kind, &event).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(token: Option<&str>) -> Result<UnsubscribeToken, Error> {
    token.unwrap_or_default().parse().map_err(|_| Error::InvalidLink)
}

/// The form has one field.
const MAX_BYTES: usize = 4 * 1024;

/// 400: whoever sent it meant something else.
const NOT_ONE_CLICK: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "not-one-click",
    "The body must be the form List-Unsubscribe=One-Click.",
);

/// How a form is written. The standard wants both to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FormKind {
    UrlEncoded,
    Multipart,
}

fn form_kind(headers: &HeaderMap) -> Option<FormKind> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = kind.split(';').next()?.trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Some(FormKind::UrlEncoded),
        "multipart/form-data" => Some(FormKind::Multipart),
        _ => None,
    }
}

impl FormKind {
    fn is_one_click(self, body: &Bytes) -> bool {
        match self {
            Self::UrlEncoded => {
                body.split(|byte| *byte == b'&').any(|pair| pair == b"List-Unsubscribe=One-Click")
            }
            // A part's head, an empty line, and its value: what stands around it says nothing more.
            Self::Multipart => {
                let text = String::from_utf8_lossy(body);
                let mut lines = text.lines();
                let is_head = |line: &str| {
                    let line = line.to_ascii_lowercase();
                    line.starts_with("content-disposition:") && line.contains("name=\"list-unsubscribe\"")
                };
                lines.any(is_head) && lines.any(str::is_empty) && lines.next() == Some("One-Click")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S2
    #[test]
    fn s2_a_click_is_told_from_anything_else() {
        let url_encoded =
            |body: &'static str| FormKind::UrlEncoded.is_one_click(&Bytes::from_static(body.as_bytes()));
        assert!(url_encoded("List-Unsubscribe=One-Click"));
        assert!(url_encoded("a=b&List-Unsubscribe=One-Click"));
        assert!(!url_encoded("") && !url_encoded("List-Unsubscribe=") && !url_encoded("x=List-Unsubscribe"));
        let multipart =
            |body: &'static str| FormKind::Multipart.is_one_click(&Bytes::from_static(body.as_bytes()));
        assert!(multipart(
            "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"
        ));
        assert!(multipart(
            "--x\r\ncontent-disposition: form-data; name=\"List-Unsubscribe\"\r\nContent-Type: text/plain\r\n\r\nOne-Click\r\n--x--"
        ));
        assert!(!multipart(
            "--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nOne-Click\r\n--x--"
        ));
        assert!(!multipart("") && !multipart("\r\n\r\nOne-Click"));
        let kind = |value: &'static str| {
            form_kind(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]))
        };
        assert_eq!(kind("application/x-www-form-urlencoded"), Some(FormKind::UrlEncoded));
        assert_eq!(kind("Multipart/Form-Data; boundary=x"), Some(FormKind::Multipart));
        assert_eq!(kind("application/json"), None);
    }
}

//! Requests of the app's own pages, told from those that another site makes a browser send.

use axum::extract::{FromRef, FromRequestParts};
use http::header::{self, HeaderMap};
use http::request::Parts;
use std::sync::Arc;

use super::Problem;

/// The origin that browsers use, as `https://example.com`.
#[derive(Debug, Clone)]
pub struct Origin(Arc<str>);

impl Origin {
    /// This origin.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self(origin.into())
    }

    /// The origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a browser says that one of the app's own pages sends the request. Browsers let no page choose these headers.
    pub(super) fn sends(&self, headers: &HeaderMap) -> bool {
        match headers.get("sec-fetch-site") {
            Some(site) => site == "same-origin",
            None => headers.get(header::ORIGIN).is_some_and(|origin| origin == self.as_str()),
        }
    }
}

/// Proof that a request with cookies comes from the app's own pages. Without it: 403.
#[derive(Debug, Clone, Copy)]
pub struct SameOrigin;

impl<S: Sync> FromRequestParts<S> for SameOrigin
where
    Origin: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Origin::from_ref(state).sends(&parts.headers).then_some(Self).ok_or(Problem::CROSS_SITE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T6
    #[test]
    fn t6_only_the_apps_own_pages_may_write_by_cookie() {
        let origin = Origin::new("https://billion.example");
        let sends = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            origin.sends(&headers.collect::<HeaderMap>())
        };
        assert!(sends(&[("sec-fetch-site", "same-origin")]));
        assert!(sends(&[("origin", "https://billion.example")]));
        for headers in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://billion.example")],
            &[("origin", "null")],
            &[("origin", "http://billion.example")],
            &[("origin", "https://billion.example.evil.example")],
            &[("origin", "https://evil.example"), ("host", "billion.example")],
            &[("referer", "https://billion.example/security")],
        ] {
            assert!(!sends(headers), "{headers:?}");
        }
    }
}

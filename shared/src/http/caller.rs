//! Who is asking.

use axum::extract::{FromRef, FromRequestParts};
use http::Method;
use http::header::{self, HeaderMap};
use http::request::Parts;

use super::{Cookie, Origin, Problem};
use crate::error::Error;
use crate::id::{SessionId, UserId};
use crate::token::{AccessClaims, Verifier};

/// The signed-in user that sends a request, as an access token says. Without one: 401.
///
/// The token comes in `Authorization: Bearer` or, from a browser, in a cookie. A browser sends a cookie
/// whichever site makes it ask, so a request that changes something must then be the app's own: else 403.
/// Nothing is read from the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
}

/// What it takes to tell who is asking.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// Verifies access tokens.
    pub verifier: Verifier,
    /// Where the app's own pages are.
    pub origin: Origin,
}

impl<S: Sync> FromRequestParts<S> for Caller
where
    Authentication: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Authentication { verifier, origin } = Authentication::from_ref(state);
        let token = match credentials(&parts.headers)? {
            Credentials::Bearer(token) => token,
            Credentials::Cookie(token) => {
                let changes_nothing = matches!(parts.method, Method::GET | Method::HEAD);
                if !changes_nothing && !origin.sends(&parts.headers) {
                    return Err(Problem::CROSS_SITE);
                }
                token
            }
        };
        let AccessClaims { user_id, session_id } = verifier.verify(token).await?;
        Ok(Self { user_id, session_id })
    }
}

#[derive(Debug, PartialEq)]
enum Credentials<'a> {
    Bearer(&'a str),
    Cookie(&'a str),
}

/// Whoever authenticates by header means that and no cookie, even if it is no good.
fn credentials(headers: &HeaderMap) -> Result<Credentials<'_>, Error> {
    match headers.get(header::AUTHORIZATION) {
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| Credentials::Bearer(token.trim())),
        None => Cookie::ACCESS.read(headers).map(Credentials::Cookie),
    }
    .ok_or(Error::Unauthenticated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_counts_before_a_cookie() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<HeaderMap>()
        };
        let cookie = ("cookie", "__Host-access=c");
        assert_eq!(credentials(&headers(&[cookie])).unwrap(), Credentials::Cookie("c"));
        assert_eq!(
            credentials(&headers(&[cookie, ("authorization", "bearer b")])).unwrap(),
            Credentials::Bearer("b")
        );
        assert!(credentials(&headers(&[cookie, ("authorization", "Basic b")])).is_err());
        assert!(credentials(&headers(&[cookie, ("authorization", "Bearer")])).is_err());
        assert!(credentials(&headers(&[])).is_err());
    }
}

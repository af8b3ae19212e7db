use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use shared::error::Error;
use shared::event::Event;
use shared::http::{Caller, Cookie, Json, Problem, Result, SameOrigin, Time};
use shared::id::{SessionId, UserId};
use shared::session::{Refreshed, Session, SessionEnd};
use shared::token::RefreshClaims;
use utoipa::ToSchema;

use crate::Auth;
use crate::sign_in::session_cookies;

/// Go on with a session
///
/// Takes the refresh cookie and sets a new pair of cookies. The previous refresh token is taken for ten more
/// seconds; an older one ends the session, for somebody has a copy of it.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", responses(
    (status = 204, description = "The cookies are new"),
    (status = 401, description = "The session has ended; the cookies are removed",
        body = shared::http::ProblemDocument, content_type = "application/problem+json"),
))]
pub(crate) async fn refresh(State(auth): State<Auth>, _: SameOrigin, headers: HeaderMap) -> Result<Response> {
    match refreshed(&auth, &headers).await {
        Ok(session) => {
            let cookies = AppendHeaders(session_cookies(&auth, &session).await?);
            Ok((cookies, StatusCode::NO_CONTENT).into_response())
        }
        Err(Error::Unauthenticated) => {
            Ok((cleared_cookies(), Problem::from(Error::Unauthenticated)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn refreshed(auth: &Auth, headers: &HeaderMap) -> Result<Session, Error> {
    let RefreshClaims { user_id, session_id, generation } = refresh_claims(auth, headers).await?;
    let now = auth.clock.now();
    let replayed = Event::SessionEnded { session_id, reason: SessionEnd::Replayed };
    let replayed = auth.event(user_id, replayed, now);
    match auth.store.refresh_session(user_id, session_id, generation, now, &replayed).await? {
        Refreshed::Current(session) => Ok(session),
        Refreshed::Replayed | Refreshed::Ended => Err(Error::Unauthenticated),
    }
}

async fn refresh_claims(auth: &Auth, headers: &HeaderMap) -> Result<RefreshClaims, Error> {
    let token = Cookie::REFRESH.read(headers).ok_or(Error::Unauthenticated)?;
    auth.signer.verifier().verify(token).await
}

/// Sign out
///
/// Ends the session of the cookies and removes them; also when the access token has expired, and when there is
/// no session any more.
#[utoipa::path(post, path = "/api/auth/sign-out", tag = "auth", responses(
    (status = 204, description = "Signed out"),
))]
pub(crate) async fn sign_out(State(auth): State<Auth>, request: Request) -> Result<impl IntoResponse> {
    if let Some((user_id, session_id)) = session_of(&auth, request).await? {
        match end(&auth, user_id, session_id, SessionEnd::SignedOut).await {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((cleared_cookies(), StatusCode::NO_CONTENT))
}

/// The session that a request belongs to: of its bearer token, else of either cookie.
async fn session_of(auth: &Auth, request: Request) -> Result<Option<(UserId, SessionId)>> {
    let (mut parts, _) = request.into_parts();
    let by_cookie = !parts.headers.contains_key(header::AUTHORIZATION);
    if by_cookie {
        SameOrigin::from_request_parts(&mut parts, auth).await?;
        match refresh_claims(auth, &parts.headers).await {
            Ok(RefreshClaims { user_id, session_id, .. }) => return Ok(Some((user_id, session_id))),
            Err(Error::Unauthenticated) => {}
            Err(error) => return Err(error.into()),
        }
        if Cookie::ACCESS.read(&parts.headers).is_none() {
            return Ok(None);
        }
    }
    match Caller::from_request_parts(&mut parts, auth).await {
        Ok(Caller { user_id, session_id }) => Ok(Some((user_id, session_id))),
        Err(_) if by_cookie => Ok(None),
        Err(problem) => Err(problem),
    }
}

async fn end(auth: &Auth, user: UserId, session_id: SessionId, reason: SessionEnd) -> Result<(), Error> {
    let event = auth.event(user, Event::SessionEnded { session_id, reason }, auth.clock.now());
    auth.store.end_session(user, session_id, &event).await
}

pub(crate) fn cleared_cookies() -> AppendHeaders<[(HeaderName, HeaderValue); 2]> {
    AppendHeaders([Cookie::ACCESS, Cookie::REFRESH].map(|cookie| (header::SET_COOKIE, cookie.clear())))
}

/// The sessions of a user.
#[derive(Serialize, ToSchema)]
pub(crate) struct Sessions {
    /// Newest first.
    sessions: Vec<SessionDocument>,
}

/// A signed-in browser or machine.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionDocument {
    /// Id.
    #[schema(example = "ses_019346f1a2b37c8d9e0f1a2b3c4d5e6f")]
    id: String,
    /// Short description.
    #[schema(example = "Firefox on Linux")]
    device: String,
    /// When it signed in.
    created_at: Time,
    /// When it was last refreshed.
    last_seen_at: Time,
    /// Whether the request belongs to it.
    current: bool,
}

/// List sessions
///
/// Where the user is signed in.
#[utoipa::path(get, path = "/api/auth/sessions", operation_id = "list_sessions", tag = "auth",
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 200, description = "The sessions", body = Sessions)),
)]
pub(crate) async fn list(State(auth): State<Auth>, caller: Caller) -> Result<Json<Sessions>> {
    let sessions = auth.store.sessions(caller.user_id, auth.clock.now()).await?;
    let document = |session: Session| SessionDocument {
        id: session.id.to_string(),
        device: session.device,
        created_at: session.created_at.into(),
        last_seen_at: session.refreshed_at.into(),
        current: session.id == caller.session_id,
    };
    Ok(Json(Sessions { sessions: sessions.into_iter().map(document).collect() }))
}

/// End a session
///
/// It can be refreshed no more, and its access token expires within ten minutes.
#[utoipa::path(delete, path = "/api/auth/sessions/{id}", operation_id = "end_session", tag = "auth",
    security(("access_cookie" = []), ("access_token" = [])),
    params(("id" = String, Path, description = "Id of the session")),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 404, description = "The user has no such session",
            body = shared::http::ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn revoke(
    State(auth): State<Auth>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response> {
    let id: SessionId = id.parse().map_err(|_| Error::NotFound)?;
    end(&auth, caller.user_id, id, SessionEnd::Revoked).await?;
    Ok(match id == caller.session_id {
        true => (cleared_cookies(), StatusCode::NO_CONTENT).into_response(),
        false => StatusCode::NO_CONTENT.into_response(),
    })
}

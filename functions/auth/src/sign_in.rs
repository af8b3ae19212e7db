use axum::extract::State;
use axum::response::AppendHeaders;
use futures_util::future::join_all;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::device::{self, KnownDevice};
use shared::email_address::{EmailAddress, EmailKey};
use shared::error::Error;
use shared::event::Event;
use shared::http::{Client, Cookie, Json, Result, UserDocument};
use shared::id::SessionId;
use shared::limit::{Limit, SIGN_IN_BY_CLIENT, SIGN_IN_BY_STRANGERS, SIGN_IN_TO_ACCOUNT};
use shared::log::causes;
use shared::password::{Password, PasswordHash};
use shared::session::Session;
use shared::token::{AccessClaims, RefreshClaims};
use shared::user::User;
use utoipa::ToSchema;

use crate::Auth;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInBody {
    /// The address of the account.
    #[schema(example = "ada@example.com")]
    email: String,
    /// Its password.
    #[schema(example = "orbit velvet canyon seven", format = Password)]
    password: String,
}

/// The user that is now signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedIn {
    user: UserDocument,
}

pub(crate) type SetCookies<const N: usize> = AppendHeaders<[(HeaderName, HeaderValue); N]>;

/// Sign in
///
/// Begins a session and sets its cookies. A wrong password, an unknown address and an unverified address are
/// refused alike.
#[utoipa::path(post, path = "/api/auth/sign-in", tag = "auth", request_body = SignInBody, responses(
    (status = 200, description = "Signed in; the cookies say so", body = SignedIn),
    (status = 401, description = "Wrong password, unknown address or unverified address",
        body = shared::http::ProblemDocument, content_type = "application/problem+json"),
))]
pub(crate) async fn sign_in(
    State(auth): State<Auth>,
    client: Client,
    headers: HeaderMap,
    Json(body): Json<SignInBody>,
) -> Result<(SetCookies<3>, Json<SignedIn>)> {
    let email: EmailAddress =
        body.email.parse().map_err(|error| Error::field("email", format!("{error}")))?;
    let email = email.key();
    let device = known_device(&auth, &headers).await?;
    let (attempt, user) =
        tokio::join!(Attempt::count(&auth, &client, &email, &device), auth.store.user_by_email(&email));
    let attempt = attempt?;
    let owner = async { owner(&auth, user?, &Password::presented(&body.password)).await }.await;
    if let Err(Error::InvalidCredentials) = owner {
        return Err(Error::InvalidCredentials.into());
    }
    let begin = async {
        let (user, rehashed) = owner?;
        let session = begin(&auth, &user, rehashed, device.is_of(&user), &headers).await?;
        Ok::<_, Error>((user, session))
    };
    let (begun, ()) = tokio::join!(begin, attempt.give_back(&auth));
    let (user, session) = begun?;
    let [access, refresh] = session_cookies(&auth, &session).await?;
    let device = device_cookie(&auth, device, &user).await?;
    Ok((AppendHeaders([access, refresh, device]), Json(SignedIn { user: UserDocument::from(&user) })))
}

/// The user, if the password is theirs and the address too, and the better hash of it if there is one.
async fn owner(
    auth: &Auth,
    user: Option<User>,
    password: &Password,
) -> Result<(User, Option<PasswordHash>), Error> {
    let right = auth.hasher.verify(password, user.as_ref().map(|user| &user.password_hash)).await?;
    let user = user.filter(|user| right && user.is_verified()).ok_or(Error::InvalidCredentials)?;
    let rehashed = match user.password_hash.is_outdated() {
        true => Some(auth.hasher.hash(password).await?),
        false => None,
    };
    Ok((user, rehashed))
}

async fn begin(
    auth: &Auth,
    user: &User,
    rehashed: Option<PasswordHash>,
    known_device: bool,
    headers: &HeaderMap,
) -> Result<Session, Error> {
    let session = new_session(auth, user, headers);
    let started = Event::SessionStarted {
        session_id: session.id,
        device: session.device.clone(),
        new_device: user.first_signed_in_at.is_some() && !known_device,
    };
    let event = auth.event(user.id, started, session.created_at);
    auth.store.start_session(user, &session, rehashed.as_ref(), &event).await?;
    Ok(session)
}

fn new_session(auth: &Auth, user: &User, headers: &HeaderMap) -> Session {
    let now = auth.clock.now();
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Session {
        id: SessionId::new(now, &auth.random),
        user_id: user.id,
        device: device::describe(user_agent.unwrap_or_default()),
        generation: 0,
        refreshed_at: now,
        created_at: now,
    }
}

/// An attempt to sign in, counted before its password is checked, so that attempts at once cannot pass a limit together.
struct Attempt {
    counted: Vec<(&'static Limit, String)>,
    at: Timestamp,
}

impl Attempt {
    /// Counts from the narrowest limit to the widest: whoever is refused by one takes nothing from the next,
    /// which others share. A known device has one of its own, so that nobody else uses up what its owner may try.
    async fn count(
        auth: &Auth,
        client: &Client,
        account: &EmailKey,
        device: &KnownDevice,
    ) -> Result<Self, Error> {
        let account_key = account.as_str();
        let limits = match device.knows(account) {
            true => vec![(&SIGN_IN_TO_ACCOUNT, format!("{account_key} device {}", device.id()))],
            false => vec![
                (&SIGN_IN_TO_ACCOUNT, format!("{account_key} client {client}")),
                (&SIGN_IN_BY_CLIENT, client.to_string()),
                (&SIGN_IN_BY_STRANGERS, account_key.to_owned()),
            ],
        };
        let mut attempt = Self { counted: Vec::with_capacity(limits.len()), at: auth.clock.now() };
        for (limit, key) in limits {
            match auth.store.take(limit, &key, attempt.at).await {
                Ok(()) => attempt.counted.push((limit, key)),
                Err(error @ Error::TooManyRequests { .. }) => return Err(error),
                // It was no attempt: nothing was tried.
                Err(error) => {
                    attempt.give_back(auth).await;
                    return Err(error);
                }
            }
        }
        Ok(attempt)
    }

    /// It was no failure. Should this fail, the owner has fewer attempts for a while: no reason to refuse this one.
    async fn give_back(self, auth: &Auth) {
        let give_back = |(limit, key): &(&'static Limit, String)| {
            let (limit, key) = (*limit, key.clone());
            async move {
                if let Err(error) = auth.store.give_back(limit, &key, self.at).await {
                    tracing::warn!(
                        error = causes(&error),
                        limit = limit.name,
                        "an attempt was not given back"
                    );
                }
            }
        };
        join_all(self.counted.iter().map(give_back)).await;
    }
}

/// The device that sends the request, known by its cookie; a new one if it has none that is good.
pub(crate) async fn known_device(auth: &Auth, headers: &HeaderMap) -> Result<KnownDevice, Error> {
    let Some(token) = Cookie::DEVICE.read(headers) else { return Ok(KnownDevice::new(&auth.random)) };
    match auth.signer.verifier().verify(token).await {
        Err(Error::Unauthenticated) => Ok(KnownDevice::new(&auth.random)),
        device => device,
    }
}

/// The cookie of a device on which this user has just shown to own their account.
pub(crate) async fn device_cookie(
    auth: &Auth,
    device: KnownDevice,
    user: &User,
) -> Result<(HeaderName, HeaderValue), Error> {
    let token = auth.signer.sign(&device.having_signed_in(user)).await?;
    Ok((header::SET_COOKIE, Cookie::DEVICE.store(&token)))
}

/// The cookies of a session: who is asking, and how to go on when that is no longer good.
pub(crate) async fn session_cookies(
    auth: &Auth,
    session: &Session,
) -> Result<[(HeaderName, HeaderValue); 2], Error> {
    let &Session { id: session_id, user_id, generation, .. } = session;
    let access = auth.signer.sign(&AccessClaims { user_id, session_id }).await?;
    let refresh = auth.signer.sign(&RefreshClaims { user_id, session_id, generation }).await?;
    Ok([
        (header::SET_COOKIE, Cookie::ACCESS.store(&access)),
        (header::SET_COOKIE, Cookie::REFRESH.store(&refresh)),
    ])
}

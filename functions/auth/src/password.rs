use axum::extract::State;
use axum::response::AppendHeaders;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use shared::error::Error;
use shared::event::{Event, PasswordChange};
use shared::http::{Caller, Client, Json, Result};
use shared::id::UserId;
use shared::limit::PASSWORD_CHECK;
use shared::link::{LinkPurpose, LinkToken};
use shared::password::Password;
use shared::user::User;
use utoipa::ToSchema;

use crate::Auth;
use crate::parts::Accepted;
use crate::sign_in::{SetCookies, device_cookie, known_device};
use crate::verification::AddressBody;

/// Ask for a mail to set a new password
///
/// The answer is the same whether or not the address has an account.
#[utoipa::path(post, path = "/api/auth/password/forgot", operation_id = "request_password_reset", tag = "auth", request_body = AddressBody, responses(
    (status = 202, description = "A mail is on its way if the address has an account", body = Accepted),
))]
pub(crate) async fn forgot(
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<AddressBody>,
) -> Result<(StatusCode, Json<Accepted>)> {
    let key = body.parse()?.key();
    let now = auth.clock.now();
    auth.take_mail(&client, &key, now).await?;
    match auth.store.user_by_email(&key).await? {
        Some(user) => {
            let requested = Event::PasswordResetRequested { password_changes: user.password_changes };
            let event = auth.event(user.id, requested, now);
            auth.store.record(&event).await?;
        }
        None => auth.store.decoy(&key, now).await?,
    }
    Ok((StatusCode::ACCEPTED, Json(Accepted::MAIL_IF_KNOWN)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetBody {
    /// What follows `#token=` in the link.
    token: String,
    /// The new password: 15 to 256 characters, not easy to guess.
    #[schema(example = "orbit velvet canyon seven", format = Password)]
    password: String,
}

/// Set a new password by a link
///
/// Spends the link, ends every session and verifies the address. Later sign-ins from this browser are
/// those of a known device, so that an attack on the account from elsewhere does not keep its owner out.
#[utoipa::path(post, path = "/api/auth/password/reset", operation_id = "reset_password", tag = "auth", request_body = ResetBody, responses(
    (status = 204, description = "The password is set"),
    (status = 410, description = "The link has expired, was used, or a newer one was sent",
        body = shared::http::ProblemDocument, content_type = "application/problem+json"),
))]
pub(crate) async fn reset(
    State(auth): State<Auth>,
    headers: HeaderMap,
    Json(body): Json<ResetBody>,
) -> Result<(SetCookies<1>, StatusCode)> {
    let token: LinkToken = body.token.parse().map_err(|_| Error::InvalidLink)?;
    let now = auth.clock.now();
    // A link that is no good costs no hash, and a password that is no good spends no link.
    let link = auth.store.open_link(&token, LinkPurpose::PasswordReset, now).await?;
    let user = auth.store.user(link.user_id).await?.ok_or(Error::InvalidLink)?;
    let password = chosen("password", &body.password, &user)?;
    let hash = auth.hasher.hash(&password).await?;
    let events = |user: &User| {
        let changed = Event::PasswordChanged { by: PasswordChange::Reset };
        let verified = (!user.is_verified()).then_some(Event::UserVerified {});
        verified.into_iter().chain([changed]).map(|event| auth.event(user.id, event, now)).collect()
    };
    let user = auth.store.reset_password(&token, &hash, now, events).await?;
    let device = known_device(&auth, &headers).await?;
    let device = device_cookie(&auth, device, &user).await?;
    Ok((AppendHeaders([device]), StatusCode::NO_CONTENT))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeBody {
    /// The password as it is.
    #[schema(format = Password)]
    current_password: String,
    /// The new one: 15 to 256 characters, not easy to guess.
    #[schema(example = "orbit velvet canyon seven", format = Password)]
    new_password: String,
}

/// Change the password
///
/// Ends every other session. This browser stays a known device, and no other does.
#[utoipa::path(put, path = "/api/auth/password", operation_id = "change_password", tag = "auth", request_body = ChangeBody,
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 204, description = "The password is changed")),
)]
pub(crate) async fn change(
    State(auth): State<Auth>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<ChangeBody>,
) -> Result<(SetCookies<1>, StatusCode)> {
    let user = auth.store.user(caller.user_id).await?.ok_or(Error::Unauthenticated)?;
    let new = chosen("new_password", &body.new_password, &user)?;
    let now = auth.clock.now();
    check(&auth, &user, "current_password", &body.current_password, now).await?;
    let hash = auth.hasher.hash(&new).await?;
    let event = auth.event(user.id, Event::PasswordChanged { by: PasswordChange::Change }, now);
    let user = auth.store.change_password(&user, caller.session_id, &hash, now, &event).await?;
    let device = known_device(&auth, &headers).await?;
    let device = device_cookie(&auth, device, &user).await?;
    Ok((AppendHeaders([device]), StatusCode::NO_CONTENT))
}

/// A password that this user chooses. What an unverified user is called was not said by the owner of the address.
fn chosen(field: &'static str, password: &str, user: &User) -> Result<Password, Error> {
    let name = if user.is_verified() { user.name.as_str() } else { "" };
    Password::chosen(password, &[user.email.as_str(), name])
        .map_err(|error| Error::field(field, error.to_string()))
}

/// Checks the password of a user who is signed in, since a session may be in other hands.
pub(crate) async fn check(
    auth: &Auth,
    user: &User,
    field: &'static str,
    password: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let key = |id: UserId| id.to_string();
    auth.store.take(&PASSWORD_CHECK, &key(user.id), now).await?;
    let right = auth.hasher.verify(&Password::presented(password), Some(&user.password_hash)).await;
    if !matches!(right, Ok(false)) {
        auth.store.give_back(&PASSWORD_CHECK, &key(user.id), now).await?;
    }
    match right? {
        true => Ok(()),
        false => Err(Error::field(field, "This is not your password.")),
    }
}

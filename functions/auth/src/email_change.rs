use axum::extract::State;
use axum::response::AppendHeaders;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use shared::email_address::EmailAddress;
use shared::error::Error;
use shared::event::Event;
use shared::http::{Caller, Client, Json, Result};
use utoipa::ToSchema;

use crate::Auth;
use crate::parts::Accepted;
use crate::password::check;
use crate::sign_in::{SetCookies, device_cookie, known_device};
use crate::verification::LinkBody;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailChangeBody {
    /// The address to move to.
    #[schema(example = "ada@example.org")]
    email: String,
    /// The user's password.
    #[schema(format = Password)]
    password: String,
}

/// Ask to move to another address
///
/// Mails a link to the new address. If that has an account, the answer is the same and the mail says so.
#[utoipa::path(put, path = "/api/auth/email", operation_id = "request_email_change", tag = "auth", request_body = EmailChangeBody,
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 202, description = "A mail to the new address says how to go on", body = Accepted)),
)]
pub(crate) async fn ask(
    State(auth): State<Auth>,
    client: Client,
    caller: Caller,
    Json(body): Json<EmailChangeBody>,
) -> Result<(StatusCode, Json<Accepted>)> {
    let to: EmailAddress = body.email.parse().map_err(|error| Error::field("email", format!("{error}")))?;
    let user = auth.store.user(caller.user_id).await?.ok_or(Error::Unauthenticated)?;
    if to == user.email {
        return Err(Error::field("email", "This is your address already.").into());
    }
    let now = auth.clock.now();
    check(&auth, &user, "password", &body.password, now).await?;
    auth.take_mail(&client, &to.key(), now).await?;
    let event =
        auth.event(user.id, Event::EmailChangeRequested { password_changes: user.password_changes }, now);
    auth.store.request_email_change(&to, &event).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted::MAIL)))
}

/// Move to another address
///
/// Spends a link that was mailed to the new address; the old one is told.
#[utoipa::path(post, path = "/api/auth/email/confirm", operation_id = "confirm_email_change", tag = "auth", request_body = LinkBody, responses(
    (status = 204, description = "The user is now known by the new address"),
    (status = 410, description = "The link has expired, was used, a newer one was sent, or the address is taken",
        body = shared::http::ProblemDocument, content_type = "application/problem+json"),
))]
pub(crate) async fn confirm(
    State(auth): State<Auth>,
    headers: HeaderMap,
    Json(body): Json<LinkBody>,
) -> Result<(SetCookies<1>, StatusCode)> {
    let token = body.parse()?;
    let now = auth.clock.now();
    let event = auth.event(token.user_id(), Event::EmailChanged {}, now);
    let user = auth.store.change_email(&token, now, &event).await?;
    // A device is known to accounts by their address.
    let device = known_device(&auth, &headers).await?;
    let device = device_cookie(&auth, device, &user).await?;
    Ok((AppendHeaders([device]), StatusCode::NO_CONTENT))
}

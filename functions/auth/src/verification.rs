use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use shared::email_address::EmailAddress;
use shared::error::Error;
use shared::event::Event;
use shared::http::{Client, Json, Result};
use shared::link::LinkToken;
use utoipa::ToSchema;

use crate::Auth;
use crate::parts::Accepted;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressBody {
    /// The address of the account.
    #[schema(example = "ada@example.com")]
    pub(crate) email: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkBody {
    /// What follows `#token=` in the link.
    token: String,
}

impl AddressBody {
    pub(crate) fn parse(&self) -> Result<EmailAddress, Error> {
        self.email.parse().map_err(|error| Error::field("email", format!("{error}")))
    }
}

impl LinkBody {
    pub(crate) fn parse(&self) -> Result<LinkToken, Error> {
        self.token.parse().map_err(|_| Error::InvalidLink)
    }
}

/// Ask for another verification mail
///
/// The newest link alone is good. The answer is the same whether or not there is an account to verify.
#[utoipa::path(post, path = "/api/auth/verification", operation_id = "request_verification", tag = "auth", request_body = AddressBody, responses(
    (status = 202, description = "A mail is on its way if the address has an unverified account", body = Accepted),
))]
pub(crate) async fn ask(
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<AddressBody>,
) -> Result<(StatusCode, Json<Accepted>)> {
    let key = body.parse()?.key();
    let now = auth.clock.now();
    auth.take_mail(&client, &key, now).await?;
    let unverified = auth.store.user_by_email(&key).await?.filter(|user| !user.is_verified());
    match unverified {
        None => auth.store.decoy(&key, now).await?,
        Some(user) => {
            // A verification link would go with the first of two passwords, whoever gave it.
            let event =
                if user.contested { Event::SignUpRepeated {} } else { Event::VerificationRequested {} };
            auth.store.record(&auth.event(user.id, event, now)).await?;
        }
    }
    Ok((StatusCode::ACCEPTED, Json(Accepted::MAIL_IF_KNOWN)))
}

/// Verify an address
///
/// Spends a verification link. Signing in needs a verified address.
#[utoipa::path(post, path = "/api/auth/verification/confirm", operation_id = "confirm_verification", tag = "auth", request_body = LinkBody, responses(
    (status = 204, description = "The address is verified"),
    (status = 410, description = "The link has expired, was used, or a newer one was sent",
        body = shared::http::ProblemDocument, content_type = "application/problem+json"),
))]
pub(crate) async fn confirm(State(auth): State<Auth>, Json(body): Json<LinkBody>) -> Result<StatusCode> {
    let token = body.parse()?;
    let now = auth.clock.now();
    let event = auth.event(token.user_id(), Event::UserVerified {}, now);
    auth.store.verify_user(&token, now, &event).await?;
    Ok(StatusCode::NO_CONTENT)
}

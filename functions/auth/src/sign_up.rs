use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use shared::email_address::EmailAddress;
use shared::error::Error;
use shared::event::Event;
use shared::http::{Client, Fields, Json, Result};
use shared::id::{UserId, WorkspaceId};
use shared::limit::SIGN_UP_BY_CLIENT;
use shared::name::DisplayName;
use shared::password::{Password, PasswordHash};
use shared::store::SignUp;
use shared::user::User;
use shared::workspace::{Membership, Role, Workspace};
use utoipa::ToSchema;

use crate::Auth;
use crate::parts::Accepted;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignUpBody {
    /// Where the verification mail goes.
    #[schema(example = "ada@example.com")]
    email: String,
    /// 15 to 256 characters, not easy to guess.
    #[schema(example = "orbit velvet canyon seven", format = Password)]
    password: String,
    /// 1 to 80 characters.
    #[schema(example = "Ada Lovelace")]
    name: String,
}

/// Sign up
///
/// Makes an unverified user with a workspace of their own, and mails a link that verifies the address. If the
/// address has an account, the answer is the same and the mail says so.
#[utoipa::path(post, path = "/api/auth/sign-up", tag = "auth", request_body = SignUpBody, responses(
    (status = 202, description = "A mail says how to go on", body = Accepted),
))]
pub(crate) async fn sign_up(
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<SignUpBody>,
) -> Result<(StatusCode, Json<Accepted>)> {
    let mut fields = Fields::default();
    let email = fields.check("email", body.email.parse::<EmailAddress>());
    let name = fields.check("name", body.name.parse::<DisplayName>());
    let password = fields.check("password", Password::chosen(&body.password, &[&body.email, &body.name]));
    let (Some(email), Some(name), Some(password)) = (email, name, password) else {
        return Err(fields.into());
    };
    let now = auth.clock.now();
    auth.store.take(&SIGN_UP_BY_CLIENT, &client.to_string(), now).await?;
    auth.take_mail(&client, &email.key(), now).await?;
    let mut owner = auth.store.user_by_email(&email.key()).await?;
    if owner.is_none() {
        let hash = auth.hasher.hash(&password).await?;
        match begin(&auth, email.clone(), name, hash, now).await {
            Err(Error::Conflict) => owner = auth.store.user_by_email(&email.key()).await?,
            written => written?,
        }
    }
    if let Some(owner) = owner {
        repeat(&auth, &owner, &password, now).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(Accepted::MAIL)))
}

async fn begin(
    auth: &Auth,
    email: EmailAddress,
    name: DisplayName,
    password_hash: PasswordHash,
    now: Timestamp,
) -> Result<(), Error> {
    let user_id = UserId::new(now, &auth.random);
    let workspace_id = WorkspaceId::new(now, &auth.random);
    let workspace_name = workspace_name(&name)?;
    let sign_up = SignUp {
        user: User {
            id: user_id,
            email,
            name,
            password_hash,
            password_changes: 0,
            verified_at: None,
            contested: false,
            first_signed_in_at: None,
            created_at: now,
            version: 0,
        },
        workspace: Workspace { id: workspace_id, name: workspace_name.clone(), created_at: now },
        membership: Membership { user_id, workspace_id, workspace_name, role: Role::Owner, created_at: now },
        event: auth.event(user_id, Event::UserSignedUp { workspace_id }, now),
    };
    auth.store.sign_up(&sign_up).await
}

fn workspace_name(owner: &DisplayName) -> Result<DisplayName, Error> {
    let name = format!("{owner}’s workspace").parse();
    name.or_else(|_| "My workspace".parse()).map_err(Error::internal)
}

/// Somebody signs up with an address that has an account. They learn nothing here; its owner is told by mail.
///
/// Whoever signed up first may not own the address either. Once two passwords were given for it, neither counts
/// until somebody who reads its mail sets one.
async fn repeat(auth: &Auth, owner: &User, password: &Password, now: Timestamp) -> Result<(), Error> {
    let same = auth.hasher.verify(password, Some(&owner.password_hash)).await?;
    let event = |event| auth.event(owner.id, event, now);
    if owner.is_verified() {
        return auth.store.record(&event(Event::SignUpRepeated {})).await;
    }
    if same && !owner.contested {
        return auth.store.record(&event(Event::VerificationRequested {})).await;
    }
    let repeated = event(Event::SignUpRepeated {});
    match auth.store.contest_sign_up(owner.id, &repeated).await {
        // Verified just now.
        Err(Error::Conflict) => auth.store.record(&repeated).await,
        contested => contested,
    }
}

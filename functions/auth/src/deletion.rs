use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::Deserialize;
use shared::error::Error;
use shared::event::Event;
use shared::http::{Caller, Json, Result};
use utoipa::ToSchema;

use crate::Auth;
use crate::password::check;
use crate::sessions::cleared_cookies;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeletionBody {
    /// The user's password.
    #[schema(format = Password)]
    password: String,
}

/// Delete the account
///
/// At once and for good: the name, the address, the phone number, every session, and the workspace with its subscription.
/// A last mail tells of it. The address can sign up again.
#[utoipa::path(post, path = "/api/auth/account/delete", operation_id = "delete_account", tag = "auth", request_body = DeletionBody,
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 204, description = "The account is deleted, and the cookies are removed")),
)]
pub(crate) async fn delete(
    State(auth): State<Auth>,
    caller: Caller,
    Json(body): Json<DeletionBody>,
) -> Result<impl IntoResponse> {
    let user = auth.store.user(caller.user_id).await?.ok_or(Error::Unauthenticated)?;
    let now = auth.clock.now();
    check(&auth, &user, "password", &body.password, now).await?;
    let event = auth.event(user.id, Event::UserDeleted {}, now);
    let of_workspace = |workspace_id| auth.event(user.id, Event::WorkspaceDeleted { workspace_id }, now);
    auth.store.delete_user(&user, &event, of_workspace).await?;
    Ok((cleared_cookies(), StatusCode::NO_CONTENT))
}

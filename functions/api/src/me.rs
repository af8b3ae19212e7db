use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::error::Error;
use shared::event::{Envelope, Event};
use shared::http::{Caller, Json, Result, UserDocument};
use shared::id::UserId;
use shared::name::DisplayName;
use shared::trace;
use shared::workspace::{Membership, Role};
use utoipa::ToSchema;

use crate::Api;

/// The signed-in user and where they work.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    user: UserDocument,
    /// The workspaces that the user is a member of.
    workspaces: Vec<WorkspaceDocument>,
}

/// A workspace, as its member sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Workspace)]
struct WorkspaceDocument {
    /// Id.
    #[schema(example = "wsp_019346f1a2b37c8d9e0f1a2b3c4d5e6f")]
    id: String,
    /// The name to show.
    #[schema(example = "Ada Lovelace’s workspace")]
    name: String,
    /// What the user may do there.
    #[schema(value_type = String, example = "owner")]
    role: Role,
}

/// The signed-in user
#[utoipa::path(get, path = "/api/me", tag = "api",
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 200, description = "The user", body = Me)),
)]
pub(crate) async fn me(State(api): State<Api>, caller: Caller) -> Result<Json<Me>> {
    load(&api, caller.user_id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameBody {
    /// The new name: 1 to 80 characters.
    #[schema(example = "Ada King")]
    name: String,
}

/// Take another name
#[utoipa::path(patch, path = "/api/me", operation_id = "update_me", tag = "api", request_body = RenameBody,
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 200, description = "The user with the new name", body = Me)),
)]
pub(crate) async fn rename(
    State(api): State<Api>,
    caller: Caller,
    Json(body): Json<RenameBody>,
) -> Result<Json<Me>> {
    let name: DisplayName = body.name.parse().map_err(|error| Error::field("name", format!("{error}")))?;
    let traceparent = trace::current().map(|trace| trace.to_traceparent());
    let event =
        Envelope::new(caller.user_id, Event::UserRenamed {}, api.clock.now(), &api.random, traceparent);
    api.store.rename_user(caller.user_id, &name, &event).await?;
    load(&api, caller.user_id).await
}

async fn load(api: &Api, id: UserId) -> Result<Json<Me>> {
    let found = api.store.user_with_memberships(id).await?;
    let (user, memberships) = found.ok_or(Error::Unauthenticated)?;
    let workspace = |membership: Membership| WorkspaceDocument {
        id: membership.workspace_id.to_string(),
        name: membership.workspace_name.to_string(),
        role: membership.role,
    };
    let workspaces = memberships.into_iter().map(workspace).collect();
    Ok(Json(Me { user: UserDocument::from(&user), workspaces }))
}

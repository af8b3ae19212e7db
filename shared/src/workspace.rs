//! Where users work together, and what billing will belong to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{UserId, WorkspaceId};
use crate::name::DisplayName;

/// A place of work. Each user starts with one of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Workspace {
    /// Id.
    pub id: WorkspaceId,
    /// The name to show.
    pub name: DisplayName,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A user's place in a workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Membership {
    /// Who.
    pub user_id: UserId,
    /// Where.
    pub workspace_id: WorkspaceId,
    /// The workspace's name, kept here so that one read shows a user with their workspaces.
    pub workspace_name: DisplayName,
    /// What the user may do there.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
}

/// What a member may do in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, billing and deletion included.
    Owner,
}

/// How many work in a workspace: its owner, until there are invitations.
pub const MEMBERS: u32 = 1;

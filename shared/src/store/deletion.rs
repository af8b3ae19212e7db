//! The end of an account: what names its user goes, in one transaction.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::TransactWriteItem;

use super::keys;
use super::table::{Refused, Store, bare_item, from_item, number, text};
use super::users::{VERSION_RETRIES, user_key};
use crate::error::{Error, Result};
use crate::event::Envelope;
use crate::id::WorkspaceId;
use crate::link::LinkPurpose;
use crate::user::User;
use crate::workspace::{Role, Workspace};

impl Store {
    /// Deletes a user who gave their password, with all that names them: name, address, number, preferences, sessions,
    /// links, and the workspaces that they own. `user_deleted` and, of each workspace, `workspace_deleted` are for those
    /// who have more to end. The address and the number are free for anybody.
    ///
    /// What stays names nobody: events, and what the payment provider's ledger said; and, until they expire, the addresses
    /// that mails about events go to, the last one's and those of a move to another. That a number answered STOP stays
    /// with the number.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when the password was changed meanwhile,
    /// [`Error::Unauthenticated`] when the user was deleted.
    pub async fn delete_user(
        &self,
        user: &User,
        user_deleted: &Envelope,
        workspace_deleted: impl Fn(WorkspaceId) -> Envelope,
    ) -> Result<()> {
        let mut user = user.clone();
        for _ in 0..VERSION_RETRIES {
            let writes = self.deletion_of(&user, user_deleted, &workspace_deleted).await?;
            match self.transact(writes).await {
                Ok(()) => return Ok(()),
                Err(Refused::Condition { .. }) => user = self.as_now(&user).await?,
                Err(Refused::Failed(error)) => return Err(error),
            }
        }
        Err(Error::Conflict)
    }

    async fn deletion_of(
        &self,
        user: &User,
        user_deleted: &Envelope,
        workspace_deleted: impl Fn(WorkspaceId) -> Envelope,
    ) -> Result<Vec<TransactWriteItem>> {
        let of_user = |sk: &str| self.delete((keys::user(user.id), sk.to_owned()), None, &[]);
        let mut writes = vec![
            // Whoever signs in meanwhile makes another version: their session shall end as well.
            self.delete(user_key(user.id), Some("version = :version"), &[(":version", number(user.version))]),
            self.delete(
                (keys::email(&user.email.key()), keys::EMAIL.to_owned()),
                Some("user_id = :user"),
                &[(":user", text(user.id))],
            ),
            of_user(keys::PREFERENCES),
            of_user(keys::PHONE_CODE),
            self.put_address(&user.email, user_deleted),
            self.put_event(user_deleted)?,
        ];
        writes.extend(LinkPurpose::ALL.map(|purpose| self.forget_link(user.id, purpose)));
        match self.phone(user.id).await? {
            Some(phone) => {
                writes.push(self.drop_phone(user.id, &phone.number));
                writes.push(self.disown(user.id, &phone.number));
            }
            // One that is confirmed meanwhile makes no other version. Confirmed later, it finds no code to spend.
            None => {
                let phone = (keys::user(user.id), keys::PHONE.to_owned());
                writes.push(self.check(phone, "attribute_not_exists(pk)", &[]));
            }
        }
        for membership in self.memberships(user.id).await? {
            let workspace = membership.workspace_id;
            writes.push(of_user(&keys::membership(workspace)));
            match membership.role {
                Role::Owner => {
                    let item = (keys::workspace(workspace), keys::WORKSPACE.to_owned());
                    writes.push(self.delete(item, None, &[]));
                    writes.push(self.put_event(&workspace_deleted(workspace))?);
                }
            }
        }
        writes.extend(self.end_sessions(user.id, None).await?);
        Ok(writes)
    }

    /// Those of these workspaces that were not deleted.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn existing_workspaces(
        &self,
        ids: impl IntoIterator<Item = WorkspaceId>,
    ) -> Result<HashSet<WorkspaceId>> {
        let ids: HashSet<WorkspaceId> = ids.into_iter().collect();
        let key = |id: &WorkspaceId| bare_item(keys::workspace(*id), keys::WORKSPACE.to_owned());
        let items = self.batch_get(ids.iter().map(key).collect()).await?;
        let workspaces = items.into_iter().map(from_item::<Workspace>);
        workspaces.map(|workspace| workspace.map(|workspace| workspace.id)).collect()
    }
}

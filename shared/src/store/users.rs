//! Users, the addresses that they are known by, and their passwords.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys;
use super::table::{Item, Refused, Store, bare_item, expiring, from_item, number, text, to_item};
use crate::email_address::{EmailAddress, EmailKey};
use crate::error::{Error, Result};
use crate::event::Envelope;
use crate::id::{SessionId, UserId};
use crate::link::{Link, LinkPurpose, LinkToken};
use crate::name::DisplayName;
use crate::password::PasswordHash;
use crate::user::User;
use crate::workspace::{Membership, Workspace};

/// Everything that a sign-up writes.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// The user, unverified.
    pub user: User,
    /// The workspace of their own.
    pub workspace: Workspace,
    /// Their place in it.
    pub membership: Membership,
    /// `user.signed_up`.
    pub event: Envelope,
}

/// Whose an address is.
#[derive(Debug, Serialize, Deserialize)]
struct EmailItem {
    user_id: UserId,
    verified: bool,
}

/// Most items in a transaction (DynamoDB's limit is 100), less what is written besides.
const SESSIONS_IN_A_TRANSACTION: usize = 80;

/// How often what depends on the user as they are is tried again when somebody signed in meanwhile.
pub(super) const VERSION_RETRIES: usize = 5;

/// For how long the address that an event is about is kept: longer than any queue keeps the event.
const ADDRESS_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Store {
    /// Writes a new user, all or nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when the address has an account.
    pub async fn sign_up(&self, sign_up: &SignUp) -> Result<()> {
        let SignUp { user, workspace, membership, event } = sign_up;
        let pk = keys::user(user.id);
        let email = EmailItem { user_id: user.id, verified: false };
        let email = to_item(keys::email(&user.email.key()), keys::EMAIL.to_owned(), &email)?;
        let workspace_item = to_item(keys::workspace(workspace.id), keys::WORKSPACE.to_owned(), workspace)?;
        self.transact(vec![
            self.put_if(email, "attribute_not_exists(pk)", &[]),
            self.put(to_item(pk.clone(), keys::USER.to_owned(), user)?),
            self.put(to_item(pk, keys::membership(workspace.id), membership)?),
            self.put(workspace_item),
            self.put_event(event)?,
        ])
        .await
        .map_err(|refused| refused.or(Error::Conflict))
    }

    /// The user of this address. An unknown address costs as many reads as a known one.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn user_by_email(&self, key: &EmailKey) -> Result<Option<User>> {
        let owner: Option<EmailItem> = self.get(keys::email(key), keys::EMAIL.to_owned()).await?;
        let nobody = UserId::from_uuid(uuid::Uuid::nil());
        let id = owner.map_or(nobody, |owner| owner.user_id);
        self.user(id).await
    }

    /// Whether this address has a verified account.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn is_taken(&self, key: &EmailKey) -> Result<bool> {
        let owner: Option<EmailItem> = self.get(keys::email(key), keys::EMAIL.to_owned()).await?;
        Ok(owner.is_some_and(|owner| owner.verified))
    }

    /// The user of this id.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn user(&self, id: UserId) -> Result<Option<User>> {
        self.get(keys::user(id), keys::USER.to_owned()).await
    }

    /// The user of this id and their workspaces, in one round trip.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn user_with_memberships(&self, id: UserId) -> Result<Option<(User, Vec<Membership>)>> {
        let mut items = self.query(&keys::user(id), keys::USER).await?.into_iter();
        let Some(user) = items.next() else {
            return Ok(None);
        };
        let memberships = items.map(from_item).collect::<Result<_>>()?;
        Ok(Some((from_item(user)?, memberships)))
    }

    /// Gives the user another name.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when there is no such user.
    pub async fn rename_user(&self, id: UserId, name: &DisplayName, event: &Envelope) -> Result<()> {
        let rename =
            self.update(user_key(id), "SET #name = :name", "attribute_exists(pk)", &[(":name", text(name))]);
        self.transact(vec![named(rename, "#name", "name"), self.put_event(event)?])
            .await
            .map_err(|refused| refused.or(Error::NotFound))
    }

    /// Notes that somebody else signed up with the address of this unverified user: from now on
    /// the password given first is worth nothing, nor is a verification link that was sent for it.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when the user was verified meanwhile.
    pub async fn contest_sign_up(&self, id: UserId, event: &Envelope) -> Result<()> {
        let contest = self.update(
            user_key(id),
            "SET contested = :true ADD version :one",
            "attribute_exists(pk) AND attribute_not_exists(verified_at)",
            &[(":true", AttributeValue::Bool(true)), (":one", number(1))],
        );
        self.transact(vec![contest, self.put_event(event)?])
            .await
            .map_err(|refused| refused.or(Error::Conflict))
    }

    /// Spends a verification link: the address is the user's.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLink`].
    pub async fn verify_user(&self, token: &LinkToken, now: Timestamp, event: &Envelope) -> Result<()> {
        let link = self.open_link(token, LinkPurpose::Verification, now).await?;
        let verify = self.update(
            user_key(link.user_id),
            "SET verified_at = :now ADD version :one",
            "attribute_exists(pk) AND attribute_not_exists(verified_at) AND attribute_not_exists(contested)",
            &[(":now", text(now)), (":one", number(1))],
        );
        self.transact(vec![
            self.spend_link(&link, now),
            verify,
            self.own_email(&link.email.key(), link.user_id),
            self.put_event(event)?,
        ])
        .await
        .map_err(|refused| refused.or(Error::InvalidLink))
    }

    /// Spends a reset link: sets the password, ends every session, and verifies the address, for
    /// whoever followed the link reads its mail. `events` is given the user as they were before; the answer is
    /// the user as they are then.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLink`].
    pub async fn reset_password(
        &self,
        token: &LinkToken,
        hash: &PasswordHash,
        now: Timestamp,
        events: impl Fn(&User) -> Vec<Envelope>,
    ) -> Result<User> {
        let link = self.open_link(token, LinkPurpose::PasswordReset, now).await?;
        for _ in 0..VERSION_RETRIES {
            let user = self.user(link.user_id).await?.ok_or(Error::InvalidLink)?;
            if user.email != link.email || user.password_changes != link.password_changes {
                return Err(Error::InvalidLink);
            }
            let mut writes = vec![
                self.set_password(&user, hash, now),
                self.spend_link(&link, now),
                self.own_email(&link.email.key(), user.id),
                self.forget_link(user.id, LinkPurpose::Verification),
                self.forget_link(user.id, LinkPurpose::EmailChange),
            ];
            for event in events(&user) {
                writes.push(self.put_event(&event)?);
            }
            writes.extend(self.end_sessions(user.id, None).await?);
            match self.transact(writes).await {
                Ok(()) => return Ok(with_password(user, hash, now)),
                Err(Refused::Condition { place: 0, .. }) => {}
                Err(refused) => return Err(refused.or(Error::InvalidLink)),
            }
        }
        Err(Error::Conflict)
    }

    /// Sets the password of a signed-in user who gave the old one, and ends every other session.
    /// Links that were asked for before are worth nothing any more, mailed or not. Answers the user as they are then.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when the password was changed meanwhile.
    pub async fn change_password(
        &self,
        user: &User,
        keep: SessionId,
        hash: &PasswordHash,
        now: Timestamp,
        event: &Envelope,
    ) -> Result<User> {
        let mut user = user.clone();
        for _ in 0..VERSION_RETRIES {
            let mut writes = vec![
                self.set_password(&user, hash, now),
                self.forget_link(user.id, LinkPurpose::PasswordReset),
                self.forget_link(user.id, LinkPurpose::EmailChange),
                self.put_event(event)?,
            ];
            writes.extend(self.end_sessions(user.id, Some(keep)).await?);
            match self.transact(writes).await {
                Ok(()) => return Ok(with_password(user, hash, now)),
                Err(Refused::Condition { .. }) => user = self.as_now(&user).await?,
                Err(Refused::Failed(error)) => return Err(error),
            }
        }
        Err(Error::Conflict)
    }

    /// A user who gave their password, as they are now.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when the password was changed meanwhile.
    pub(super) async fn as_now(&self, user: &User) -> Result<User> {
        let now = self.user(user.id).await?.ok_or(Error::Unauthenticated)?;
        if now.password_hash == user.password_hash { Ok(now) } else { Err(Error::Conflict) }
    }

    /// Keeps the address that the user asked to move to beside the event that tells of it.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn request_email_change(&self, to: &EmailAddress, event: &Envelope) -> Result<()> {
        self.transact(vec![self.put_address(to, event), self.put_event(event)?])
            .await
            .map_err(|refused| refused.or(Error::Conflict))
    }

    /// Spends an email-change link: the user moves to the address that it was sent to. What was mailed to
    /// the old address is worth nothing any more. Answers the user as they are then.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLink`], also when the new address was taken meanwhile, or the password set anew since
    /// it was given for this.
    pub async fn change_email(&self, token: &LinkToken, now: Timestamp, event: &Envelope) -> Result<User> {
        let link = self.open_link(token, LinkPurpose::EmailChange, now).await?;
        let user = self.user(link.user_id).await?.ok_or(Error::InvalidLink)?;
        let (old, new) = (&user.email, &link.email);
        let mut writes = vec![
            self.spend_link(&link, now),
            self.update(
                user_key(user.id),
                "SET email = :new ADD version :one",
                "email = :old AND password_changes = :changes",
                &[
                    (":new", text(new)),
                    (":old", text(old)),
                    (":changes", number(link.password_changes)),
                    (":one", number(1)),
                ],
            ),
            self.forget_link(user.id, LinkPurpose::PasswordReset),
            self.put_address(old, event),
            self.put_event(event)?,
        ];
        if old.key() != new.key() {
            let item = EmailItem { user_id: user.id, verified: true };
            writes.push(self.put_if(
                to_item(keys::email(&new.key()), keys::EMAIL.to_owned(), &item)?,
                "attribute_not_exists(pk) OR verified = :false",
                &[(":false", AttributeValue::Bool(false))],
            ));
            writes.push(self.delete(
                (keys::email(&old.key()), keys::EMAIL.to_owned()),
                Some("user_id = :user"),
                &[(":user", text(user.id))],
            ));
        }
        self.transact(writes).await.map_err(|refused| refused.or(Error::InvalidLink))?;
        Ok(User { email: link.email, ..user })
    }

    fn set_password(&self, user: &User, hash: &PasswordHash, now: Timestamp) -> TransactWriteItem {
        self.update(
            user_key(user.id),
            "SET password_hash = :hash, verified_at = if_not_exists(verified_at, :now) \
             REMOVE contested ADD version :one, password_changes :one",
            "version = :version",
            &[
                (":hash", text(hash.as_str())),
                (":now", text(now)),
                (":version", number(user.version)),
                (":one", number(1)),
            ],
        )
    }

    /// Deletes the user's sessions but one. Those above what a transaction holds are deleted at once.
    pub(super) async fn end_sessions(
        &self,
        user: UserId,
        keep: Option<SessionId>,
    ) -> Result<Vec<TransactWriteItem>> {
        let kept = keep.map(keys::session);
        let pk = keys::user(user);
        let sessions = self.query(&pk, keys::SESSION_PREFIX).await?;
        let mut deletes: Vec<_> = sessions
            .into_iter()
            .filter_map(|mut item: Item| match item.remove(keys::SK) {
                Some(AttributeValue::S(sk)) if Some(&sk) != kept.as_ref() => {
                    Some(self.delete((pk.clone(), sk), None, &[]))
                }
                _ => None,
            })
            .collect();
        let surplus = deletes.split_off(deletes.len().min(SESSIONS_IN_A_TRANSACTION));
        for chunk in surplus.chunks(SESSIONS_IN_A_TRANSACTION) {
            self.transact(chunk.to_vec()).await.map_err(|refused| refused.or(Error::Conflict))?;
        }
        Ok(deletes)
    }

    /// The address is this user's, verified.
    fn own_email(&self, key: &EmailKey, user: UserId) -> TransactWriteItem {
        self.update(
            (keys::email(key), keys::EMAIL.to_owned()),
            "SET verified = :true",
            "user_id = :user",
            &[(":true", AttributeValue::Bool(true)), (":user", text(user))],
        )
    }

    pub(super) fn put_address(&self, address: &EmailAddress, event: &Envelope) -> TransactWriteItem {
        let mut item = bare_item(keys::user(event.subject), keys::address(event.id));
        item.insert("email".to_owned(), text(address));
        self.put(expiring(item, event.time + ADDRESS_LIFE))
    }

    pub(super) fn forget_link(&self, user: UserId, purpose: LinkPurpose) -> TransactWriteItem {
        self.delete((keys::user(user), keys::link(purpose)), None, &[])
    }

    fn spend_link(&self, link: &Link, now: Timestamp) -> TransactWriteItem {
        self.delete(
            (keys::user(link.user_id), keys::link(link.purpose)),
            Some("token_hash = :hash AND expires_at > :now"),
            &[(":hash", text(link.hash.as_str())), (":now", number(now.as_second()))],
        )
    }
}

/// What [`Store::set_password`] makes of a user.
fn with_password(user: User, hash: &PasswordHash, now: Timestamp) -> User {
    User {
        password_hash: hash.clone(),
        password_changes: user.password_changes + 1,
        verified_at: user.verified_at.or(Some(now)),
        contested: false,
        version: user.version + 1,
        ..user
    }
}

pub(super) fn user_key(id: UserId) -> (String, String) {
    (keys::user(id), keys::USER.to_owned())
}

/// Names an attribute whose name is a reserved word.
fn named(mut write: TransactWriteItem, placeholder: &str, name: &str) -> TransactWriteItem {
    if let Some(update) = &mut write.update {
        update
            .expression_attribute_names
            .get_or_insert_default()
            .insert(placeholder.to_owned(), name.to_owned());
    }
    write
}

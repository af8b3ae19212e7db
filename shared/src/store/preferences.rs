//! What users want to be told of, and how.

use aws_sdk_dynamodb::types::AttributeValue;

use super::keys;
use super::table::{Refused, Store, to_item};
use super::users::user_key;
use crate::error::{Error, Result};
use crate::event::Envelope;
use crate::id::UserId;
use crate::preference::Preferences;
use crate::unsubscribe::OptionalMail;

impl Store {
    /// What the user chose; what nobody chose is as it begins.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn preferences(&self, user: UserId) -> Result<Preferences> {
        let chosen = self.get(keys::user(user), keys::PREFERENCES.to_owned()).await?;
        Ok(chosen.unwrap_or_default())
    }

    /// Takes what the user chooses. What changes nothing is no event.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] when there is no such user.
    pub async fn set_preferences(&self, chosen: Preferences, event: &Envelope) -> Result<()> {
        let user = event.subject;
        if self.preferences(user).await? == chosen {
            return Ok(());
        }
        let item = to_item(keys::user(user), keys::PREFERENCES.to_owned(), &chosen)?;
        let exists = self.check(user_key(user), "attribute_exists(pk)", &[]);
        self.transact(vec![exists, self.put(item), self.put_event(event)?])
            .await
            .map_err(|refused| refused.or(Error::Unauthenticated))
    }

    /// Ends a kind of mail to a user, and leaves the rest as it is. Done before, it is no event.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLink`] when there is no such user.
    pub async fn end_mail(&self, kind: OptionalMail, event: &Envelope) -> Result<()> {
        let attribute = match kind {
            OptionalMail::Billing => "billing_mail",
            OptionalMail::Product => "product_mail",
        };
        let end = self.update(
            (keys::user(event.subject), keys::PREFERENCES.to_owned()),
            &format!("SET {attribute} = :false"),
            &format!("attribute_not_exists({attribute}) OR {attribute} <> :false"),
            &[(":false", AttributeValue::Bool(false))],
        );
        let exists = self.check(user_key(event.subject), "attribute_exists(pk)", &[]);
        match self.transact(vec![exists, end, self.put_event(event)?]).await {
            Ok(()) | Err(Refused::Condition { place: 1, .. }) => Ok(()),
            Err(refused) => Err(refused.or(Error::InvalidLink)),
        }
    }
}

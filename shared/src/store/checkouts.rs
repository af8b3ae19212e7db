//! Checkouts that were begun: one a workspace, told by its nonce.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;

use super::idempotency::{Answer, Intent};
use super::keys;
use super::table::{Store, expiring, text, to_item};
use crate::error::{Error, Result};
use crate::id::WorkspaceId;
use crate::subscription::Checkout;

/// For how long a checkout is kept: the provider closes one after a day.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Store {
    /// The workspace's checkout. It may have been paid, or closed, since.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn checkout(&self, workspace: WorkspaceId) -> Result<Option<Checkout>> {
        self.get(keys::workspace(workspace), keys::CHECKOUT.to_owned()).await
    }

    /// Begins a checkout in place of this one, or where there is none: of several at once, one does. One whose session was
    /// noted meanwhile is another: somebody may be paying there.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when there is another one meanwhile.
    pub async fn begin_checkout(
        &self,
        workspace: WorkspaceId,
        checkout: &Checkout,
        replaces: Option<&Checkout>,
    ) -> Result<()> {
        let item = to_item(keys::workspace(workspace), keys::CHECKOUT.to_owned(), checkout)?;
        let item = expiring(item, checkout.begun_at + KEPT_FOR);
        let put = match replaces {
            None => self.put_if(item, "attribute_not_exists(pk)", &[]),
            Some(Checkout { nonce, session_id: None, .. }) => {
                let condition = "nonce = :nonce AND attribute_not_exists(session_id)";
                self.put_if(item, condition, &[(":nonce", text(nonce))])
            }
            Some(Checkout { nonce, session_id: Some(session), .. }) => {
                let values = [(":nonce", text(nonce)), (":session", text(session))];
                self.put_if(item, "nonce = :nonce AND session_id = :session", &values)
            }
        };
        self.transact(vec![put]).await.map_err(|refused| refused.or(Error::Conflict))
    }

    /// Notes the session that the provider made for a checkout and, with it, the answer to whoever asked.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when the workspace has begun another checkout meanwhile.
    pub async fn note_session(
        &self,
        workspace: WorkspaceId,
        nonce: &str,
        session_id: &str,
        answer: Option<(&Intent, &Answer)>,
    ) -> Result<()> {
        let values: [(&str, AttributeValue); 2] = [(":session", text(session_id)), (":nonce", text(nonce))];
        let note = self.update(
            (keys::workspace(workspace), keys::CHECKOUT.to_owned()),
            "SET session_id = :session",
            "nonce = :nonce",
            &values,
        );
        let answer = answer.map(|(intent, answer)| self.answer(intent, answer));
        self.transact([note].into_iter().chain(answer).collect())
            .await
            .map_err(|refused| refused.or(Error::Conflict))
    }
}

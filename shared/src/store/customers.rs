//! Customers: which workspace is which at the payment provider.

use super::keys;
use super::table::{Refused, Store, bare_item, from_item, text, to_item};
use crate::error::{Error, Result};
use crate::id::WorkspaceId;
use crate::subscription::Customer;

impl Store {
    /// The customer that this workspace is.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn customer(&self, workspace: WorkspaceId) -> Result<Option<Customer>> {
        self.get(keys::workspace(workspace), keys::CUSTOMER.to_owned()).await
    }

    /// The customer of this id at the provider.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn customer_by_id(&self, id: &str) -> Result<Option<Customer>> {
        self.get(keys::customer(id), keys::CUSTOMER.to_owned()).await
    }

    /// The customers of these ids at the provider, those that are known.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn customers_by_id(&self, ids: impl IntoIterator<Item = &str>) -> Result<Vec<Customer>> {
        let keys = ids.into_iter().map(|id| bare_item(keys::customer(id), keys::CUSTOMER.to_owned()));
        let items = self.batch_get(keys.collect()).await?;
        items.into_iter().map(from_item).collect()
    }

    /// Notes which customer a workspace is, in place of the former one, or unless it is one already; and answers which
    /// one it is. That of several at once which came first counts. Of the former nothing more is heard.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when there is no such workspace any more.
    pub async fn add_customer(&self, customer: Customer, former: Option<&Customer>) -> Result<Customer> {
        let by_workspace =
            to_item(keys::workspace(customer.workspace_id), keys::CUSTOMER.to_owned(), &customer)?;
        let by_id = to_item(keys::customer(&customer.id), keys::CUSTOMER.to_owned(), &customer)?;
        let mut by_workspace = match former {
            None => self.put_if(by_workspace, "attribute_not_exists(pk)", &[]),
            Some(former) => self.put_if(by_workspace, "id = :former", &[(":former", text(&former.id))]),
        };
        if let Some(put) = &mut by_workspace.put {
            put.return_values_on_condition_check_failure =
                Some(aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld);
        }
        let exists = self.check(
            (keys::workspace(customer.workspace_id), keys::WORKSPACE.to_owned()),
            "attribute_exists(pk)",
            &[],
        );
        let mut writes = vec![exists, by_workspace, self.put(by_id)];
        writes.extend(
            former.map(|former| {
                self.delete((keys::customer(&former.id), keys::CUSTOMER.to_owned()), None, &[])
            }),
        );
        match self.transact(writes).await {
            Ok(()) => Ok(customer),
            Err(Refused::Condition { place: 0, .. }) => Err(Error::NotFound),
            Err(Refused::Condition { item, .. }) => from_item(item.ok_or(Error::Conflict)?),
            Err(Refused::Failed(error)) => Err(error),
        }
    }
}

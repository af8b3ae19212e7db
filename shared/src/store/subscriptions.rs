//! What the payment provider's ledger said when it was last read: written only if nothing newer was.
//!
//! Who reads the ledger takes a ticket first. A reading is at least as new as its ticket, so it is applied unless that
//! of a later ticket was: whatever the order in which readings come back, the newest stays.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;
use serde::Deserialize;

use super::keys::{self, PK, SK};
use super::table::{Item, Refused, Store, bare_item, failed, from_item, number, number_in, text, to_item};
use crate::entitlement::Entitlements;
use crate::error::{Error, Result};
use crate::event::Envelope;
use crate::id::{UserId, WorkspaceId};
use crate::subscription::{Invoice, Subscription};
use crate::workspace::Membership;

/// What is known of a workspace's subscription, at the time of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubscriptionRecord {
    /// The ticket. Each is greater than all before it.
    pub ticket: u64,
    /// The ticket of the reading that was applied last; 0 if none was.
    applied: u64,
    /// What it said.
    #[serde(default)]
    pub subscription: Option<Subscription>,
    /// The end of the trial that was told of ahead.
    #[serde(default)]
    pub trial_told: Option<Timestamp>,
}

/// What came of applying a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is what is known now.
    Done,
    /// A newer one was applied before.
    Outdated,
    /// An older one was applied meanwhile: this is what is known now, under the same ticket.
    Changed(Box<SubscriptionRecord>),
}

impl Store {
    /// The workspace's subscription, as the ledger said when it was last read.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn subscription(&self, workspace: WorkspaceId) -> Result<Option<Subscription>> {
        let record: Option<SubscriptionRecord> =
            self.get(keys::workspace(workspace), keys::SUBSCRIPTION.to_owned()).await?;
        Ok(record.and_then(|record| record.subscription))
    }

    /// What is known of these workspaces' subscriptions, of those of which anything is.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn subscriptions(
        &self,
        workspaces: impl IntoIterator<Item = WorkspaceId>,
    ) -> Result<HashMap<WorkspaceId, SubscriptionRecord>> {
        let key = |id| bare_item(keys::workspace(id), keys::SUBSCRIPTION.to_owned());
        let ids: HashMap<String, WorkspaceId> =
            workspaces.into_iter().map(|id| (keys::workspace(id), id)).collect();
        let items = self.batch_get(ids.values().copied().map(key).collect()).await?;
        let mut records = HashMap::new();
        for item in items {
            let id = item.get(PK).and_then(|pk| ids.get(pk.as_s().ok()?)).copied();
            records.extend(id.zip(from_item(item)?));
        }
        Ok(records)
    }

    /// What is open to a user now: the most of what is to any of their workspaces. Two round trips.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn entitlements(&self, user: UserId, now: Timestamp) -> Result<Entitlements> {
        let mut open = Entitlements::of(None, now);
        for membership in self.memberships(user).await? {
            let subscription = self.subscription(membership.workspace_id).await?;
            open = open.or(Entitlements::of(subscription.as_ref(), now));
        }
        Ok(open)
    }

    /// Where the user works, the oldest first.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn memberships(&self, user: UserId) -> Result<Vec<Membership>> {
        let items = self.query(&keys::user(user), keys::MEMBERSHIP_PREFIX).await?;
        items.into_iter().map(from_item).collect()
    }

    /// Takes a ticket, before the ledger is read.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn take_ticket(&self, workspace: WorkspaceId) -> Result<SubscriptionRecord> {
        let output = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(keys::workspace(workspace)))
            .key(SK, text(keys::SUBSCRIPTION))
            .update_expression("SET applied = if_not_exists(applied, :zero) ADD ticket :one")
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(failed)?;
        from_item(output.attributes.unwrap_or_default())
    }

    /// Writes what the ledger said after this ticket was taken, with the events that follow from it.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn apply_subscription(
        &self,
        workspace: WorkspaceId,
        known: &SubscriptionRecord,
        subscription: &Subscription,
        trial_told: Option<Timestamp>,
        events: &[Envelope],
    ) -> Result<Applied> {
        let mut expression = "SET subscription = :subscription, applied = :ticket".to_owned();
        let mut values = vec![
            (":subscription", serde_dynamo::to_attribute_value(subscription).map_err(Error::internal)?),
            (":ticket", number(known.ticket)),
            (":applied", number(known.applied)),
        ];
        if let Some(told) = trial_told {
            expression.push_str(", trial_told = :told");
            values.push((":told", text(told)));
        }
        let key = (keys::workspace(workspace), keys::SUBSCRIPTION.to_owned());
        let mut writes = vec![self.update(key, &expression, "applied = :applied", &values)];
        for event in events {
            writes.push(self.put_event(event)?);
        }
        match self.transact(writes).await {
            Ok(()) => Ok(Applied::Done),
            Err(Refused::Condition { item, .. }) => {
                let now: SubscriptionRecord = from_item(item.ok_or(Error::Conflict)?)?;
                if now.applied > known.ticket {
                    return Ok(Applied::Outdated);
                }
                Ok(Applied::Changed(Box::new(SubscriptionRecord { ticket: known.ticket, ..now })))
            }
            Err(Refused::Failed(error)) => Err(error),
        }
    }

    /// The workspace's invoice of this id, as it was when it was last read.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn invoice(&self, workspace: WorkspaceId, id: &str) -> Result<Option<Invoice>> {
        self.get(keys::workspace(workspace), keys::invoice(id)).await
    }

    /// How far these invoices have come, as far as is known. Those that are not known are left out.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn invoice_progress(
        &self,
        workspace: WorkspaceId,
        ids: impl IntoIterator<Item = &str>,
    ) -> Result<HashMap<String, u64>> {
        let pk = keys::workspace(workspace);
        let keys = ids.into_iter().map(|id| bare_item(pk.clone(), keys::invoice(id))).collect();
        let items = self.batch_get(keys).await?;
        let progress = |item: Item| {
            let id = item.get("id").and_then(|id| id.as_s().ok())?.clone();
            Some((id, u64::try_from(number_in(&item, PROGRESS)?).ok()?))
        };
        Ok(items.into_iter().filter_map(progress).collect())
    }

    /// Writes how far an invoice has come, with the events that follow from it, unless it is known to have come as
    /// far or further. Answers whether it was written.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn apply_invoice(
        &self,
        workspace: WorkspaceId,
        invoice: &Invoice,
        events: &[Envelope],
    ) -> Result<bool> {
        let progress = number(invoice.state.progress());
        let mut item = to_item(keys::workspace(workspace), keys::invoice(&invoice.state.id), invoice)?;
        item.insert(PROGRESS.to_owned(), progress.clone());
        let values: [(&str, AttributeValue); 1] = [(":progress", progress)];
        let mut writes = vec![self.put_if(item, "attribute_not_exists(pk) OR progress < :progress", &values)];
        for event in events {
            writes.push(self.put_event(event)?);
        }
        match self.transact(writes).await {
            Ok(()) => Ok(true),
            Err(Refused::Condition { .. }) => Ok(false),
            Err(Refused::Failed(error)) => Err(error),
        }
    }
}

const PROGRESS: &str = "progress";

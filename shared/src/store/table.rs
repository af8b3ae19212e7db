//! Reading and writing items, and what the table's errors mean.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys::{EXPIRES_AT, PK, SK};
use crate::aws::{Aws, Service};
use crate::clock::Random;
use crate::error::{Error, Result};

/// The table, reached through the AWS SDK.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) client: Client,
    pub(super) table: String,
}

pub(super) type Item = HashMap<String, AttributeValue>;

/// Why a transaction was not applied.
#[derive(Debug)]
pub(super) enum Refused {
    /// The condition of the item at this place did not hold; the item as it is, if it was asked for.
    Condition { place: usize, item: Option<Item> },
    /// Anything else.
    Failed(Error),
}

/// How often a transaction that met another on the same items is tried again.
const CONFLICT_RETRIES: u32 = 6;

/// Most keys in one batch, by DynamoDB's limit.
const KEYS_IN_A_BATCH: usize = 100;

impl Store {
    /// The table of that name.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The table of that name, reached through this connection.
    #[must_use]
    pub fn connect(aws: &Aws, table: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(&aws.config(Service::DynamoDb))
            .retry_classifier(ConflictPasses)
            .build();
        Self::new(Client::from_conf(config), table)
    }

    /// Opens the connection to the table, so that the first request does not wait for it. What it says is of no matter.
    pub async fn warm(&self) {
        let key = "WARM";
        let _ = self.get_raw(key.to_owned(), key.to_owned()).await;
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, pk: String, sk: String) -> Result<Option<T>> {
        self.get_raw(pk, sk).await?.map(from_item).transpose()
    }

    pub(super) async fn get_raw(&self, pk: String, sk: String) -> Result<Option<Item>> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(pk))
            .key(SK, AttributeValue::S(sk))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed)?;
        Ok(output.item)
    }

    /// The items of these keys, those that there are, in no order.
    pub(super) async fn batch_get(&self, keys: Vec<Item>) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for keys in keys.chunks(KEYS_IN_A_BATCH) {
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(keys.to_vec()))
                .consistent_read(true)
                .build()
                .expect("the keys are set");
            let mut asked = HashMap::from([(self.table.clone(), keys)]);
            let mut tries = 0;
            while !asked.is_empty() {
                if tries > 0 {
                    tokio::time::sleep(backoff(tries)).await;
                }
                if tries > CONFLICT_RETRIES {
                    return Err(Error::Busy { retry_after: Duration::from_secs(1) });
                }
                tries += 1;
                let request = self.client.batch_get_item().set_request_items(Some(asked));
                let page = request.send().await.map_err(failed)?;
                items.extend(page.responses.into_iter().flat_map(HashMap::into_values).flatten());
                asked = page.unprocessed_keys.unwrap_or_default();
            }
        }
        Ok(items)
    }

    /// The items of a partition whose sort key starts with `prefix`, all pages of them.
    pub(super) async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", text(pk))
                .expression_attribute_values(":prefix", text(prefix))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(failed)?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// Applies all of it or nothing. A transaction that meets another on the same items waits a little and tries again.
    pub(super) async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<(), Refused> {
        // One token for all tries: what was applied though its answer got lost is not refused as done before.
        let token = uuid::Uuid::from_bytes(Random::system().bytes()).simple().to_string();
        let mut tries = 0;
        loop {
            let request = self.client.transact_write_items().client_request_token(&token);
            let sent = request.set_transact_items(Some(items.clone())).send().await;
            let refused = match sent {
                Ok(_) => return Ok(()),
                Err(error) => refusal(error),
            };
            match refused {
                Refusal::Refused(refused) => return Err(refused),
                Refusal::Contended(error) if tries == CONFLICT_RETRIES => {
                    return Err(Refused::Failed(error));
                }
                Refusal::Contended(_) => {
                    tokio::time::sleep(backoff(tries)).await;
                    tries += 1;
                }
            }
        }
    }

    pub(super) fn put(&self, item: Item) -> TransactWriteItem {
        TransactWriteItem::builder()
            .put(self.put_builder(item).build().expect("table and item are set"))
            .build()
    }

    pub(super) fn put_if(
        &self,
        item: Item,
        condition: &str,
        values: &[(&str, AttributeValue)],
    ) -> TransactWriteItem {
        let put = self
            .put_builder(item)
            .condition_expression(condition)
            .set_expression_attribute_values(some_values(values))
            .build()
            .expect("table and item are set");
        TransactWriteItem::builder().put(put).build()
    }

    fn put_builder(&self, item: Item) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        Put::builder().table_name(&self.table).set_item(Some(item))
    }

    pub(super) fn update(
        &self,
        (pk, sk): (String, String),
        expression: &str,
        condition: &str,
        values: &[(&str, AttributeValue)],
    ) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(pk))
            .key(SK, AttributeValue::S(sk))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_values(some_values(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table, key and expression are set");
        TransactWriteItem::builder().update(update).build()
    }

    /// A condition on an item that the transaction does not change.
    pub(super) fn check(
        &self,
        (pk, sk): (String, String),
        condition: &str,
        values: &[(&str, AttributeValue)],
    ) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(pk))
            .key(SK, AttributeValue::S(sk))
            .condition_expression(condition)
            .set_expression_attribute_values(some_values(values))
            .build()
            .expect("table, key and condition are set");
        TransactWriteItem::builder().condition_check(check).build()
    }

    pub(super) fn delete(
        &self,
        (pk, sk): (String, String),
        condition: Option<&str>,
        values: &[(&str, AttributeValue)],
    ) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(pk))
            .key(SK, AttributeValue::S(sk))
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_values(some_values(values))
            .build()
            .expect("table and key are set");
        TransactWriteItem::builder().delete(delete).build()
    }
}

impl Refused {
    /// The error for callers to whom any broken condition means the same.
    pub(super) fn or(self, condition: Error) -> Error {
        match self {
            Self::Condition { .. } => condition,
            Self::Failed(error) => error,
        }
    }
}

enum Refusal {
    Refused(Refused),
    /// Another transaction held the items.
    Contended(Error),
}

fn refusal(error: SdkError<TransactWriteItemsError>) -> Refusal {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
    else {
        return Refusal::Refused(Refused::Failed(failed(error)));
    };
    let reasons = cancelled.cancellation_reasons();
    if let Some(place) = reasons.iter().position(|reason| reason.code() == Some("ConditionalCheckFailed")) {
        let item = reasons[place].item.clone();
        return Refusal::Refused(Refused::Condition { place, item });
    }
    let passes = |code: &str| {
        matches!(code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
    };
    if reasons.iter().filter_map(|reason| reason.code()).any(passes) {
        return Refusal::Contended(failed(error));
    }
    Refusal::Refused(Refused::Failed(failed(error)))
}

/// 20 ms, doubled with each try, of which a random part is waited.
fn backoff(tries: u32) -> Duration {
    let [byte] = Random::system().bytes::<1>();
    Duration::from_millis(20 << tries).mul_f64(f64::from(byte) / 255.0)
}

/// Tells the SDK that an update which met a transaction on the same item is worth another attempt.
#[derive(Debug)]
struct ConflictPasses;

impl ClassifyRetry for ConflictPasses {
    fn name(&self) -> &'static str {
        "ConflictPasses"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let code = context
            .output_or_error()
            .and_then(Result::err)
            .and_then(|error| error.as_operation_error()?.downcast_ref::<UpdateItemError>()?.code());
        match code {
            Some("TransactionConflictException") => RetryAction::transient_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }
}

/// An error of the table, as the domain's, after the SDK has tried more than once.
pub(super) fn failed<E>(error: SdkError<E>) -> Error
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    SdkError<E>: StdError + Send + Sync + 'static,
{
    let throttled = matches!(
        error.code(),
        Some("ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded")
    );
    // What is wrong with a request is wrong for good; all else passes.
    let refused = error.raw_response().is_some_and(|response| response.status().is_client_error());
    let contended = matches!(
        error.code(),
        Some(
            "TransactionCanceledException"
                | "TransactionConflictException"
                | "TransactionInProgressException"
        )
    );
    let passes = contended || !(refused || matches!(error, SdkError::ConstructionFailure(_)));
    let cause = TableError(Box::new(error));
    if throttled {
        Error::Busy { retry_after: Duration::from_secs(1) }
    } else if passes {
        Error::Unavailable(Box::new(cause))
    } else {
        Error::internal(cause)
    }
}

/// Tells the whole chain of causes: the SDK's own message names only the outermost.
#[derive(Debug)]
struct TableError(Box<dyn StdError + Send + Sync>);

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table: {}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for TableError {}

/// The item of a value, under this key.
pub(super) fn to_item(pk: String, sk: String, value: &impl Serialize) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(Error::internal)?;
    item.extend(bare_item(pk, sk));
    Ok(item)
}

/// An item that is only its key.
pub(super) fn bare_item(pk: String, sk: String) -> Item {
    Item::from([(PK.to_owned(), AttributeValue::S(pk)), (SK.to_owned(), AttributeValue::S(sk))])
}

/// The value of an item. Attributes that the value does not know are no error, so that versions can overlap.
pub(super) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T> {
    serde_dynamo::from_item(item).map_err(Error::internal)
}

pub(super) fn expiring(mut item: Item, at: Timestamp) -> Item {
    item.insert(EXPIRES_AT.to_owned(), number(at.as_second()));
    item
}

pub(super) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A number in an item that the table gave back.
pub(super) fn number_in(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// DynamoDB refuses an empty map of values.
pub(super) fn some_values(values: &[(&str, AttributeValue)]) -> Option<Item> {
    (!values.is_empty())
        .then(|| values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

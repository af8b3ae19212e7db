//! The platform's AWS services through AWS's own SDKs, as an operator uses them.

use std::collections::HashMap;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use infra_model::APP;
use shared::aws::{Aws, Endpoints, Service};
use tests::Platform;

/// The name of the table and of the bus.
pub(crate) const APP_NAME: &str = APP.name;

/// Clients with an operator's credentials, which are no function's.
pub(crate) fn aws(platform: &Platform) -> Aws {
    let endpoints = platform.about().endpoints.clone();
    let services = vec![
        (Service::DynamoDb, endpoints.dynamodb),
        (Service::EventBridge, endpoints.eventbridge),
        (Service::Ses, endpoints.ses),
        (Service::Ssm, endpoints.ssm),
    ];
    let credentials = Credentials::from_keys("AKIAOPERATOR", "secret", None);
    Aws::new("us-east-1".to_owned(), credentials, Endpoints { services, all: None })
}

/// The table.
pub(crate) struct Table(aws_sdk_dynamodb::Client);

impl Table {
    pub(crate) fn of(platform: &Platform) -> Self {
        Self(aws_sdk_dynamodb::Client::new(&aws(platform).config(Service::DynamoDb)))
    }

    /// Sets an attribute of an item that exists.
    pub(crate) async fn set(&self, (pk, sk): (&str, &str), attribute: &str, value: AttributeValue) {
        self.0
            .update_item()
            .table_name(APP_NAME)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .update_expression("SET #attribute = :value")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", value)
            .send()
            .await
            .unwrap_or_else(|error| panic!("{pk} {sk}: {error:?}"));
    }

    /// Removes an item.
    pub(crate) async fn delete(&self, pk: &str, sk: &str) {
        self.0
            .delete_item()
            .table_name(APP_NAME)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .send()
            .await
            .unwrap_or_else(|error| panic!("{pk} {sk}: {error:?}"));
    }

    /// An item.
    pub(crate) async fn get(&self, pk: &str, sk: &str) -> Option<HashMap<String, AttributeValue>> {
        let output = self
            .0
            .get_item()
            .table_name(APP_NAME)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .send()
            .await;
        output.expect("the table answers").item
    }
}

/// A time as the app writes it.
pub(crate) fn moment(seconds_from_now: i64) -> AttributeValue {
    let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds_from_now);
    AttributeValue::S(format!("{time:.3}"))
}

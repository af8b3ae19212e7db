//! A table for each test: the embedded DynamoDB of `cargo local` in memory, with the keys that the model gives the table,
//! reached over the wire as the real one is.

use std::future::pending;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use dynoxide::{Database, server};
use infra_model::APP;
use tokio::net::TcpListener;

/// Its name.
pub const NAME: &str = "test";

/// An empty table of nobody else's. It is gone when the test's runtime ends.
#[derive(Debug, Clone)]
pub struct TestTable {
    /// Where the database is, as `http://127.0.0.1:port`.
    pub url: String,
    /// One that speaks to it.
    pub client: Client,
}

impl TestTable {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// If it cannot be made: the test fails.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let database = Database::memory().expect("a database in memory");
        tokio::spawn(server::serve_with_shutdown(listener, database, pending()));
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::from_keys("test", "test", None))
            .endpoint_url(&url)
            .build();
        let table = Self { url, client: Client::from_conf(config) };
        table.create().await;
        table
    }

    async fn create(&self) {
        let mut request =
            self.client.create_table().table_name(NAME).billing_mode(BillingMode::PayPerRequest);
        for (name, role) in [(APP.table.partition_key, KeyType::Hash), (APP.table.sort_key, KeyType::Range)] {
            let attribute = AttributeDefinition::builder().attribute_name(name);
            let attribute = attribute.attribute_type(ScalarAttributeType::S).build();
            let key = KeySchemaElement::builder().attribute_name(name).key_type(role).build();
            request = request
                .attribute_definitions(attribute.expect("it has a name and a type"))
                .key_schema(key.expect("it has a name and a role"));
        }
        request.send().await.expect("the table is made");
    }
}

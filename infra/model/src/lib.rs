//! The app as plain data: what runs, what starts it, what it may touch.
//!
//! Read [`APP`] from top to bottom and you have read the architecture. `infra/local` runs it on
//! a laptop and `infra/cloud` turns it into AWS resources; neither adds anything of its own, so the
//! two cannot drift. This crate depends on nothing and computes nothing.

mod app;
mod site;

pub use app::APP;
pub use site::{CONTENT_SECURITY_POLICY, RESPONSE_HEADERS};

/// The whole app.
#[derive(Debug, Clone, Copy)]
pub struct App {
    /// Prefix of every resource's name.
    pub name: &'static str,
    /// The functions, one binary each.
    pub functions: &'static [Function],
    /// Which HTTP request goes to which function. The most specific route wins, as in API Gateway.
    pub routes: &'static [Route],
    /// Every event there is, and who is told of it.
    pub subscriptions: &'static [Subscription],
    /// What providers tell, outside the bus.
    pub topics: &'static [Topic],
    /// The one table.
    pub table: Table,
    /// Values that an operator or the platform provides, by name.
    pub parameters: &'static [Parameter],
    /// What the gateway and the account allow.
    pub limits: Limits,
}

/// A Lambda function: one binary, one trigger, one role.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name, and that of its binary.
    pub name: &'static str,
    /// The package that its binary is built from.
    pub package: &'static str,
    /// One sentence for people.
    pub purpose: &'static str,
    /// What starts it.
    pub trigger: Trigger,
    /// Memory in MiB; Lambda gives CPU in proportion, one core at 1,769.
    pub memory_mib: u32,
    /// Seconds until the platform ends an invocation.
    pub timeout_seconds: u32,
    /// The most instances that may run at once, or the account's limit.
    pub reserved_concurrency: Option<u32>,
    /// Its environment: this and what Lambda itself sets, nothing else.
    pub environment: &'static [(&'static str, Value)],
    /// What its role may do beyond reading its own trigger and writing its own log.
    pub grants: &'static [Grant],
}

/// What starts a function.
#[derive(Debug, Clone, Copy)]
pub enum Trigger {
    /// Requests of the routes that name it.
    Http,
    /// Changes of the table.
    Stream(StreamTrigger),
    /// Messages of its own queue, which the bus fills by the subscriptions that name it, or a topic does.
    Queue(QueueTrigger),
    /// The clock. The payload is EventBridge Scheduler's, of which only the time is read.
    Schedule(Schedule),
}

/// When a function is started by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Minutes from one start to the next.
    pub every_minutes: u32,
}

/// An SNS topic that a provider publishes to.
#[derive(Debug, Clone, Copy)]
pub struct Topic {
    /// Its name below the app's.
    pub name: &'static str,
    /// One sentence for people.
    pub purpose: &'static str,
    /// The functions whose queues get each message, wrapped as SNS does without raw delivery.
    pub consumers: &'static [&'static str],
}

/// The table's stream as an event source.
#[derive(Debug, Clone, Copy)]
pub struct StreamTrigger {
    /// Only inserts whose sort key starts with this start the function.
    pub sort_key_prefix: &'static str,
    /// Most records in one invocation.
    pub batch_size: u32,
    /// How often a failing batch is tried again before it goes to the dead-letter queue.
    pub retries: u32,
    /// Whether a failing batch is halved to find the record that fails.
    pub bisect: bool,
}

/// A queue as an event source.
#[derive(Debug, Clone, Copy)]
pub struct QueueTrigger {
    /// Most messages in one invocation.
    pub batch_size: u32,
    /// Seconds for which a message that was received stays hidden from others. AWS advises six
    /// times the function's timeout.
    pub visibility_timeout_seconds: u32,
    /// How often a message is received before it goes to the dead-letter queue.
    pub max_receives: u32,
    /// The most instances that the queue may keep busy at once.
    pub max_concurrency: u32,
}

/// A value of the environment, known when the app is run or deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// This text.
    Text(&'static str),
    /// The table's name.
    TableName,
    /// The bus's name.
    BusName,
    /// The origin that browsers use, as `https://example.com`.
    PublicOrigin,
    /// The address that mail comes from.
    MailFrom,
    /// The full name of a [`Parameter`], which the function reads itself.
    ParameterName(&'static str),
}

/// A permission of a function's role.
#[derive(Debug, Clone, Copy)]
pub enum Grant {
    /// These actions on items of the table.
    Table(&'static [TableAction]),
    /// Put events on the bus, under this source.
    PutEvents {
        /// The `source` that its events must bear.
        source: &'static str,
    },
    /// Send mail from the configured address.
    SendEmail,
    /// Send texts to phone numbers.
    SendText,
    /// Read one parameter.
    ReadParameter(&'static str),
}

/// An action on items of the table. A transaction needs those of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableAction {
    /// Read items by key.
    GetItem,
    /// Read several items by key at once.
    BatchGetItem,
    /// Read items of one partition.
    Query,
    /// Write an item.
    PutItem,
    /// Change an item.
    UpdateItem,
    /// Remove an item.
    DeleteItem,
    /// Check an item within a transaction.
    ConditionCheckItem,
}

impl TableAction {
    /// The action as IAM and the API name it, without the service's prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetItem => "GetItem",
            Self::BatchGetItem => "BatchGetItem",
            Self::Query => "Query",
            Self::PutItem => "PutItem",
            Self::UpdateItem => "UpdateItem",
            Self::DeleteItem => "DeleteItem",
            Self::ConditionCheckItem => "ConditionCheckItem",
        }
    }
}

/// An HTTP route, as API Gateway's route key and its target.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET`, `POST`, … or `ANY`.
    pub method: &'static str,
    /// The path; `{proxy+}` stands for the rest of it.
    pub path: &'static str,
    /// The function that answers.
    pub function: &'static str,
    /// How many requests it takes before 429.
    pub throttle: Throttle,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Requests a second in the long run.
    pub rate: u32,
    /// Requests at once.
    pub burst: u32,
}

/// Who is told of an event.
#[derive(Debug, Clone, Copy)]
pub struct Subscription {
    /// The event's type.
    pub event: &'static str,
    /// The functions told of it. None: it is kept in the user's history and nothing follows from it.
    pub consumers: &'static [&'static str],
}

/// A table with a partition key and a sort key, both text.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Name of the partition key.
    pub partition_key: &'static str,
    /// Name of the sort key.
    pub sort_key: &'static str,
    /// The attribute that says when an item expires, in seconds since 1970.
    pub ttl_attribute: &'static str,
    /// What the stream shows of a change.
    pub stream: StreamView,
    /// What its partition keys start with, and who reaches such items.
    pub partitions: &'static [Partition],
}

/// A kind of items, told by their partition key.
#[derive(Debug, Clone, Copy)]
pub struct Partition {
    /// What its keys start with.
    pub prefix: &'static str,
    /// The functions whose [`Grant::Table`] holds for it.
    pub functions: &'static [&'static str],
}

/// What the table's stream shows of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamView {
    /// The item as it is after the change.
    NewImage,
}

/// A value kept outside the code.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name below the app's.
    pub name: &'static str,
    /// Whether it is kept encrypted, and shown to nobody.
    pub secret: bool,
    /// What it holds.
    pub purpose: &'static str,
}

/// What the gateway and the account allow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest request body at the gateway, in bytes; above it 413.
    pub request_body_bytes: usize,
    /// Largest request or response payload of an invocation, in bytes.
    pub payload_bytes: usize,
    /// Seconds that the gateway waits for a function; then 504.
    pub gateway_timeout_seconds: u32,
    /// Instances of all functions together.
    pub account_concurrency: u32,
}

impl App {
    /// The function of that name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&'static Function> {
        self.functions.iter().find(|function| function.name == name)
    }
}

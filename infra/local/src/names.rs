//! How the app's parts are called in an AWS account, and here.

use infra_model::{App, Function};

/// The region that everything says it is in.
pub const REGION: &str = "us-east-1";

/// The account that everything says it belongs to.
pub const ACCOUNT: &str = "000000000000";

/// The table's name.
#[must_use]
pub const fn table(app: &App) -> &'static str {
    app.name
}

/// The event bus's name.
#[must_use]
pub const fn bus(app: &App) -> &'static str {
    app.name
}

/// The ARN of the table.
#[must_use]
pub fn table_arn(app: &App) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{}", table(app))
}

/// The ARN of the event bus.
#[must_use]
pub fn bus_arn(app: &App) -> String {
    format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{}", bus(app))
}

/// The ARN of a function.
#[must_use]
pub fn function_arn(app: &App, function: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}-{function}", app.name)
}

/// The ARN of the queue in front of a function.
#[must_use]
pub fn queue_arn(app: &App, function: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}-{function}", app.name)
}

/// The ARN of a topic.
#[must_use]
pub fn topic_arn(app: &App, topic: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{}-{topic}", app.name)
}

/// The ARN of the schedule that starts a function.
#[must_use]
pub fn schedule_arn(app: &App, function: &str) -> String {
    format!("arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{}-{function}", app.name)
}

/// Who a function's instance is to the services it calls.
#[must_use]
pub fn role_session_arn(app: &App, function: &Function) -> String {
    let (app, function) = (app.name, function.name);
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/{app}-{function}/{app}-{function}")
}

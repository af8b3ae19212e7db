//! How the app's parts are called in an account: as on a laptop, with the stage's name between.
//!
//! Several stages can share an account. A parameter's name is the laptop's with the stage in place of `local`.

use infra_model::App;

/// The app's name as people write it: `Billion`.
#[must_use]
pub fn display(app: &App) -> String {
    let mut letters = app.name.chars();
    letters.next().map(char::to_uppercase).into_iter().flatten().chain(letters).collect()
}

/// The bucket that the CDK CLI puts assets into, once the account has been bootstrapped. The account's number, and a
/// region that is given as `${AWS::Region}`, are filled in by CloudFormation or the CLI.
#[must_use]
pub fn assets_bucket(region: &str) -> String {
    format!("cdk-hnb659fds-assets-${{AWS::AccountId}}-{region}")
}

/// The stack: `billion-dev`.
#[must_use]
pub fn stack(app: &App, stage: &str) -> String {
    format!("{}-{stage}", app.name)
}

/// The table: `billion-dev`.
#[must_use]
pub fn table(app: &App, stage: &str) -> String {
    stack(app, stage)
}

/// The event bus: `billion-dev`.
#[must_use]
pub fn bus(app: &App, stage: &str) -> String {
    stack(app, stage)
}

/// The bus's archive: `billion-dev`.
#[must_use]
pub fn archive(app: &App, stage: &str) -> String {
    stack(app, stage)
}

/// A function: `billion-dev-api`.
#[must_use]
pub fn function(app: &App, stage: &str, function: &str) -> String {
    format!("{}-{function}", stack(app, stage))
}

/// The queue in front of a function: `billion-dev-email`.
#[must_use]
pub fn queue(app: &App, stage: &str, function: &str) -> String {
    self::function(app, stage, function)
}

/// The queue of what a function failed on for good: `billion-dev-email-dead-letters`. What comes from a queue is there
/// as it was; what comes from the table's stream is described there, by sequence numbers.
#[must_use]
pub fn dead_letters(app: &App, stage: &str, function: &str) -> String {
    format!("{}-dead-letters", self::function(app, stage, function))
}

/// The log group of a function: `/aws/lambda/billion-dev-api`.
#[must_use]
pub fn log_group(app: &App, stage: &str, function: &str) -> String {
    format!("/aws/lambda/{}", self::function(app, stage, function))
}

/// The log group of the HTTP API's access log: `/aws/vendedlogs/billion-dev/http-api`. AWS lets its services write
/// below this prefix without a policy for each group.
#[must_use]
pub fn access_log_group(app: &App, stage: &str) -> String {
    format!("/aws/vendedlogs/{}/http-api", stack(app, stage))
}

/// A parameter: `/billion/dev/auth/signing-keys`.
#[must_use]
pub fn parameter(app: &App, stage: &str, name: &str) -> String {
    format!("/{}/{stage}/{name}", app.name)
}

/// The parameter that holds what CloudFront proves itself by to the API: `/billion/dev/edge/secret`.
#[must_use]
pub fn edge_secret_parameter(app: &App, stage: &str) -> String {
    parameter(app, stage, "edge/secret")
}

/// The topic that all alarms go to: `billion-dev-alarms`.
#[must_use]
pub fn alarm_topic(app: &App, stage: &str) -> String {
    format!("{}-alarms", stack(app, stage))
}

/// The topic of bounces and complaints, and the queue that keeps them: `billion-dev-mail-feedback`.
#[must_use]
pub fn mail_feedback(app: &App, stage: &str) -> String {
    format!("{}-mail-feedback", stack(app, stage))
}

/// The configuration set that all mail is sent with: `billion-dev`.
#[must_use]
pub fn configuration_set(app: &App, stage: &str) -> String {
    stack(app, stage)
}

/// The dashboard: `billion-dev`.
#[must_use]
pub fn dashboard(app: &App, stage: &str) -> String {
    stack(app, stage)
}

/// The monthly budget: `billion-dev`.
#[must_use]
pub fn budget(app: &App, stage: &str) -> String {
    stack(app, stage)
}

//! What a function's role may do: named actions on named resources, nothing else (K1).

use infra_model::{App, Function, Grant, Trigger};
use serde_json::{Value, json};
use stratosphere::value::ToValue;

use crate::names;
use crate::resources::{
    BUS, MAIL_CONFIGURATION, MAIL_IDENTITY, TABLE, dead_letters_id, log_group_id, queue_id,
};
use crate::stack::{Id, arn, id, sub};
use crate::stage::{MailIdentity, Stage};

/// The actions that AWS lets nobody narrow to a resource, and why roles have them. Every other statement names its
/// resources. (AWS's service authorization reference names no resource type for these.)
pub const UNNARROWABLE: &[(&str, &str)] = &[
    ("dynamodb:ListStreams", "Lambda demands it of whoever reads a table's stream"),
    ("sns:Publish", "to phone numbers, which are no resources; topics are denied beside it"),
    ("xray:PutTelemetryRecords", "tracing; what is sent there can be read by nobody who may only send"),
    ("xray:PutTraceSegments", "tracing; what is sent there can be read by nobody who may only send"),
];

/// The policy of a function's role.
pub(crate) fn document(app: &App, stage: &Stage, function: &Function) -> Value {
    let mut statements = vec![
        // The group's ARN ends in `:*`, which stands for its streams: Lambda makes up their names.
        statement(
            "WriteOwnLog",
            &["logs:CreateLogStream", "logs:PutLogEvents"],
            arn(&log_group_id(function.name)),
        ),
        everywhere("Trace", &["xray:PutTelemetryRecords", "xray:PutTraceSegments"]),
    ];
    statements.extend(of_trigger(function));
    statements.extend(function.grants.iter().flat_map(|grant| of_grant(app, stage, function, *grant)));
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn of_trigger(function: &Function) -> Vec<Value> {
    match function.trigger {
        // API Gateway calls the function, not the other way round.
        Trigger::Http => Vec::new(),
        // Neither is the clock: it has a role of its own.
        Trigger::Schedule(_) => Vec::new(),
        Trigger::Stream(_) => vec![
            statement(
                "ReadStream",
                &["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
                stream_arn(),
            ),
            everywhere("FindStream", &["dynamodb:ListStreams"]),
            statement("GiveUp", &["sqs:SendMessage"], arn(&dead_letters_id(function.name))),
        ],
        Trigger::Queue(_) => vec![statement(
            "ReadQueue",
            &["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            arn(&queue_id(function.name)),
        )],
    }
}

fn of_grant(app: &App, stage: &Stage, function: &Function, grant: Grant) -> Vec<Value> {
    match grant {
        Grant::Table(actions) => {
            let mut actions: Vec<_> =
                actions.iter().map(|action| format!("dynamodb:{}", action.name())).collect();
            actions.sort_unstable();
            let statement = statement("UseTable", &actions, arn(&Id::from(TABLE)));
            let keys: Vec<_> = app
                .table
                .partitions
                .iter()
                .filter(|partition| partition.functions.contains(&function.name))
                .map(|partition| format!("{}*", partition.prefix))
                .collect();
            // Every action that can be granted names its keys, so that the condition always has something to compare.
            vec![when(statement, "ForAllValues:StringLike", "dynamodb:LeadingKeys", json!(keys))]
        }
        Grant::PutEvents { source } => {
            let statement = statement("PutEvents", &["events:PutEvents"], arn(&Id::from(BUS)));
            vec![when(statement, "StringEquals", "events:source", json!(source))]
        }
        Grant::SendEmail => {
            let own = |id| format!("arn:${{AWS::Partition}}:ses:${{AWS::Region}}:${{AWS::AccountId}}:{id}");
            let sender = match stage.mail_identity {
                MailIdentity::Existing => stage.mail_sender().unwrap_or_default().to_owned(),
                MailIdentity::Domain | MailIdentity::Address => format!("${{{MAIL_IDENTITY}}}"),
            };
            let to = stage.sandbox_recipients.iter().map(|address| own(format!("identity/{address}")));
            let resources: Vec<_> = [
                own(format!("identity/{sender}")),
                own(format!("configuration-set/${{{MAIL_CONFIGURATION}}}")),
            ]
            .into_iter()
            .chain(to)
            .map(|resource| sub(resource).to_value())
            .collect();
            let statement = statement("SendEmail", &["ses:SendRawEmail"], json!(resources));
            vec![when(statement, "StringEquals", "ses:FromAddress", json!(stage.mail_address()))]
        }
        Grant::SendText => {
            let mut no_topic = statement("NoTopic", &["sns:Publish"], json!("arn:*:sns:*:*:*"));
            no_topic["Effect"] = json!("Deny");
            vec![everywhere("SendText", &["sns:Publish"]), no_topic]
        }
        Grant::ReadParameter(name) => {
            let full_name = names::parameter(app, &stage.name, name);
            let own = sub(format!(
                "arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter{full_name}"
            ));
            vec![statement(&format!("Read{}", id(name)), &["ssm:GetParameter"], own.to_value())]
        }
    }
}

/// The policy of a role that starts one function.
pub(crate) fn to_invoke(function: &Id) -> Value {
    let statement = statement("Start", &["lambda:InvokeFunction"], arn(function));
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// That a service may take a role, on behalf of this account.
pub(crate) fn assumed_by(service: &str) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": { "Service": service },
    });
    if service != LAMBDA {
        statement["Condition"] =
            json!({ "StringEquals": { "aws:SourceAccount": { "Ref": "AWS::AccountId" } } });
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// Runs a function under its role without saying for whom.
const LAMBDA: &str = "lambda.amazonaws.com";

/// The ARN of the table's stream.
pub(crate) fn stream_arn() -> Value {
    stratosphere::value::get_att(TABLE, "StreamArn").to_value()
}

fn statement(sid: &str, actions: &[impl AsRef<str>], resource: Value) -> Value {
    let actions: Vec<_> = actions.iter().map(AsRef::as_ref).collect();
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource })
}

fn everywhere(sid: &str, actions: &[&str]) -> Value {
    statement(sid, actions, json!("*"))
}

fn when(mut statement: Value, operator: &str, key: &str, value: Value) -> Value {
    statement["Condition"] = json!({ operator: { key: value } });
    statement
}

//! K1: one role a function, named actions on named resources.

use std::collections::BTreeSet;

use infra_cloud::Stage;
use infra_cloud::policy::UNNARROWABLE;
use infra_model::{APP, App, Function, Grant, Trigger};
use serde_json::{Value, json};

use crate::{Template, everything, full, small, target, texts};

fn statements(role: &Value) -> impl Iterator<Item = &Value> {
    let policies = role["Policies"].as_array().unwrap().iter();
    policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap())
}

fn allowed(role: &Value) -> impl Iterator<Item = &Value> {
    statements(role).filter(|statement| statement["Effect"] == "Allow")
}

fn role_of<'a>(template: &'a Template, function: &Function) -> &'a Value {
    let name = format!("billion-dev-{}", function.name);
    let (_, properties) = template.find("AWS::Lambda::Function", "FunctionName", &name);
    template.properties(target(&properties["Role"]))
}

/// The app and a template of it.
fn both() -> [(App, Template); 2] {
    [APP, everything::app()].map(|app| (app, Template::of(&app, &small())))
}

/// K1
#[test]
fn k1_each_function_has_a_role_of_its_own() {
    for template in Template::all() {
        let roles: Vec<_> =
            template.of_type("AWS::Lambda::Function").map(|(_, it)| target(&it["Role"])).collect();
        let distinct: BTreeSet<_> = roles.iter().collect();
        assert!(!roles.is_empty() && roles.len() == distinct.len(), "{roles:?}");
        for (id, role) in template.of_type("AWS::IAM::Role") {
            assert!(role["ManagedPolicyArns"].is_null(), "{id} has what AWS put into a policy of its own");
        }
    }
}

/// K1
#[test]
fn k1_no_role_has_a_wildcard_action() {
    for template in Template::all() {
        for (id, role) in template.of_type("AWS::IAM::Role") {
            for statement in allowed(role) {
                assert!(statement["NotAction"].is_null(), "{id}");
                for action in texts(&statement["Action"]) {
                    assert!(!action.contains('*') && action.contains(':'), "{id}: {action}");
                }
            }
        }
    }
}

/// K1
#[test]
fn k1_a_wildcard_resource_is_only_where_aws_allows_nothing_else() {
    let known: BTreeSet<_> = UNNARROWABLE.iter().map(|(action, _)| *action).collect();
    assert!(UNNARROWABLE.iter().all(|(_, reason)| reason.len() > 20), "each has its reason");
    let mut used = BTreeSet::new();
    for template in Template::all() {
        for (id, role) in template.of_type("AWS::IAM::Role") {
            for statement in allowed(role) {
                assert!(statement["NotResource"].is_null(), "{id}");
                if statement["Resource"].to_string().contains('*') {
                    assert_eq!(statement["Resource"], "*", "{id}: half a wildcard");
                    for action in texts(&statement["Action"]) {
                        assert!(known.contains(action), "{id} may {action} on everything");
                        used.insert(action.to_owned());
                    }
                }
            }
        }
    }
    assert_eq!(used, known.iter().map(|action| (*action).to_owned()).collect(), "no exception is idle");
}

/// K1
#[test]
fn k1_a_role_may_do_what_the_model_grants_and_nothing_else() {
    for (app, template) in both() {
        for function in app.functions {
            let role = role_of(&template, function);
            let actions: BTreeSet<_> =
                allowed(role).flat_map(|it| texts(&it["Action"])).map(str::to_owned).collect();
            assert_eq!(actions, expected(function), "{}", function.name);
        }
    }
}

fn expected(function: &Function) -> BTreeSet<String> {
    let mut actions = vec![
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ];
    actions.extend_from_slice(match function.trigger {
        Trigger::Http | Trigger::Schedule(_) => &[],
        Trigger::Stream(_) => &[
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
            "sqs:SendMessage",
        ],
        Trigger::Queue(_) => &["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
    });
    let mut actions: BTreeSet<_> = actions.into_iter().map(str::to_owned).collect();
    for grant in function.grants {
        match grant {
            Grant::Table(table) => actions.extend(table.iter().map(|it| format!("dynamodb:{}", it.name()))),
            Grant::PutEvents { .. } => _ = actions.insert("events:PutEvents".to_owned()),
            Grant::SendEmail => _ = actions.insert("ses:SendRawEmail".to_owned()),
            Grant::SendText => _ = actions.insert("sns:Publish".to_owned()),
            Grant::ReadParameter(_) => _ = actions.insert("ssm:GetParameter".to_owned()),
        }
    }
    actions
}

/// K1
#[test]
fn k1_the_table_is_reached_by_the_partitions_that_the_model_names() {
    for (app, template) in both() {
        for partition in app.table.partitions {
            assert!(partition.prefix.len() > 1, "{} is no prefix", partition.prefix);
            let same = app.table.partitions.iter().filter(|other| other.prefix.starts_with(partition.prefix));
            assert_eq!(same.count(), 1, "{} is the beginning of another", partition.prefix);
            for name in partition.functions {
                let function = app.function(name);
                let function = function.unwrap_or_else(|| panic!("{}: there is no {name}", partition.prefix));
                assert!(
                    function.grants.iter().any(|grant| matches!(grant, Grant::Table(_))),
                    "{}: {name} has no grant on the table",
                    partition.prefix
                );
            }
        }
        for function in app.functions {
            let role = role_of(&template, function);
            let on_table =
                |statement: &&Value| statement["Resource"] == json!({ "Fn::GetAtt": ["Table", "Arn"] });
            for statement in allowed(role).filter(on_table) {
                let condition = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
                let keys: BTreeSet<_> = texts(condition).into_iter().map(str::to_owned).collect();
                let partitions = app.table.partitions.iter();
                let own = partitions.filter(|partition| partition.functions.contains(&function.name));
                let expected: BTreeSet<_> = own.map(|partition| format!("{}*", partition.prefix)).collect();
                assert_eq!(keys, expected, "{}", function.name);
                assert!(
                    !keys.is_empty(),
                    "{} has a grant on the table, and no partition of the model names it",
                    function.name
                );
            }
        }
    }
}

/// K1
#[test]
fn k1_only_who_is_granted_it_sends_mail_reads_a_secret_or_puts_events() {
    let (app, template) = (APP, Template::of(&APP, &full()));
    let having = |needle: &str| -> BTreeSet<&str> {
        let has = |function: &&Function| {
            let name = format!("billion-example-{}", function.name);
            let (_, properties) = template.find("AWS::Lambda::Function", "FunctionName", &name);
            let role = template.properties(target(&properties["Role"]));
            allowed(role).any(|statement| statement.to_string().contains(needle))
        };
        app.functions.iter().filter(has).map(|function| function.name).collect()
    };
    let granted = |is: &dyn Fn(&Grant) -> bool| -> BTreeSet<&str> {
        app.functions.iter().filter(|it| it.grants.iter().any(is)).map(|it| it.name).collect()
    };
    assert_eq!(having("ses:"), granted(&|grant| matches!(grant, Grant::SendEmail)));
    assert_eq!(having("events:PutEvents"), granted(&|grant| matches!(grant, Grant::PutEvents { .. })));
    for parameter in app.parameters {
        let readers = having(&format!(":parameter/billion/example/{}\"", parameter.name));
        assert_eq!(
            readers,
            granted(&|grant| matches!(grant, Grant::ReadParameter(name) if *name == parameter.name)),
            "{}",
            parameter.name
        );
    }
    assert_eq!(having("auth/signing-keys"), BTreeSet::from(["auth"]));
    assert!(having("billing/").iter().all(|function| function.starts_with("billing")));
}

/// K1
#[test]
fn k1_mail_is_sent_as_the_configured_address_and_events_bear_the_granted_source() {
    let template = Template::small();
    for function in APP.functions {
        for statement in allowed(role_of(&template, function)) {
            for action in texts(&statement["Action"]) {
                let condition = &statement["Condition"]["StringEquals"];
                if action.starts_with("ses:") {
                    assert_eq!(condition["ses:FromAddress"], "hello@example.com");
                }
                if action == "events:PutEvents" {
                    assert_eq!(condition["events:source"], "billion");
                }
            }
        }
    }
}

/// K1
#[test]
fn k1_mail_is_sent_by_the_identity_alone_and_to_the_sandboxs_recipients_where_there_are_some() {
    let identities = |stage: &Stage| -> Vec<String> {
        let template = Template::of(&APP, stage);
        let name = format!("billion-{}-email", stage.name);
        let (_, properties) = template.find("AWS::Lambda::Function", "FunctionName", &name);
        let role = template.properties(target(&properties["Role"]));
        let statement = allowed(role).find(|it| texts(&it["Action"]) == ["ses:SendRawEmail"]).unwrap();
        let arns = statement["Resource"].as_array().unwrap().iter().map(|it| it["Fn::Sub"].as_str().unwrap());
        arns.filter_map(|arn| arn.split_once(":identity/")).map(|(_, identity)| identity.to_owned()).collect()
    };
    assert_eq!(identities(&small()), ["${MailIdentity}"]);
    assert_eq!(identities(&full()), ["${MailIdentity}", "somebody@example.com"]);
}

/// K1
#[test]
fn k1_who_sends_texts_publishes_to_no_topic() {
    let (_, template) = &both()[1];
    let role = role_of(template, everything::app().function("pigeon").unwrap());
    let denied = statements(role).find(|statement| statement["Effect"] == "Deny").unwrap();
    assert_eq!(
        (texts(&denied["Action"]), &denied["Resource"]),
        (vec!["sns:Publish"], &json!("arn:*:sns:*:*:*"))
    );
}

/// K1
#[test]
fn k1_the_clock_starts_its_own_function_only() {
    let (_, template) = &both()[1];
    let (_, schedule) = template.find("AWS::Scheduler::Schedule", "Name", "billion-dev-janitor");
    assert_eq!(schedule["ScheduleExpression"], "rate(15 minutes)");
    let role = template.properties(target(&schedule["Target"]["RoleArn"]));
    let may: Vec<_> = allowed(role).collect();
    assert_eq!(may.len(), 1);
    assert_eq!(texts(&may[0]["Action"]), ["lambda:InvokeFunction"]);
    assert_eq!(target(&may[0]["Resource"]), target(&schedule["Target"]["Arn"]));
}

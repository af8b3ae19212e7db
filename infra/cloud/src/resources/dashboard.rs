//! One dashboard: the way of a request from the top down, then what follows from it.
//!
//! It is sparing with metrics: one of up to 50 is free, and a larger one is not.

use infra_model::{Function, Trigger};
use serde_json::{Value, json};
use stratosphere::services::aws::cloudwatch::Dashboard;

use super::{API, functions::answers_requests, mail};
use crate::stack::{Stack, sub, text};
use crate::{Context, names};

/// The grid is 24 wide; three graphs make a row.
const WIDTH: usize = 8;
const HEIGHT: usize = 6;

pub(super) fn add(stack: &mut Stack, context: &Context<'_>) {
    let graphs = graphs(context);
    let widgets: Vec<_> = graphs.into_iter().enumerate().map(|(index, graph)| graph.widget(index)).collect();
    stack.add(
        "Dashboard",
        Dashboard! {
            dashboard_name: text(names::dashboard(context.app, &context.stage.name)),
            // Periods and names are text; what is only known in AWS stands in `${…}`.
            dashboard_body: sub(json!({ "widgets": widgets }).to_string())
        },
    );
}

struct Graph {
    title: &'static str,
    metrics: Vec<Value>,
}

impl Graph {
    fn widget(self, index: usize) -> Value {
        json!({
            "type": "metric",
            "x": (index % 3) * WIDTH, "y": (index / 3) * HEIGHT, "width": WIDTH, "height": HEIGHT,
            "properties": {
                "title": self.title,
                "region": "${AWS::Region}",
                "view": "timeSeries",
                "period": 300,
                "metrics": self.metrics,
            },
        })
    }
}

fn graphs(context: &Context<'_>) -> Vec<Graph> {
    let Context { app, stage, .. } = context;
    let of_functions = |metric: &str, stat: &str, which: &dyn Fn(&Function) -> bool| -> Vec<Value> {
        let of_function = |function: &Function| {
            let name = names::function(app, &stage.name, function.name);
            json!(["AWS/Lambda", metric, "FunctionName", name, { "stat": stat, "label": function.name }])
        };
        app.functions.iter().filter(|function| which(function)).map(of_function).collect()
    };
    let all = |_: &Function| true;
    let of_account = |metric: &str, stat: &str| json!(["AWS/Lambda", metric, { "stat": stat }]);
    let api = format!("${{{API}}}");
    let of_api = |metric: &str, stat: &str| json!(["AWS/ApiGateway", metric, "ApiId", api, { "stat": stat, "label": format!("{metric} {stat}") }]);
    let table = names::table(app, &stage.name);
    let of_table = |metric: &str| json!(["AWS/DynamoDB", metric, "TableName", table, { "stat": "Sum" }]);
    vec![
        Graph {
            title: "Requests",
            metrics: ["Count", "4xx", "5xx"].map(|metric| of_api(metric, "Sum")).into(),
        },
        Graph { title: "Latency (ms)", metrics: ["p50", "p99"].map(|stat| of_api("Latency", stat)).into() },
        Graph { title: "Invocations", metrics: of_functions("Invocations", "Sum", &all) },
        Graph { title: "Function errors", metrics: of_functions("Errors", "Sum", &all) },
        Graph { title: "Duration p99 (ms)", metrics: of_functions("Duration", "p99", &answers_requests) },
        Graph {
            title: "Instances of the account, and refused for lack of them",
            metrics: vec![of_account("ConcurrentExecutions", "Maximum"), of_account("Throttles", "Sum")],
        },
        Graph {
            title: "Table",
            metrics: ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"].map(of_table).into(),
        },
        Graph { title: "Waiting, and given up", metrics: queues(context) },
        Graph { title: "Mail", metrics: mail_counts(context) },
    ]
}

fn queues(context: &Context<'_>) -> Vec<Value> {
    let Context { app, stage, .. } = context;
    let depth = |queue: String| json!(["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, { "stat": "Maximum" }]);
    let mut metrics = Vec::new();
    for function in app.functions {
        let name = function.name;
        match function.trigger {
            Trigger::Http | Trigger::Schedule(_) => {}
            Trigger::Stream(_) => metrics.push(depth(names::dead_letters(app, &stage.name, name))),
            Trigger::Queue(_) => {
                metrics.push(depth(names::queue(app, &stage.name, name)));
                metrics.push(depth(names::dead_letters(app, &stage.name, name)));
            }
        }
    }
    metrics
}

fn mail_counts(context: &Context<'_>) -> Vec<Value> {
    let set = names::configuration_set(context.app, &context.stage.name);
    let count = |metric: &str| json!(["AWS/SES", metric, mail::CONFIGURATION_TAG, set, { "stat": "Sum" }]);
    ["Send", "Bounce", "Complaint"].map(count).into()
}

//! A change of the model changes the template, with no other edit.

use std::collections::BTreeSet;

use infra_model::{
    APP, App, Function, Grant, QueueTrigger, Route, Subscription, Throttle, Trigger, Value as Variable,
};
use serde_json::{Value, json};

use crate::everything::leak;
use crate::{Template, small, target, texts};

const GREETER: Function = Function {
    name: "greeter",
    package: "greeter",
    purpose: "Greets who asks",
    trigger: Trigger::Http,
    memory_mib: 128,
    timeout_seconds: 5,
    reserved_concurrency: None,
    environment: &[("BUS_NAME", Variable::BusName)],
    grants: &[Grant::PutEvents { source: "billion" }],
};

const WELCOMER: Function = Function {
    name: "welcomer",
    package: "greeter",
    purpose: "Greets who signs up",
    trigger: Trigger::Queue(QueueTrigger {
        batch_size: 5,
        visibility_timeout_seconds: 60,
        max_receives: 3,
        max_concurrency: 2,
    }),
    environment: &[],
    grants: &[],
    ..GREETER
};

fn changed() -> App {
    let throttle = Throttle { rate: 7, burst: 9 };
    let route = Route { method: "GET", path: "/api/greetings/{name}", function: "greeter", throttle };
    let subscriptions = APP.subscriptions.iter().map(|subscription| match subscription.event {
        "user.signed_up" => Subscription {
            consumers: leak([subscription.consumers, &["welcomer"]].concat()),
            ..*subscription
        },
        _ => *subscription,
    });
    App {
        functions: leak([APP.functions, &[GREETER, WELCOMER]].concat()),
        routes: leak([APP.routes, &[route]].concat()),
        subscriptions: leak(subscriptions.collect()),
        ..APP
    }
}

#[test]
fn a_function_with_a_route_and_one_with_a_subscription_need_no_other_edit() {
    let (before, after) = (Template::small(), Template::of(&changed(), &small()));

    let (_, route) = after.find("AWS::ApiGatewayV2::Route", "RouteKey", "GET /api/greetings/{name}");
    let integration = after.properties(target(&route["Target"]["Fn::Join"][1][1]));
    let function = after.properties(target(&integration["IntegrationUri"]));
    assert_eq!(function["FunctionName"], "billion-dev-greeter");
    let (_, stage) = after.of_type("AWS::ApiGatewayV2::Stage").next().unwrap();
    assert_eq!(stage["RouteSettings"]["GET /api/greetings/{name}"]["ThrottlingBurstLimit"], 9);

    let (queue, _) = after.find("AWS::SQS::Queue", "QueueName", "billion-dev-welcomer");
    let (_, rule) = after
        .of_type("AWS::Events::Rule")
        .find(|(_, rule)| target(&rule["Targets"][0]["Arn"]) == queue)
        .expect("the queue has a rule");
    assert_eq!(texts(&rule["EventPattern"]["detail-type"]), ["user.signed_up"]);

    let ids = |template: &Template| -> BTreeSet<String> {
        template.0["Resources"].as_object().unwrap().keys().cloned().collect()
    };
    let new: BTreeSet<_> = ids(&after).difference(&ids(&before)).cloned().collect();
    assert!(ids(&before).is_subset(&ids(&after)), "nothing is gone");
    assert!(new.iter().all(|id| id.contains("Greet") || id.contains("Welcome")), "{new:?}");
    // What belongs to the whole names its parts; all else is as it was, but for what it is made after.
    let whole = ["Dashboard", "HttpApiStage"];
    for id in ids(&before).iter().filter(|id| !whole.contains(&id.as_str())) {
        let [before, after] = [&before, &after].map(|template| {
            let mut resource = template.resource(id).clone();
            resource.as_object_mut().unwrap().remove("DependsOn");
            resource
        });
        assert_eq!(before, after, "{id}");
    }
    assert!(whole.iter().all(|id| before.resource(id) != after.resource(id)));
    let body = after.properties("Dashboard")["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(body.to_string().contains(&json!("billion-dev-welcomer").to_string()));
}

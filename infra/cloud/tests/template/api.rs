use std::collections::BTreeSet;

use infra_model::{APP, Trigger};
use serde_json::json;

use crate::{Template, small, target};

#[test]
fn each_route_leads_to_its_function_and_has_its_throttle() {
    let template = Template::small();
    let (stage_id, stage) = template.of_type("AWS::ApiGatewayV2::Stage").next().unwrap();
    let settings = stage["RouteSettings"].as_object().unwrap();
    assert_eq!(settings.len(), APP.routes.len());
    assert_eq!(template.of_type("AWS::ApiGatewayV2::Route").count(), APP.routes.len());
    for route in APP.routes {
        let key = match route.path {
            "$default" => route.path.to_owned(),
            path => format!("{} {path}", route.method),
        };
        let (id, properties) = template.find("AWS::ApiGatewayV2::Route", "RouteKey", &key);
        let integration = template.properties(target(&properties["Target"]["Fn::Join"][1][1]));
        let function = template.properties(target(&integration["IntegrationUri"]));
        assert_eq!(function["FunctionName"], format!("billion-dev-{}", route.function), "{key}");
        assert_eq!(integration["PayloadFormatVersion"], "2.0");
        assert_eq!(integration["TimeoutInMillis"], APP.limits.gateway_timeout_seconds * 1_000);
        assert_eq!(
            settings[&key],
            json!({ "ThrottlingRateLimit": route.throttle.rate, "ThrottlingBurstLimit": route.throttle.burst })
        );
        let made_before = template.resource(stage_id)["DependsOn"].as_array().unwrap();
        assert!(made_before.contains(&json!(id)), "settings of a route that is not there yet are refused");
    }
}

/// I1: what is not the API may start no function that answers people.
#[test]
fn i1_only_the_api_may_call_the_functions_that_answer_requests() {
    let template = Template::small();
    let called: BTreeSet<_> = template
        .of_type("AWS::Lambda::Permission")
        .map(|(id, permission)| {
            assert_eq!(permission["Principal"], "apigateway.amazonaws.com", "{id}");
            let source = permission["SourceArn"]["Fn::Sub"].as_str().unwrap();
            assert!(source.contains("${HttpApi}/"), "{id}: {source}");
            template.properties(target(&permission["FunctionName"]))["FunctionName"].to_string()
        })
        .collect();
    let http: BTreeSet<_> = APP
        .functions
        .iter()
        .filter(|function| matches!(function.trigger, Trigger::Http))
        .map(|function| format!("\"billion-dev-{}\"", function.name))
        .collect();
    assert_eq!(called, http);
    assert_eq!(template.of_type("AWS::Lambda::Url").count(), 0);
}

/// K2
#[test]
fn k2_the_access_log_tells_of_nobody() {
    let template = Template::small();
    let (_, stage) = template.of_type("AWS::ApiGatewayV2::Stage").next().unwrap();
    let format = stage["AccessLogSettings"]["Format"].as_str().unwrap();
    let fields: serde_json::Map<_, _> = serde_json::from_str(format).unwrap();
    assert!(fields.contains_key("request_id") && fields.contains_key("status"));
    for forbidden in ["identity", "$context.path", "authorizer", "userAgent", "header", "query", "domainName"]
    {
        assert!(!format.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn each_function_is_as_the_model_has_it() {
    let template = Template::small();
    assert_eq!(template.of_type("AWS::Lambda::Function").count(), APP.functions.len());
    for function in APP.functions {
        let name = format!("billion-dev-{}", function.name);
        let (_, properties) = template.find("AWS::Lambda::Function", "FunctionName", &name);
        assert_eq!(properties["MemorySize"], function.memory_mib);
        assert_eq!(properties["Timeout"], function.timeout_seconds);
        assert_eq!(properties["ReservedConcurrentExecutions"], json!(function.reserved_concurrency));
        assert_eq!(properties["Runtime"], "provided.al2023");
        assert_eq!(properties["Architectures"], json!(["arm64"]));
        assert_eq!(properties["TracingConfig"]["Mode"], "Active");
        assert_eq!(properties["LoggingConfig"]["LogFormat"], "JSON");
        let log = template.properties(target(&properties["LoggingConfig"]["LogGroup"]));
        assert_eq!(log["LogGroupName"], format!("/aws/lambda/{name}"));
        assert_eq!(log["RetentionInDays"], small().log_retention_days);
        let variables: BTreeSet<_> =
            properties["Environment"]["Variables"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(variables, function.environment.iter().map(|(name, _)| *name).collect());
    }
}

#[test]
fn an_architecture_is_the_stages_and_concurrency_is_reserved_only_where_there_is_enough() {
    let stage = infra_cloud::Stage {
        architecture: infra_cloud::stage::Architecture::X86_64,
        reserve_concurrency: false,
        public_origin: Some("http://localhost:4566".to_owned()),
        ..small()
    };
    let template = Template::of(&APP, &stage);
    for (id, function) in template.of_type("AWS::Lambda::Function") {
        assert_eq!(function["Architectures"], json!(["x86_64"]), "{id}");
        assert!(function["ReservedConcurrentExecutions"].is_null(), "{id}");
        let origin = &function["Environment"]["Variables"]["PUBLIC_ORIGIN"];
        assert!(origin.is_null() || origin == "http://localhost:4566", "{id}");
    }
}

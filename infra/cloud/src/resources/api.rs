//! The HTTP API: every route with its throttle, an integration for each function, an access log.

use infra_model::{Function, Route};
use serde_json::{Map, Value, json};
use stratosphere::services::aws::apigatewayv2::{Api, Integration, Route as ApiRoute, Stage, stage};
use stratosphere::services::aws::lambda::Permission;
use stratosphere::services::aws::logs::LogGroup;
use stratosphere::value::{get_att, get_att_arn, join};

use super::{API, EDGE_SECRET, function_id, functions};
use crate::stack::{Id, Stack, id, refer, reference, sub, text};
use crate::{Context, names, outputs};

/// The name of the stage variable by which functions know what CloudFront proves itself by. It comes with each
/// event, in `stageVariables`.
const EDGE_SECRET_VARIABLE: &str = "edge_secret";

pub(super) fn add(stack: &mut Stack, context: &Context<'_>) {
    let Context { app, stage, .. } = context;
    let api = stack.add(
        API,
        Api! {
            name: text(names::stack(app, &stage.name)),
            protocol_type: "HTTP",
            description: text(format!("The API of {}, behind CloudFront", names::display(app)))
        },
    );
    for function in app.functions.iter().filter(|function| functions::answers_requests(function)) {
        add_integration(stack, context, &api, function);
    }
    let routes: Vec<_> = app.routes.iter().map(|route| add_route(stack, &api, route)).collect();
    let secret = stack.stored_parameter(
        EDGE_SECRET,
        &names::edge_secret_parameter(app, &stage.name),
        "What CloudFront proves itself by to the API. Whoever knows it can pretend to send for another address.",
    );
    let log_group = stack.add(
        "AccessLog",
        LogGroup! {
            log_group_name: text(names::access_log_group(app, &stage.name)),
            retention_in_days: stage.log_retention_days.cast_signed()
        },
    );
    stack.discard(&log_group);
    let deployed = stack.add(
        "HttpApiStage",
        Stage! {
            api_id: refer(&api),
            stage_name: "$default",
            auto_deploy: true,
            access_log_settings: stage::AccessLogSettings! {
                destination_arn: get_att_arn(&log_group),
                format: text(access_log_format())
            },
            stage_variables: json!({ EDGE_SECRET_VARIABLE: reference(&secret) }),
            route_settings: Value::Object(app.routes.iter().map(settings).collect())
        },
    );
    // Settings of a route that is not there yet are refused.
    stack.after(&deployed, &routes);
    stack.output(outputs::API_URL, "The HTTP API's own address", get_att(&api, "ApiEndpoint"));
}

fn add_integration(stack: &mut Stack, context: &Context<'_>, api: &Id, function: &Function) {
    let target = function_id(function.name);
    let patience = context.app.limits.gateway_timeout_seconds.cast_signed() * 1_000;
    stack.add(
        integration_id(function.name).0,
        Integration! {
            api_id: api,
            integration_type: "AWS_PROXY",
            integration_uri: get_att_arn(&target),
            payload_format_version: "2.0",
            timeout_in_millis: patience
        },
    );
    stack.add(
        id(function.name) + "Permission",
        Permission! {
            action: "lambda:InvokeFunction",
            function_name: refer(&target),
            principal: "apigateway.amazonaws.com",
            source_arn: sub(format!(
                "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{{API}}}/*"
            ))
        },
    );
}

fn add_route(stack: &mut Stack, api: &Id, route: &Route) -> Id {
    let integration = integration_id(route.function);
    let route_key = key(route);
    stack.add(
        id(&route_key) + "Route",
        ApiRoute! {
            api_id: api,
            route_key: text(&route_key),
            // Functions verify access tokens themselves: no hop for that.
            authorization_type: "NONE",
            target: join("/", ["integrations".into(), refer(&integration)])
        },
    )
}

fn settings(route: &Route) -> (String, Value) {
    let throttle = json!({
        "ThrottlingRateLimit": route.throttle.rate,
        "ThrottlingBurstLimit": route.throttle.burst,
    });
    (key(route), throttle)
}

/// As `POST /api/auth/sign-up` or `$default`.
fn key(route: &Route) -> String {
    if route.path == "$default" { route.path.to_owned() } else { format!("{} {}", route.method, route.path) }
}

fn integration_id(function: &str) -> Id {
    Id(id(function) + "Integration")
}

/// One line of JSON a request. It holds no address, no path with ids and no header (K2).
fn access_log_format() -> String {
    let fields = [
        ("request_id", "requestId"),
        ("time", "requestTime"),
        ("route", "routeKey"),
        ("status", "status"),
        ("response_bytes", "responseLength"),
        ("latency_ms", "responseLatency"),
        ("function_ms", "integrationLatency"),
        ("function_error", "integrationErrorMessage"),
        ("error", "error.message"),
    ];
    let fields: Map<_, _> = fields
        .iter()
        .map(|(name, variable)| ((*name).to_owned(), json!(format!("$context.{variable}"))))
        .collect();
    Value::Object(fields).to_string()
}

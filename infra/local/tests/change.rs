//! A change of the model changes the platform, with no other edit. `infra/cloud/tests/template/change.rs` makes the same
//! change and sees it in the template.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use infra_local::functions::default_folder;
use infra_local::platform::Platform;
use infra_local::settings::Settings;
use infra_model::{APP, App, Function, QueueTrigger, Route, Subscription, Throttle, Trigger};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GREETER: Function = Function {
    name: "greeter",
    package: "greeter",
    purpose: "Greets who asks",
    trigger: Trigger::Http,
    memory_mib: 128,
    timeout_seconds: 5,
    reserved_concurrency: None,
    environment: &[],
    grants: &[],
};

const WELCOMER: Function = Function {
    name: "welcomer",
    purpose: "Greets who signs up",
    trigger: Trigger::Queue(QueueTrigger {
        batch_size: 5,
        visibility_timeout_seconds: 60,
        max_receives: 3,
        max_concurrency: 2,
    }),
    ..GREETER
};

fn changed() -> &'static App {
    let throttle = Throttle { rate: 7, burst: 9 };
    let route = Route { method: "GET", path: "/api/greetings/{name}", function: "greeter", throttle };
    let subscriptions = APP.subscriptions.iter().map(|subscription| match subscription.event {
        "user.signed_up" => Subscription {
            consumers: [subscription.consumers, &["welcomer"]].concat().leak(),
            ..*subscription
        },
        _ => *subscription,
    });
    Box::leak(Box::new(App {
        functions: [APP.functions, &[GREETER, WELCOMER]].concat().leak(),
        routes: [APP.routes, &[route]].concat().leak(),
        subscriptions: subscriptions.collect::<Vec<_>>().leak(),
        ..APP
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_with_a_route_and_one_with_a_subscription_need_no_other_edit() {
    let (data, functions) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let built = default_folder().unwrap();
    for function in APP.functions {
        symlink(built.join(function.name), functions.path().join(function.name)).unwrap();
    }
    for name in ["greeter", "welcomer"] {
        symlink(built.join("examples/scripted_function"), functions.path().join(name)).unwrap();
    }
    let settings = Settings::new(data.path().to_owned(), functions.path().to_owned());
    let platform = Platform::start(Settings { app: changed(), ..settings }).await.unwrap();

    let (status, greeting) = http(&platform, "GET", "/api/greetings/ann", None).await;
    assert_eq!(status, 200, "{greeting}");
    assert_eq!(greeting["event"]["routeKey"], "GET /api/greetings/{name}");
    assert_eq!(greeting["event"]["pathParameters"]["name"], "ann");

    let ann =
        json!({ "email": "ann@example.org", "password": "lantern gravel otter quilt 93", "name": "Ann" });
    let (status, answer) = http(&platform, "POST", "/api/auth/sign-up", Some(ann)).await;
    assert_eq!(status, 202, "{answer}");
    // The old consumer and the new one.
    for function in ["email", "welcomer"] {
        soon(&platform, function).await;
    }
    platform.shutdown().await;
}

/// Waits until this function has handled what followed from the sign-up.
async fn soon(platform: &Platform, function: &str) {
    let began = Instant::now();
    loop {
        let (_, flows) = http(platform, "GET", "/_local/flows", None).await;
        let flows = flows["flows"].as_array().unwrap().clone();
        let flow = flows.iter().find(|flow| flow["name"] == "POST /api/auth/sign-up").unwrap();
        let path = format!("/_local/flows/{}", flow["trace"].as_str().unwrap());
        let (_, flow) = http(platform, "GET", &path, None).await;
        let steps = flow["steps"].as_array().unwrap();
        let is_done =
            |step: &Value| step["kind"] == "function" && step["name"] == function && step["status"] == "ok";
        if steps.iter().any(is_done) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{function} was told of nothing: {flow:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The status and the JSON of an answer. In HTTP/1.0 it is one piece.
async fn http(platform: &Platform, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let host = platform.origin().strip_prefix("http://").unwrap();
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nhost: {host}\r\norigin: http://{host}\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let port = host.rsplit_once(':').unwrap().1.parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

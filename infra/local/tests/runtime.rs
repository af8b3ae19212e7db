//! The runtime and the gateway with real processes: those of `examples/scripted_function.rs`,
//! which does what its event says.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use infra_local::events::Events;
use infra_local::flows::{FlowDetail, Flows, Status, StepKind, TraceContext, TraceId};
use infra_local::functions::default_folder;
use infra_local::gateway::{Gateway, Pages};
use infra_local::invoke;
use infra_local::journal::Journal;
use infra_local::runtime::{
    Endpoints, Environment, FailedInvocation, InstanceReport, InvokeError, Options, Runtime,
};
use infra_local::schedule::{ScheduleReport, Schedules};
use infra_model::{APP, App, Function, Limits, Route, Schedule, Throttle, Trigger, Value as Variable};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

const SCRIPTED: Function = Function {
    name: "scripted",
    package: "scripted",
    purpose: "Does what it is told",
    trigger: Trigger::Http,
    memory_mib: 128,
    timeout_seconds: 1,
    reserved_concurrency: Some(3),
    environment: &[("ORIGIN", Variable::PublicOrigin), ("GREETING", Variable::Text("hello"))],
    grants: &[],
};

const TEST_APP: App = App {
    functions: &[SCRIPTED],
    routes: &[
        Route {
            method: "ANY",
            path: "/api/{proxy+}",
            function: "scripted",
            throttle: Throttle { rate: 1_000, burst: 1_000 },
        },
        Route {
            method: "POST",
            path: "/api/rare",
            function: "scripted",
            throttle: Throttle { rate: 1, burst: 1 },
        },
    ],
    limits: Limits { request_body_bytes: 1_024, ..APP.limits },
    ..APP
};

/// The same function, started by the clock.
const SCHEDULED: App = App {
    functions: &[Function { trigger: Trigger::Schedule(Schedule { every_minutes: 60 }), ..SCRIPTED }],
    ..TEST_APP
};

struct Laptop {
    runtime: Runtime,
    flows: Flows,
    failed: mpsc::UnboundedReceiver<FailedInvocation>,
    task_root: TempDir,
}

impl Laptop {
    fn new() -> Self {
        Self::with_idle_timeout(Duration::from_secs(60))
    }

    fn with_idle_timeout(idle_timeout: Duration) -> Self {
        let task_root = tempfile::tempdir().unwrap();
        let program: PathBuf = default_folder().unwrap().join("examples/scripted_function");
        std::os::unix::fs::symlink(program, task_root.path().join("scripted")).unwrap();
        let nowhere = "http://127.0.0.1:9".to_owned();
        let environment = Environment {
            app: &TEST_APP,
            public_origin: "http://localhost:3000".to_owned(),
            task_root: task_root.path().to_owned(),
            endpoints: Endpoints {
                dynamodb: nowhere.clone(),
                ses: nowhere.clone(),
                eventbridge: nowhere.clone(),
                ssm: nowhere.clone(),
                sns: nowhere,
                stripe: None,
            },
        };
        let retry_waits = [Duration::from_millis(5), Duration::from_millis(10)];
        let options = Options { environment, idle_timeout, retry_waits };
        let events = Events::new();
        let flows = Flows::new(events.clone());
        let (sender, failed) = mpsc::unbounded_channel();
        let on_failure = move |failure| sender.send(failure).unwrap();
        let runtime = Runtime::new(options, flows.clone(), &events, on_failure).unwrap();
        Self { runtime, flows, failed, task_root }
    }

    /// Makes new instances fail while they start.
    fn fault_at_start(&self, fault: Option<&str>) {
        let path = self.task_root.path().join("fault-at-start");
        match fault {
            Some(fault) => fs::write(path, fault).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
    }

    async fn invoke(&self, event: Value) -> Result<Value, InvokeError> {
        let payload = Bytes::from(event.to_string());
        let answer = self.runtime.invoke("scripted", payload, &[]).await?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    fn instances(&self) -> Vec<InstanceReport> {
        self.runtime.report().remove(0).instances
    }

    fn router(&self) -> Router {
        let (runtime, flows) = (self.runtime.clone(), self.flows.clone());
        let pages = Pages::new("Test".to_owned());
        let others = invoke::router(&TEST_APP, runtime.clone(), flows.clone());
        Gateway::new(&TEST_APP, runtime, flows, pages).router(others)
    }

    async fn http(&self, request: Request<Body>) -> (Response<()>, Value) {
        let mut request = request;
        let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let (parts, body) = self.router().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        (Response::from_parts(parts, ()), body)
    }

    async fn post(&self, path: &str, script: Value) -> (Response<()>, Value) {
        let request =
            Request::post(path).header("content-type", "application/json").body(script.to_string().into());
        self.http(request.unwrap()).await
    }
}

/// Waits for something that happens by itself.
async fn soon(what: &str, mut happened: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < Duration::from_secs(5), "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The state of a process: `T` is stopped. None if there is no such process.
fn process_state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

async fn both<T>(first: impl Future<Output = T>, second: impl Future<Output = T>) -> (T, T) {
    tokio::join!(first, second)
}

#[tokio::test]
async fn the_environment_holds_what_the_model_and_lambda_set_and_nothing_else() {
    let laptop = Laptop::new();
    let environment = laptop.invoke(json!({ "do": "environment" })).await.unwrap();
    assert_eq!(environment["GREETING"], "hello");
    assert_eq!(environment["ORIGIN"], "http://localhost:3000");
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], "billion-scripted");
    let leaked = ["HOME", "USER", "CARGO_MANIFEST_DIR", "CARGO", "PWD"];
    assert!(leaked.iter().all(|name| environment.get(name).is_none()), "{environment}");
}

#[tokio::test]
async fn an_instance_is_reused_and_frozen_meanwhile() {
    let laptop = Laptop::new();
    let first = laptop.invoke(json!({})).await.unwrap();
    let pid = u32::try_from(first["pid"].as_u64().unwrap()).unwrap();
    soon("it is frozen", || process_state(pid) == Some('T')).await;
    let second = laptop.invoke(json!({})).await.unwrap();
    assert_eq!((&second["pid"], &second["runs"]), (&first["pid"], &json!(2)));
    let report = laptop.runtime.report().remove(0);
    assert_eq!((report.invocations, report.cold_starts, report.instances.len()), (2, 1, 1));
}

#[tokio::test]
async fn it_scales_out_to_its_limit_and_throttles_beyond() {
    let laptop = Laptop::new();
    let busy = || laptop.invoke(json!({ "do": "sleep", "ms": 300 }));
    let (first, second, third, fourth) = tokio::join!(busy(), busy(), busy(), busy());
    let results = [first, second, third, fourth];
    let throttled = results.iter().filter(|it| matches!(it, Err(InvokeError::Throttled))).count();
    let pids: BTreeSet<_> = results.iter().flatten().map(|answer| answer["pid"].as_u64().unwrap()).collect();
    assert_eq!((throttled, pids.len()), (1, 3));
}

#[tokio::test]
async fn an_invocation_that_takes_too_long_is_ended_with_its_instance() {
    let laptop = Laptop::new();
    laptop.invoke(json!({})).await.unwrap();
    let pid = laptop.instances()[0].pid;
    let began = Instant::now();
    let error = laptop.invoke(json!({ "do": "sleep", "ms": 4_000 })).await.unwrap_err();
    assert!(matches!(error, InvokeError::TimedOut { seconds: 1 }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(process_state(pid), None);
    assert_eq!(laptop.invoke(json!({})).await.unwrap()["runs"], 1);
}

#[tokio::test]
async fn a_crash_is_noticed_at_once_and_its_last_words_are_kept() {
    let laptop = Laptop::new();
    let trace = TraceContext::new_root();
    let payload = Bytes::from(r#"{"do":"exit"}"#);
    let error = laptop.runtime.invoke("scripted", payload, &[trace]).await.unwrap_err();
    assert!(matches!(&error, InvokeError::Crashed { detail } if detail.ends_with("exit status 7")));
    let flow = laptop.flows.get(trace.trace).unwrap();
    let request_id = flow.steps[0].function.as_ref().unwrap().request_id.clone();
    let log = laptop.runtime.logs("scripted", Some(&request_id), 10).unwrap();
    let [words, report] = &log[..] else { panic!("{log:?}") };
    assert_eq!(words.line, "last words");
    assert!(report.line.starts_with(&format!("REPORT RequestId: {request_id}\tDuration: ")), "{report:?}");
    assert_eq!(laptop.invoke(json!({})).await.unwrap()["runs"], 1);
}

#[tokio::test]
async fn a_frozen_instance_that_is_killed_is_forgotten() {
    let laptop = Laptop::new();
    laptop.invoke(json!({})).await.unwrap();
    let pid = rustix::process::Pid::from_raw(laptop.instances()[0].pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    soon("it is forgotten", || laptop.instances().is_empty()).await;
    assert_eq!(laptop.invoke(json!({})).await.unwrap()["runs"], 1);
}

#[tokio::test]
async fn more_memory_than_the_model_gives_ends_the_instance() {
    let laptop = Laptop::new();
    let error = laptop.invoke(json!({ "do": "fill-memory" })).await.unwrap_err();
    assert!(error.to_string().contains("out of memory"), "{error}");
}

#[tokio::test]
async fn an_instance_that_cannot_start_says_why() {
    let laptop = Laptop::new();
    for (fault, expected) in [("exit", "exit status 3"), ("report", "Config: nothing is right")] {
        laptop.fault_at_start(Some(fault));
        let error = laptop.invoke(json!({})).await.unwrap_err();
        assert!(matches!(error, InvokeError::InitFailed { .. }));
        assert!(error.to_string().contains(expected), "{error}");
        soon("it is forgotten", || laptop.instances().is_empty()).await;
    }
    laptop.fault_at_start(None);
    assert!(laptop.invoke(json!({})).await.is_ok());
}

#[tokio::test]
async fn an_idle_instance_is_ended() {
    let laptop = Laptop::with_idle_timeout(Duration::from_millis(50));
    laptop.invoke(json!({})).await.unwrap();
    let pid = laptop.instances()[0].pid;
    soon("it is ended", || laptop.instances().is_empty() && process_state(pid).is_none()).await;
}

#[tokio::test]
async fn a_functions_own_error_keeps_its_instance() {
    let laptop = Laptop::new();
    let error = laptop.invoke(json!({ "do": "fail" })).await.unwrap_err();
    assert_eq!(error.to_string(), "Sorry: it failed");
    let large = laptop.invoke(json!({ "do": "large" })).await.unwrap_err();
    assert!(large.to_string().starts_with("Function.ResponseSizeTooLarge"), "{large}");
    assert_eq!(laptop.invoke(json!({})).await.unwrap()["runs"], 3);
}

#[tokio::test]
async fn an_invocation_goes_on_when_nobody_waits_for_it() {
    let laptop = Laptop::new();
    let waiting = laptop.invoke(json!({ "do": "sleep", "ms": 200 }));
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
    assert!(!laptop.runtime.drain(Duration::ZERO).await);
    assert!(laptop.runtime.drain(Duration::from_secs(5)).await);
    let report = laptop.runtime.report().remove(0);
    assert_eq!((report.invocations, report.errors), (1, 0));
}

#[tokio::test]
async fn an_access_key_names_the_instance_and_what_it_works_for() {
    let laptop = Laptop::new();
    let trace = TraceContext::new_root();
    let payload = Bytes::from(r#"{"do":"sleep","ms":300}"#);
    let traces = [trace];
    let (_, caller) = tokio::join!(laptop.runtime.invoke("scripted", payload, &traces), async {
        soon("it runs", || !laptop.instances().is_empty()).await;
        laptop.runtime.caller(&format!("ASIA{}", laptop.instances()[0].id))
    });
    let caller = caller.unwrap();
    assert_eq!(caller.function.name, "scripted");
    assert_eq!(caller.running.len(), 1);
    assert_eq!(caller.running[0].trace, trace.trace);
    let step = laptop.flows.get(trace.trace).unwrap().steps.remove(0);
    assert_eq!(caller.running[0].parent, Some(step.id));
    let later = laptop.runtime.caller(&format!("ASIA{}", caller.instance)).unwrap();
    assert!(later.running.is_empty());
    assert!(laptop.runtime.caller("AKIAIOSFODNN7EXAMPLE").is_none());
}

#[tokio::test]
async fn a_failing_asynchronous_invocation_is_tried_three_times_and_then_kept() {
    let mut laptop = Laptop::new();
    let trace = TraceContext::new_root();
    laptop.runtime.invoke_async("scripted", Bytes::from(r#"{"do":"fail"}"#), trace);
    let failed = laptop.failed.recv().await.unwrap();
    assert_eq!((failed.attempts, &*failed.reason), (3, "Sorry: it failed"));
    let record: Value = serde_json::from_str(&failed.record).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(record["requestPayload"], json!({ "do": "fail" }));
    assert_eq!(record["responsePayload"]["errorType"], "Sorry");
    let steps = laptop.flows.get(trace.trace).unwrap().steps;
    assert_eq!(steps.iter().map(|step| step.attempt).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn stopping_ends_every_process() {
    let laptop = Laptop::new();
    let (first, second) = both(laptop.invoke(json!({})), laptop.invoke(json!({}))).await;
    assert!(first.is_ok() && second.is_ok());
    let pids: Vec<_> = laptop.instances().iter().map(|instance| instance.pid).collect();
    laptop.runtime.stop().await;
    assert!(pids.into_iter().all(|pid| process_state(pid).is_none()));
}

#[tokio::test]
async fn the_gateway_hands_on_requests_and_answers() {
    let laptop = Laptop::new();
    let with = json!({
        "statusCode": 201,
        "headers": { "content-type": "application/json", "x-frame-options": "ALLOWALL" },
        "cookies": ["a=1; HttpOnly"],
        "body": "{\"ok\":true}",
    });
    let (response, body) = laptop.post("/api/things", json!({ "do": "answer", "with": with })).await;
    assert_eq!((response.status(), body), (StatusCode::CREATED, json!({ "ok": true })));
    assert_eq!(response.headers()["set-cookie"], "a=1; HttpOnly");
    assert!(response.headers().contains_key("apigw-requestid"));
    for (name, value) in infra_model::RESPONSE_HEADERS {
        assert_eq!(response.headers()[*name], *value, "the CDN's own value wins");
    }
}

#[tokio::test]
async fn a_trace_goes_on_through_the_gateway() {
    let laptop = Laptop::new();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = Request::get("/api/things")
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .body(Body::empty());
    let (_, body) = laptop.http(request.unwrap()).await;
    let seen = body["trace"].as_str().unwrap();
    assert!(seen.starts_with("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent="), "{seen}");
    let trace = TraceContext::from_xray(seen).unwrap();
    let flow = laptop.flows.get(trace.trace).unwrap();
    assert_eq!(flow.steps.len(), 2);
    assert_eq!(flow.steps[1].parent, Some(flow.steps[0].id));
    assert_eq!(trace.parent, Some(flow.steps[1].id));
}

/// I3: the gateway answers for a function that does not, and always with a problem document.
#[tokio::test]
async fn i3_the_gateways_own_answers_are_problem_documents() {
    let laptop = Laptop::new();
    let large = json!({ "do": "x".repeat(2_000) });
    for (path, script, status, slug) in [
        ("/api/x", json!({ "do": "exit" }), 502, "bad-gateway"),
        ("/api/x", json!({ "do": "fail" }), 502, "bad-gateway"),
        ("/api/x", json!({ "do": "answer", "with": { "statusCode": 1 } }), 502, "bad-gateway"),
        ("/api/x", json!({ "do": "answer-raw", "with": "{" }), 502, "bad-gateway"),
        ("/api/x", json!({ "do": "sleep", "ms": 4_000 }), 504, "gateway-timeout"),
        ("/api/x", large, 413, "payload-too-large"),
    ] {
        let (response, body) = laptop.post(path, script.clone()).await;
        assert_eq!(response.status(), status, "{script}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(body["type"], format!("/problems/{slug}"));
        assert_eq!(body["status"], status);
        assert_eq!(body["request_id"], response.headers()["apigw-requestid"].to_str().unwrap());
    }
}

#[tokio::test]
async fn a_route_with_more_requests_than_it_takes_says_so() {
    let laptop = Laptop::new();
    // A start may take as long as the route takes to forget a request.
    laptop.invoke(json!({})).await.unwrap();
    let router = laptop.router();
    let request = || {
        let mut request = Request::post("/api/rare").body(Body::from("{}")).unwrap();
        let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    };
    assert_eq!(request().await.unwrap().status(), 200);
    let response = request().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["type"], "/problems/too-many-requests");
}

#[tokio::test]
async fn the_site_is_served_beside_the_functions() {
    let laptop = Laptop::new();
    let (response, _) = laptop.http(Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    for (path, status) in [("/nothing-here", 404), ("/..%2f..%2fCargo.toml", 404), ("/api", 404)] {
        let (response, body) = laptop.http(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), status, "{path}");
        assert!(body.as_str().unwrap().contains("<html"), "{path}");
        assert!(response.headers().contains_key("content-security-policy"));
    }
    let (response, _) = laptop.post("/", json!({})).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
    assert!(laptop.instances().is_empty(), "no function was asked");
}

#[tokio::test]
async fn lambdas_own_api_invokes() {
    let mut laptop = Laptop::new();
    let invoke = |function: &str, kind: &str, script: Value| {
        Request::post(format!("/2015-03-31/functions/{function}/invocations"))
            .header("host", "localhost:3000")
            .header("x-amz-invocation-type", kind)
            .header("x-amz-log-type", "Tail")
            .body(Body::from(script.to_string()))
            .unwrap()
    };
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:billion-scripted:$LATEST";
    for name in ["scripted", "billion-scripted", arn] {
        let request = invoke(name, "RequestResponse", json!({ "do": "write" }));
        let (response, body) = laptop.http(request).await;
        assert_eq!((response.status(), &body["event"]), (StatusCode::OK, &json!({ "do": "write" })));
        assert_eq!(response.headers()["x-amz-executed-version"], "$LATEST");
        let tail = STANDARD.decode(&response.headers()["x-amz-log-result"]).unwrap();
        let tail = String::from_utf8(tail).unwrap();
        for part in ["to stdout\n", "to stderr\n", "\tBilled Duration: "] {
            assert!(tail.contains(part), "{tail}");
        }
        let lambdas = tail.lines().filter_map(|line| line.split_once(" RequestId: ")).map(|(word, _)| word);
        assert_eq!(lambdas.collect::<Vec<_>>(), ["START", "END", "REPORT"], "{tail}");
    }
    let (response, body) = laptop.http(invoke("scripted", "RequestResponse", json!({ "do": "exit" }))).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
    assert_eq!(body["errorType"], "Runtime.ExitError");

    let (response, _) = laptop.http(invoke("scripted", "Event", json!({ "do": "fail" }))).await;
    assert_eq!(response.status(), 202);
    assert_eq!(laptop.failed.recv().await.unwrap().attempts, 3);

    let (response, _) = laptop.http(invoke("scripted", "DryRun", json!({}))).await;
    assert_eq!(response.status(), 204);
    let (response, _) = laptop.http(invoke("nobody", "Event", json!({}))).await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["x-amzn-errortype"], "ResourceNotFoundException");
    let mut foreign = invoke("scripted", "Event", json!({}));
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(laptop.http(foreign).await.0.status(), 403);
    let mut rebound = invoke("scripted", "Event", json!({}));
    rebound.headers_mut().insert("host", "evil.example:3000".parse().unwrap());
    assert_eq!(laptop.http(rebound).await.0.status(), 403);
    let mut large = invoke("scripted", "RequestResponse", json!({}));
    *large.body_mut() = Body::from(vec![b' '; 7 * 1024 * 1024]);
    let (response, _) = laptop.http(large).await;
    assert_eq!(response.status(), 413);
    assert_eq!(response.headers()["x-amzn-errortype"], "RequestTooLargeException");
}

/// The schedule in the journal of this folder.
async fn schedules(laptop: &Laptop, folder: &TempDir) -> Schedules {
    let journal = Journal::open(folder.path()).unwrap();
    Schedules::open(&SCHEDULED, journal, laptop.runtime.clone(), laptop.flows.clone()).await.unwrap()
}

async fn only(schedules: &Schedules) -> ScheduleReport {
    let mut reports = schedules.report().await.unwrap();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

/// The flow when none of its steps runs any longer.
async fn finished(laptop: &Laptop, trace: TraceId) -> FlowDetail {
    let ended = async {
        loop {
            let flow = laptop.flows.get(trace);
            if let Some(flow) = flow.filter(|it| it.flow.functions > 0 && it.flow.status != Status::Running) {
                return flow;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("the flow ends")
}

fn minutes_from_now(time: &str) -> i64 {
    let from_now = time.parse::<Timestamp>().unwrap().duration_since(Timestamp::now());
    (from_now.as_secs_f64() / 60.0).round() as i64
}

#[tokio::test]
async fn a_schedule_is_first_due_an_interval_from_now_and_can_be_started_by_hand() {
    let (laptop, folder) = (Laptop::new(), tempfile::tempdir().unwrap());
    let schedules = schedules(&laptop, &folder).await;
    let before = only(&schedules).await;
    assert_eq!((before.function, before.every_minutes, before.last_run_at), ("scripted", 60, None));
    assert_eq!(minutes_from_now(&before.next_run_at), 60);

    let trace = schedules.run_now("scripted").await.unwrap().unwrap();
    let flow = finished(&laptop, trace).await;
    let kinds: Vec<_> = flow.steps.iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [StepKind::Schedule, StepKind::Function]);
    assert_eq!((flow.steps[1].parent, flow.flow.status), (Some(flow.steps[0].id), Status::Ok));
    let after = only(&schedules).await;
    assert_eq!(after.last_trace, Some(trace.to_string()));
    assert_eq!(minutes_from_now(&after.last_run_at.unwrap()), 0);
    assert_eq!(after.next_run_at, before.next_run_at, "the clock goes on as before");
    assert_eq!(schedules.run_now("other").await.unwrap(), None);
}

#[tokio::test]
async fn what_was_due_while_the_platform_was_away_runs_once_and_the_rhythm_stays() {
    let (laptop, folder) = (Laptop::new(), tempfile::tempdir().unwrap());
    drop(schedules(&laptop, &folder).await);
    // Three runs were missed, the last of them half an hour ago.
    let due = Timestamp::now() - SignedDuration::from_mins(150);
    let file = rusqlite::Connection::open(folder.path().join("platform.db")).unwrap();
    file.execute("UPDATE schedules SET next_run_at = ?1", [due.as_millisecond()]).unwrap();
    drop(file);

    for start in 0..2 {
        let schedules = schedules(&laptop, &folder).await;
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(schedules.clone().run(stopped));
        let ran = async {
            while only(&schedules).await.last_trace.is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            only(&schedules).await
        };
        let report = tokio::time::timeout(Duration::from_secs(10), ran).await.expect("it runs");
        assert_eq!(minutes_from_now(&report.next_run_at), 30);
        let trace = TraceId::from_hex(&report.last_trace.unwrap()).unwrap();
        let flow = finished(&laptop, trace).await;
        assert_eq!(flow.flow.status, Status::Ok);
        stop.send_replace(true);
        running.await.unwrap();
        assert_eq!(laptop.flows.recent(10).len(), 1, "start {start}");
    }
}

#[tokio::test]
async fn a_scheduled_function_gets_the_schedulers_event_and_is_tried_again_when_it_fails() {
    let (mut laptop, folder) = (Laptop::new(), tempfile::tempdir().unwrap());
    laptop.fault_at_start(Some("exit"));
    let schedules = schedules(&laptop, &folder).await;
    let trace = schedules.run_now("scripted").await.unwrap().unwrap();
    let failed = laptop.failed.recv().await.unwrap();
    assert_eq!((failed.attempts, failed.trace.trace), (3, trace));
    let event: Value = serde_json::from_slice(&failed.payload).unwrap();
    assert_eq!(event["detail-type"], "Scheduled Event");
    assert_eq!(event["source"], "aws.scheduler");
    assert_eq!(event["detail"], "{}");
    assert_eq!(
        event["resources"],
        json!(["arn:aws:scheduler:us-east-1:000000000000:schedule/default/billion-scripted"])
    );
    assert_eq!(minutes_from_now(event["time"].as_str().unwrap()), 0);
}

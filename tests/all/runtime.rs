//! The rules of the platform that the functions' real binaries run under, by AWS's own SDKs.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use rustix::process::{Pid, Signal, kill_process, setpriority_process};
use serde_json::{Value, json};
use shared::aws::{Aws, Endpoints, Service};
use tests::console::Instance;
use tests::person::PASSWORD;
use tests::{Client, Person, Platform, until};

use crate::aws::{APP_NAME, aws};
use crate::ledger::Ledger;

#[tokio::test]
async fn an_instance_is_started_cold_used_again_warm_and_frozen_meanwhile() {
    let platform = Platform::start().await;
    let before = platform.console.function("api").await;
    assert_eq!((before.invocations, before.instances.len()), (0, 0), "nothing runs before it is asked for");
    let client = platform.client();
    for _ in 0..5 {
        client.get("/api/health").expect(200).await;
    }
    let api = platform.console.function("api").await;
    assert_eq!((api.invocations, api.cold_starts, api.instances.len()), (5, 1, 1));
    let instance = &api.instances[0];
    assert_eq!(instance.invocations, 5);
    until("a frozen instance", async || {
        let api = platform.console.function("api").await;
        (api.instances[0].state == "frozen").then_some(())
    })
    .await;
    until("a stopped process", async || (process_state(instance.pid) == Some('T')).then_some(())).await;
    // It gets nothing of this machine's environment.
    let environment = std::fs::read_to_string(format!("/proc/{}/environ", instance.pid)).unwrap();
    let names: Vec<_> = environment.split('\0').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
    assert!(names.contains(&"TABLE_NAME") && names.contains(&"AWS_LAMBDA_RUNTIME_API"), "{names:?}");
    for own in ["HOME", "USER", "PWD", "CARGO", "SIGNING_KEYS_PARAMETER", "MAIL_FROM"] {
        assert!(!names.contains(&own), "{own}");
    }
}

/// That one above the limit is throttled is shown in `infra/local/tests/runtime.rs`, with a limit that a
/// small machine can reach.
#[tokio::test]
async fn requests_at_once_run_in_instances_of_their_own_and_those_serve_the_next() {
    const AT_ONCE: usize = 5;
    let platform = Platform::start().await;
    let running: Vec<_> = (0..AT_ONCE)
        .map(|place| {
            let client = platform.client();
            let body = json!({ "email": format!("user{place}@example.com"), "password": PASSWORD });
            tokio::spawn(async move { client.post("/api/auth/sign-in").json(body).send().await.code() })
        })
        .collect();
    // Held by stopping their processes, so that none is free before all are at work.
    until("as many instances as requests", async || {
        for pid in platform.pids("auth").await {
            let _ = kill_process(pid, Signal::STOP);
        }
        let auth = platform.console.function("auth").await;
        let is_held =
            |instance: &&Instance| instance.state != "frozen" && process_state(instance.pid) == Some('T');
        (auth.instances.iter().filter(is_held).count() == AT_ONCE
            || running.iter().any(tokio::task::JoinHandle::is_finished))
        .then_some(())
    })
    .await;
    until("all to be answered", async || {
        for pid in platform.pids("auth").await {
            let _ = kill_process(pid, Signal::CONT);
        }
        running.iter().all(tokio::task::JoinHandle::is_finished).then_some(())
    })
    .await;
    for answer in running {
        assert_eq!(answer.await.unwrap(), 401);
    }
    let before = platform.console.function("auth").await;
    assert_eq!((before.invocations as usize, before.errors), (AT_ONCE, 0));
    assert!((2..=AT_ONCE).contains(&before.instances.len()), "{before:?}");
    platform.client().get("/api/auth/jwks.json").expect(200).await;
    let after = platform.console.function("auth").await;
    assert_eq!((after.instances.len(), after.cold_starts), (before.instances.len(), before.cold_starts));
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_ended_and_its_caller_told() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    // One that is not yet done with what it did before would not be asked.
    until("frozen instances", async || {
        let auth = platform.console.function("auth").await;
        auth.instances.iter().all(|instance| instance.state == "frozen").then_some(())
    })
    .await;
    let pids = platform.pids("auth").await;
    let timeout = infra_model::APP.function("auth").unwrap().timeout_seconds;
    // Whichever is asked is thawed for it, and then gets nowhere; the less so the busier the machine is.
    for pid in &pids {
        for thread in std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).unwrap() {
            let thread = thread.unwrap().file_name().to_str().and_then(|id| id.parse().ok());
            setpriority_process(thread.and_then(Pid::from_raw), 19).unwrap();
        }
    }
    let holds = Arc::new(AtomicBool::new(true));
    let holder = std::thread::spawn({
        let (holds, pids) = (Arc::clone(&holds), pids.clone());
        move || {
            while holds.load(Ordering::Relaxed) {
                for pid in &pids {
                    // That which took too long is gone.
                    let _ = kill_process(*pid, Signal::STOP);
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    });
    let start = Instant::now();
    let answer = ada.try_sign_in().await;
    holds.store(false, Ordering::Relaxed);
    holder.join().unwrap();
    assert_eq!(answer.code(), 504, "{answer}");
    assert_eq!(answer.problem()["type"], "/problems/gateway-timeout");
    assert!(start.elapsed() >= Duration::from_secs(timeout.into()), "{:?}", start.elapsed());
    let ended = pids.iter().filter(|pid| process_state(pid.as_raw_nonzero().get()).is_none());
    assert_eq!(ended.count(), 1, "the instance is ended");
    let flow =
        platform.console.flow_when("POST /api/auth/sign-in", |flow| flow.http_status == Some(504)).await;
    assert_eq!(flow.status, "error");
    let step = flow.steps.iter().find(|step| step.kind == "function").unwrap();
    assert!(step.error.as_deref().is_some_and(|error| error.contains("timed out")), "{step:?}");
    ada.sign_in().await;
    assert_eq!(platform.console.function("auth").await.errors, 1);
}

#[tokio::test]
async fn a_function_that_crashes_is_noticed_at_once_and_started_afresh() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let body = json!({ "email": ada.email, "password": PASSWORD });
    let mut crashed = None;
    for _ in 0..20 {
        let client = platform.client();
        let body = body.clone();
        let asked = tokio::spawn(async move { client.post("/api/auth/sign-in").json(body).send().await });
        until("a request at work", async || {
            let auth = platform.console.function("auth").await;
            let busy = auth.instances.iter().find(|instance| instance.state == "busy");
            let killed =
                busy.and_then(|instance| kill_process(Pid::from_raw(instance.pid)?, Signal::KILL).ok());
            (killed.is_some() || asked.is_finished()).then_some(())
        })
        .await;
        let start = Instant::now();
        let answer = asked.await.unwrap();
        if answer.code() == 502 {
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            crashed = Some(answer);
            break;
        }
        assert_eq!(answer.code(), 200, "{answer}");
    }
    let answer = crashed.expect("a request whose function was killed");
    assert_eq!(answer.problem()["type"], "/problems/bad-gateway");
    assert!(!answer.text().contains("signal"), "why it failed is for the log: {answer}");
    let flow =
        platform.console.flow_when("POST /api/auth/sign-in", |flow| flow.http_status == Some(502)).await;
    let step = flow.steps.iter().find(|step| step.kind == "function").unwrap();
    assert!(step.error.as_deref().is_some_and(|error| error.contains("killed")), "{step:?}");
    ada.sign_in().await;
}

#[tokio::test]
async fn anyone_on_this_machine_can_invoke_a_function_as_the_aws_cli_does() {
    let platform = Platform::start().await;
    let lambda = lambda(&platform);
    for name in ["api", "billion-api", "arn:aws:lambda:us-east-1:000000000000:function:billion-api"] {
        let output =
            lambda.invoke().function_name(name).payload(http_event("GET", "/api/health")).send().await;
        let output = output.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!((output.status_code(), output.function_error()), (200, None));
        let answer = payload(output.payload());
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
    let broken = lambda.invoke().function_name("email").payload(Blob::new("[1]")).send().await.unwrap();
    assert_eq!((broken.status_code(), broken.function_error()), (200, Some("Unhandled")));
    let error = payload(broken.payload());
    assert!(error["errorType"].is_string() && error["errorMessage"].is_string(), "{error}");
    let unknown = lambda.invoke().function_name("nothing").send().await.unwrap_err();
    assert_eq!(unknown.code(), Some("ResourceNotFoundException"));
    let not_json = lambda.invoke().function_name("api").payload(Blob::new("{")).send().await.unwrap_err();
    assert_eq!(not_json.code(), Some("InvalidRequestContentException"));
    let large = Blob::new(format!("\"{}\"", "x".repeat(6 * 1024 * 1024)));
    let large = lambda.invoke().function_name("api").payload(large).send().await.unwrap_err();
    assert_eq!(large.code(), Some("RequestTooLargeException"));
}

#[tokio::test]
async fn an_asynchronous_invocation_is_tried_three_times_and_then_kept_among_the_dead() {
    let platform = Platform::start().await;
    let lambda = lambda(&platform);
    let output = lambda
        .invoke()
        .function_name("email")
        .invocation_type(InvocationType::Event)
        .payload(Blob::new(r#"{"Records":"none of that kind"}"#))
        .send()
        .await
        .unwrap();
    assert_eq!(output.status_code(), 202);
    let dead = until("a dead letter", async || platform.console.dead_letters().await.pop()).await;
    assert_eq!((dead.queue.as_str(), dead.receive_count), ("email", 3), "{dead:?}");
    assert!(!dead.reason.is_empty());
    let record =
        dead.body.as_str().map_or_else(|| dead.body.clone(), |text| serde_json::from_str(text).unwrap());
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted", "{record}");
    assert_eq!(record["requestPayload"]["Records"], "none of that kind");
    let flow = platform.console.flow(dead.trace.as_deref().unwrap()).await;
    let attempts: Vec<_> =
        flow.steps.iter().filter(|step| step.kind == "function").map(|step| step.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert_eq!((flow.status.as_str(), flow.retries), ("error", 2));

    // One that works is done once, without a word.
    let output = lambda
        .invoke()
        .function_name("api")
        .invocation_type(InvocationType::Event)
        .payload(http_event("GET", "/api/health"));
    assert_eq!(output.send().await.unwrap().status_code(), 202);
    until("an invocation", async || (platform.console.function("api").await.invocations == 1).then_some(()))
        .await;
    assert_eq!(platform.console.dead_letters().await.len(), 1);
}

/// K1 in spirit: what a function was not granted it cannot do, here as in the cloud.
#[tokio::test]
async fn a_function_can_do_only_what_it_was_granted() {
    let platform = Platform::start().await;
    Person::signed_up(&platform, "Ada").await.verification_token(&platform).await;
    let publisher = as_function(&platform, "publisher").await;
    let api = as_function(&platform, "api").await;
    let email = as_function(&platform, "email").await;

    let table = |aws: &Aws| aws_sdk_dynamodb::Client::new(&aws.config(Service::DynamoDb));
    let key = |name: &str| AttributeValue::S(name.to_owned());
    let get = |aws: &Aws, pk: &str| {
        table(aws).get_item().table_name(APP_NAME).key("pk", key(pk)).key("sk", key("x")).send()
    };
    assert_eq!(get(&publisher, "USER#x").await.unwrap_err().code(), Some("AccessDeniedException"));
    get(&email, "USER#x").await.expect("it may");
    for pk in ["PHONE#x", "x", ""] {
        let refused = get(&email, pk).await.unwrap_err();
        assert_eq!(refused.code(), Some("AccessDeniedException"), "{pk} is of no partition of its own");
    }
    let query = |aws: &Aws| {
        let query = table(aws).query().table_name(APP_NAME).key_condition_expression("pk = :pk");
        query.expression_attribute_values(":pk", key("USER#x")).send()
    };
    assert_eq!(
        query(&email).await.unwrap_err().code(),
        Some("AccessDeniedException"),
        "it has GetItem, not Query"
    );
    query(&api).await.expect("it may");
    let delete =
        table(&api).delete_item().table_name(APP_NAME).key("pk", key("USER#x")).key("sk", key("x")).send();
    assert_eq!(delete.await.unwrap_err().code(), Some("AccessDeniedException"));
    let scan = table(&email).scan().table_name(APP_NAME).send();
    assert_eq!(scan.await.unwrap_err().code(), Some("AccessDeniedException"), "no function scans");

    let put = |aws: &Aws, source: &str| {
        let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
            .event_bus_name(APP_NAME)
            .source(source)
            .detail_type("session.ended")
            .detail("{}")
            .build();
        aws_sdk_eventbridge::Client::new(&aws.config(Service::EventBridge)).put_events().entries(entry).send()
    };
    put(&publisher, "billion").await.expect("it may");
    for (aws, source) in [(&api, "billion"), (&email, "billion"), (&publisher, "aws.s3")] {
        let refused = put(aws, source).await;
        let is_refused = refused.as_ref().map_or(true, |output| output.failed_entry_count() > 0);
        assert!(is_refused, "{source}: {refused:?}");
    }

    let send = |aws: &Aws| {
        use aws_sdk_ses::types::{Body, Content, Destination, Message};
        let text = |text: &str| Content::builder().data(text).build().unwrap();
        let message =
            Message::builder().subject(text("x")).body(Body::builder().text(text("x")).build()).build();
        aws_sdk_ses::Client::new(&aws.config(Service::Ses))
            .send_email()
            .source("hello@billion.example")
            .destination(Destination::builder().to_addresses("eve@example.com").build())
            .message(message)
            .send()
    };
    for aws in [&api, &publisher] {
        assert!(matches!(
            send(aws).await.unwrap_err().code(),
            Some("AccessDenied" | "AccessDeniedException")
        ));
    }
    assert_eq!(platform.inbox.to("eve@example.com").await.len(), 0);
}

/// An operator's call by SES's other operation ends in the same inbox.
#[tokio::test]
async fn mail_can_be_sent_by_either_operation() {
    use aws_sdk_ses::types::{Body, Content, Destination, Message, RawMessage};
    let platform = Platform::start().await;
    let ses = aws_sdk_ses::Client::new(&aws(&platform).config(Service::Ses));
    let text = |text: &str| Content::builder().data(text).charset("UTF-8").build().unwrap();
    let body = Body::builder().text(text("Hällo & more")).html(text("<p>Hällo &amp; more</p>")).build();
    let sent = ses
        .send_email()
        .source("Billion <hello@billion.example>")
        .destination(Destination::builder().to_addresses("ada@example.com").build())
        .message(Message::builder().subject(text("Grüße")).body(body).build())
        .send()
        .await
        .unwrap();
    assert!(!sent.message_id().is_empty());
    let mail = platform.inbox.wait_for("ada@example.com", "Grüße").await;
    assert_eq!((mail.text.trim(), mail.html.trim()), ("Hällo & more", "<p>Hällo &amp; more</p>"));
    let raw = "From: hello@billion.example\r\nTo: bob@example.com\r\nSubject: Raw\r\n\r\nSee http://localhost:3000/verify#token=x\r\n";
    let raw = RawMessage::builder().data(aws_sdk_ses::primitives::Blob::new(raw)).build().unwrap();
    ses.send_raw_email().raw_message(raw).send().await.unwrap();
    let mail = platform.inbox.wait_for("bob@example.com", "Raw").await;
    assert_eq!(mail.links, ["http://localhost:3000/verify#token=x"]);
}

#[tokio::test]
async fn what_the_browser_sent_reaches_the_function_and_its_answer_the_browser() {
    let platform = Platform::start().await;
    let client = platform.client();
    // Two cookies are two headers: each is told to the browser by itself.
    let ada = Person::signed_in(&platform, "Ada").await;
    let answer = ada.client.post("/api/auth/refresh").expect(204).await;
    assert!(answer.headers.get_all("set-cookie").iter().count() >= 2, "{answer}");
    assert!(!answer.header("apigw-requestid").is_empty());
    // Cookies in several headers, odd parameters, an encoded path.
    let access = ada.cookie("__Host-access");
    let request =
        client.get("/api/me?a=1&a=2&b=%26&c").header("cookie", &format!("x=1; __Host-access={access}; y=2"));
    request.expect(200).await;
    // The id in a problem is that of the invocation, by which its log and its flow are found.
    let answer = client.get("/api/nothing?x=y").send().await;
    let flow = platform.console.finished_flow("GET /api/nothing").await;
    let run = flow.steps.iter().find_map(|step| step.function.as_ref()).unwrap();
    assert_eq!(answer.problem()["request_id"], run.request_id.as_str());
}

#[tokio::test]
async fn a_stop_is_asked_for_by_ctrl_c_and_loses_nothing() {
    let mut platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    let pids = platform.pids("auth").await;
    let status = platform.stop().await;
    assert!(status.success(), "{status}");
    for pid in pids {
        assert_eq!(process_state(pid.as_raw_nonzero().get()), None, "no function outlives the platform");
    }
    platform.restart().await;
    ada.verify(&platform).await;
    ada.sign_in().await;
    Ledger::settled(&platform).await;
}

fn lambda(platform: &Platform) -> aws_sdk_lambda::Client {
    let services = Endpoints { services: Vec::new(), all: Some(platform.origin().to_owned()) };
    let credentials = Credentials::from_keys("AKIAOPERATOR", "secret", None);
    let aws = Aws::new("us-east-1".to_owned(), credentials, services);
    let config = aws.config(Service::DynamoDb).to_builder();
    let patient = aws_sdk_lambda::config::timeout::TimeoutConfig::builder()
        .operation_timeout(Duration::from_secs(60))
        .operation_attempt_timeout(Duration::from_secs(60))
        .build();
    let once = aws_sdk_lambda::config::retry::RetryConfig::disabled();
    aws_sdk_lambda::Client::new(&config.timeout_config(patient).retry_config(once).build())
}

/// AWS as one of a function's instances meets it.
async fn as_function(platform: &Platform, function: &str) -> Aws {
    if platform.console.function(function).await.instances.is_empty() {
        platform.client().get("/api/health").expect(200).await;
    }
    let pid = platform.console.function(function).await.instances[0].pid;
    let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let key = environment.split('\0').find_map(|pair| pair.strip_prefix("AWS_ACCESS_KEY_ID=")).unwrap();
    let endpoints = platform.about().endpoints.clone();
    let services = vec![
        (Service::DynamoDb, endpoints.dynamodb),
        (Service::EventBridge, endpoints.eventbridge),
        (Service::Ses, endpoints.ses),
    ];
    let credentials = Credentials::from_keys(key, "local", Some("local".to_owned()));
    Aws::new("us-east-1".to_owned(), credentials, Endpoints { services, all: None })
}

/// A request in payload format 2.0.
fn http_event(method: &str, path: &str) -> Blob {
    let event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": { "host": "localhost" },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test" },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "23/Nov/2026:10:00:00 +0000",
            "timeEpoch": 1_795_428_000_000_i64,
        },
        "isBase64Encoded": false,
    });
    Blob::new(event.to_string())
}

fn payload(blob: Option<&Blob>) -> Value {
    serde_json::from_slice(blob.expect("a payload").as_ref()).expect("JSON")
}

/// The state of a process as the kernel names it; none when there is none.
fn process_state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next().filter(|state| *state != 'Z')
}

/// A browser lends its way to this machine to every page that it shows, and no service checks a signature.
#[tokio::test]
async fn no_page_of_another_site_reaches_a_service() {
    let platform = Platform::start().await;
    Person::signed_up(&platform, "Ada").await;
    let endpoints = platform.about().endpoints.clone();
    let [table, others @ ..] =
        [endpoints.dynamodb, endpoints.ses, endpoints.sns, endpoints.eventbridge, endpoints.ssm];
    let scan = |headers: &[(&'static str, &'static str)]| {
        let client = Client::new(&table, Ipv4Addr::LOCALHOST);
        let signed = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
        let headers = headers.to_vec();
        async move {
            let mut request = client
                .post("/")
                .without_header("sec-fetch-site")
                .header("authorization", signed)
                .header("x-amz-date", "20260101T000000Z")
                .header("x-amz-target", "DynamoDB_20120810.Scan");
            for (name, value) in headers {
                request = request.header(name, value);
            }
            request.json(json!({ "TableName": APP_NAME })).send().await
        }
    };
    // A developer's own program may.
    let answer = scan(&[]).await;
    assert!(answer.code() == 200 && answer.text().contains("USER#"), "{answer}");
    for from in [
        [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        [("sec-fetch-site", "same-site"), ("origin", "http://localhost:4000")],
        [("host", "evil.example"), ("origin", "http://evil.example")],
        [("origin", "null"), ("x-amz-target", "DynamoDB_20120810.Scan")],
    ] {
        let answer = scan(&from).await;
        assert_eq!(answer.code(), 403, "{from:?}: {answer}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{answer}");
    }
    for endpoint in others.iter().chain([&table]).chain(&endpoints.stripe) {
        let client = Client::new(endpoint, Ipv4Addr::LOCALHOST);
        for method in ["OPTIONS", "POST", "GET"] {
            let answer = client
                .request(method.parse().unwrap(), "/")
                .without_header("sec-fetch-site")
                .header("sec-fetch-site", "cross-site")
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "POST")
                .header("content-type", "application/x-www-form-urlencoded")
                .send()
                .await;
            assert_eq!(answer.header("access-control-allow-origin"), "", "{endpoint}: {answer}");
            assert!(method == "GET" || answer.code() == 403, "{endpoint}: {answer}");
        }
        let answer = client.get("/").header("host", "evil.example").send().await;
        assert_eq!(answer.code(), 403, "{endpoint}: {answer}");
    }
}

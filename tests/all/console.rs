//! The console's JSON, as the README documents it, and who may ask for it.

use std::time::Duration;

use infra_model::Trigger;
use serde_json::{Value, json};
use tests::console::{Flow, Step};
use tests::person::VERIFICATION;
use tests::{Person, Platform, until};

use crate::ledger::Ledger;

/// The chain at the heart of the app, as one flow.
#[tokio::test]
async fn a_sign_up_is_one_flow_from_the_request_to_the_mail() {
    let platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    let mail = platform.inbox.wait_for(&ada.email, VERIFICATION).await;
    let flow = platform
        .console
        .flow_when("POST /api/auth/sign-up", |flow| {
            flow.status == "ok" && flow.steps.iter().any(|step| step.kind == "mail" && step.status == "ok")
        })
        .await;
    assert_eq!(flow.http_status, Some(202));
    assert_eq!(mail.trace.as_deref(), Some(flow.trace.as_str()));
    assert_eq!(mail.function.as_deref(), Some("email"));

    // Each step follows from the one before: this is the picture that the console draws.
    let chain = [
        ("http", "POST /api/auth/sign-up"),
        ("function", "auth"),
        ("table", ""),
        ("stream", ""),
        ("function", "publisher"),
        ("bus", ""),
        ("queue", ""),
        ("function", "email"),
        ("mail", ""),
    ];
    let last = flow.steps.iter().find(|step| step.kind == "mail").expect("a mail");
    let mut path = vec![last];
    while let Some(parent) = &path.last().unwrap().parent {
        match flow.steps.iter().find(|step| step.id == *parent) {
            Some(step) => path.push(step),
            None => break,
        }
    }
    path.reverse();
    let kinds: Vec<_> = path.iter().map(|step| step.kind.as_str()).collect();
    assert_eq!(kinds, chain.map(|(kind, _)| kind), "{flow:#?}");
    for (step, (_, name)) in path.iter().zip(chain) {
        assert!(name.is_empty() || step.name == name, "{step:?}");
        assert_eq!(step.status, "ok", "{step:?}");
    }
    assert_eq!(Some(last.email.as_ref().and_then(Value::as_str)), Some(mail.id.as_str()));
    let events: Vec<_> = flow.steps.iter().filter_map(|step| step.event.as_deref()).collect();
    assert!(events.contains(&"user.signed_up"), "{events:?}");
    let detail = path[2].detail.as_deref().unwrap_or_default();
    assert!(detail.starts_with("TransactWriteItems"), "{:?}", path[2]);
    assert_figures(&flow);
    assert_eq!((flow.functions, flow.cold_starts, flow.errors, flow.retries), (3, 3, 0, 0), "{flow:#?}");

    // Next time, all three are warm.
    let bob = Person::signed_up(&platform, "Bob").await;
    bob.verification_token(&platform).await;
    let warm = platform
        .console
        .flow_when("POST /api/auth/sign-up", |warm| {
            warm.trace != flow.trace
                && warm.status == "ok"
                && warm.steps.iter().any(|step| step.kind == "mail")
        })
        .await;
    assert_eq!(warm.cold_starts, 0, "{warm:#?}");
    assert_figures(&warm);
}

fn assert_figures(flow: &Flow) {
    let runs: Vec<_> = flow.steps.iter().filter_map(|step| step.function.as_ref()).collect();
    assert_eq!(flow.functions as usize, runs.len());
    assert_eq!(flow.cold_starts as usize, runs.iter().filter(|run| run.cold).count());
    assert_eq!(flow.billed_ms, runs.iter().map(|run| run.billed_ms).sum::<u64>());
    for run in runs {
        assert_eq!(run.cold, run.init_ms.is_some(), "{run:?}");
        assert!(run.run_ms > 0.0 && run.billed_ms > 0 && run.max_memory_mib > 0, "{run:?}");
        assert!(run.memory_mib >= run.max_memory_mib, "{run:?}");
        assert!(!run.request_id.is_empty() && !run.instance.is_empty(), "{run:?}");
    }
    for step in &flow.steps {
        let Step { started_ms, duration_ms, .. } = step;
        let end = started_ms + duration_ms.expect("it is over");
        assert!(*started_ms >= 0.0 && end <= flow.duration_ms + 1.0, "{step:?} of {} ms", flow.duration_ms);
        assert!(step.kind != "table" || step.capacity_units.is_none_or(|units| units > 0.0), "{step:?}");
        assert!(step.attempt == 1 && step.error.is_none(), "{step:?}");
    }
    assert!(flow.started_at.parse::<jiff::Timestamp>().is_ok(), "{}", flow.started_at);
}

#[tokio::test]
async fn the_console_tells_of_functions_their_instances_and_their_logs() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    ada.me().await;
    Ledger::settled(&platform).await;
    let functions = until("instances at rest", async || {
        let functions = platform.console.functions().await;
        let mut instances = functions.iter().flat_map(|function| &function.instances);
        instances.all(|instance| instance.state == "frozen").then_some(functions)
    })
    .await;
    let names: Vec<_> = functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, infra_model::APP.functions.iter().map(|function| function.name).collect::<Vec<_>>());
    for function in &functions {
        let model = infra_model::APP.function(&function.name).unwrap();
        assert_eq!(
            (function.memory_mib, function.timeout_seconds),
            (model.memory_mib, model.timeout_seconds)
        );
        assert_eq!(function.purpose, model.purpose);
        assert!(["http", "stream", "queue", "schedule"].contains(&function.trigger.as_str()));
        assert!(function.concurrency_limit > 0, "{function:?}");
        assert_eq!((function.errors, function.throttles), (0, 0), "{function:?}");
        if !["api", "auth", "publisher", "email"].contains(&function.name.as_str()) {
            continue;
        }
        assert!(function.invocations > 0 && function.cold_starts > 0, "{function:?}");
        assert!(function.p50_ms.is_some_and(|ms| ms > 0.0) && function.billed_ms > 0, "{function:?}");
        for instance in &function.instances {
            assert!(instance.pid > 0 && instance.invocations > 0 && instance.memory_mib > 0, "{instance:?}");
            assert!(instance.started_at.parse::<jiff::Timestamp>().is_ok(), "{instance:?}");
        }
    }
    // What goes well is not logged; what fails is, under its request.
    for _ in 0..2 {
        let poison = json!({ "Records": [{ "messageId": "poison", "body": "{" }] });
        platform.console.client().post("/_local/functions/email/invoke").json(poison).expect(200).await;
    }
    let lines = platform.console.logs("email").await;
    let line = lines.iter().find(|line| line.line.contains("poison")).expect("a line of the failure");
    let request_id = line.request_id.clone().unwrap();
    assert!(
        line.at.parse::<jiff::Timestamp>().is_ok() && !line.instance.is_empty() && line.stream == "stdout",
        "{line:?}"
    );
    let path = format!("/_local/functions/email/logs?request_id={request_id}");
    let of_request = platform.console.client().get(&path).expect(200).await.json();
    let of_request = of_request["lines"].as_array().unwrap();
    assert!(!of_request.is_empty() && of_request.len() < lines.len());
    assert!(of_request.iter().all(|line| line["request_id"] == request_id.as_str()));
    let parsed: Value = serde_json::from_str(&line.line).expect("logs are JSON");
    assert!(
        parsed["timestamp"].is_string()
            && parsed["level"] == "ERROR"
            && parsed["request_id"] == request_id.as_str(),
        "{parsed}"
    );
    let functions = platform.console.functions().await;

    let summary = platform.console.summary().await;
    assert_eq!(summary.invocations, functions.iter().map(|function| function.invocations).sum::<u64>());
    assert_eq!(summary.cold_starts, functions.iter().map(|function| function.cold_starts).sum::<u64>());
    assert_eq!(summary.billed_ms, functions.iter().map(|function| function.billed_ms).sum::<u64>());
    assert_eq!(
        (summary.emails as usize, summary.dead_letters, summary.errors),
        (platform.inbox.all().await.len(), 0, 0)
    );
    assert!(summary.p50_ms.unwrap() <= summary.p95_ms.unwrap());
}

#[tokio::test]
async fn the_inbox_is_told_of_mails_and_shows_their_html_in_a_frame_that_can_do_nothing() {
    let platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    let mail = platform.inbox.wait_for(&ada.email, VERIFICATION).await;
    assert!(mail.from.contains("@") && mail.raw_bytes > 500 && !mail.headers.is_empty(), "{mail:?}");
    assert!(mail.received_at.parse::<jiff::Timestamp>().is_ok());
    let html = platform.client().get(&format!("{}/html", mail.path())).expect(200).await;
    let policy = html.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    assert!(!policy.contains("allow-scripts") && !policy.contains("allow-same-origin"), "{policy}");
    assert_eq!(html.header("x-content-type-options"), "nosniff");
    assert!(html.text().contains("<body"));
    assert_eq!(platform.inbox.to("nobody@example.com").await.len(), 0);
    for path in [
        "/_local/emails/none",
        "/_local/emails/none/html",
        "/_local/flows/none",
        "/_local/functions/none/logs",
        "/_local/texts/none",
    ] {
        let answer = platform.client().get(path).send().await;
        assert_eq!(answer.code(), 404, "{answer}");
    }
}

#[tokio::test]
async fn whoever_listens_is_told_at_once() {
    let platform = Platform::start().await;
    // As a browser's EventSource reads it.
    let url = format!("{}/_local/events", platform.origin());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut stream = http.get(url).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let ada = Person::signed_up(&platform, "Ada").await;
    let mut text = String::new();
    let mut seen = std::collections::BTreeMap::<String, Vec<Value>>::new();
    let heard_all = async {
        loop {
            let chunk = stream.chunk().await.expect("the stream goes on").expect("the stream goes on");
            text.push_str(&String::from_utf8_lossy(&chunk));
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                let field = |name: &str| {
                    event.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
                };
                if let (Some(name), Some(data)) = (field("event:"), field("data:")) {
                    assert!(field("id:").is_some(), "{event}");
                    seen.entry(name).or_default().push(serde_json::from_str(&data).expect("JSON"));
                }
            }
            let mailed = seen.get("email").is_some_and(|mails| !mails.is_empty());
            let steps = seen.get("step").into_iter().flatten();
            let is_sent = |step: &Value| step["step"]["kind"] == "mail" && step["step"]["status"] == "ok";
            if mailed && steps.clone().any(is_sent) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), heard_all)
        .await
        .unwrap_or_else(|_| panic!("heard in vain"));
    assert_eq!(seen["email"][0]["to"], json!([ada.email]));
    let trace = seen["email"][0]["trace"].clone();
    for kind in ["http", "function", "table", "stream", "bus", "queue", "mail"] {
        let of_kind =
            seen["step"].iter().filter(|step| step["step"]["kind"] == kind && step["trace"] == trace);
        assert!(of_kind.count() > 0, "no step of kind {kind}");
    }
    for step in &seen["step"] {
        serde_json::from_value::<Step>(step["step"].clone())
            .unwrap_or_else(|error| panic!("{error}: {step}"));
    }
    let flow = seen["flow"].iter().find(|flow| flow["trace"] == trace).expect("the flow");
    serde_json::from_value::<Flow>(flow.clone()).expect("a flow");
    let function = &seen["function"][0];
    serde_json::from_value::<tests::console::Function>(function.clone()).expect("a function");
}

#[tokio::test]
async fn the_console_is_for_this_machine_only_and_no_other_site_may_change_anything() {
    let platform = Platform::start().await;
    let client = platform.client();
    let port = platform.origin().rsplit(':').next().unwrap();
    for host in [
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "169.254.169.254",
        "",
    ] {
        for path in ["/_local/emails", "/_local", "/_local/settings", "/_local/events", "/_local/table"] {
            let answer = client.get(path).header("host", host).send().await;
            assert!([400, 403, 421].contains(&answer.code()), "{host:?}: {answer}");
        }
    }
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        client.get("/_local/settings").header("host", &host).expect(200).await;
    }
    let writes = [
        ("PUT", "/_local/settings", json!({ "faults": { "mail": "refuse" } })),
        ("POST", "/_local/functions/api/invoke", json!({})),
        ("POST", "/_local/dead-letters/none/redrive", Value::Null),
        ("POST", "/_local/texts/none/reply", json!({ "body": "STOP" })),
        ("POST", "/_local/texts/none/receipt", json!({ "status": "DELIVERED" })),
        ("POST", "/_local/schedules/billing-reconcile/run", Value::Null),
        ("DELETE", "/_local/dead-letters/none", Value::Null),
        ("POST", "/2015-03-31/functions/api/invocations", json!({})),
    ];
    for (method, path, body) in writes {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let request = client
                .request(method.parse().unwrap(), path)
                .without_header("sec-fetch-site")
                .header(name, value);
            let request = if body.is_null() { request } else { request.json(body.clone()) };
            let answer = request.send().await;
            assert_eq!(answer.code(), 403, "{name}: {value}: {answer}");
        }
    }
    let settings = client.get("/_local/settings").expect(200).await.json();
    assert_eq!(settings["faults"]["mail"], "ok");
    // A program on this machine says nothing of where it comes from.
    client
        .put("/_local/settings")
        .without_header("sec-fetch-site")
        .json(json!({ "faults": { "mail": "refuse" } }))
        .expect(200)
        .await;
    for wrong in [
        json!({ "faults": { "mail": "burn" } }),
        json!({ "fault": {} }),
        json!([]),
        json!({ "faults": [] }),
        json!({ "faults": { "table": { "error": 2.0 } } }),
    ] {
        let answer = client.put("/_local/settings").json(wrong).send().await;
        assert!([400, 422].contains(&answer.code()), "{answer}");
    }
    let settings = client.get("/_local/settings").expect(200).await.json();
    assert_eq!(settings["faults"]["mail"], "refuse");
}

#[tokio::test]
async fn the_data_is_shown_as_it_is_in_the_table() {
    let platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    ada.verification_token(&platform).await;
    Ledger::settled(&platform).await;
    let all = platform.console.items("").await;
    let users = platform.console.items("USER#").await;
    assert!(!users.is_empty() && users.len() < all.len());
    assert!(users.iter().all(|item| item.pk.starts_with("USER#")));
    let user = users.iter().find(|item| item.sk == "USER").unwrap();
    assert_eq!(user.attributes["email"], ada.email.as_str());
    let mut paged = Vec::new();
    let mut cursor = None::<String>;
    loop {
        let after = cursor.map(|cursor| {
            format!("&cursor={}", cursor.replace('%', "%25").replace('#', "%23").replace('+', "%2B"))
        });
        let path = format!("/_local/table?limit=3{}", after.unwrap_or_default());
        let page = platform.console.client().get(&path).expect(200).await.json();
        paged.extend(page["items"].as_array().unwrap().clone());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged.len(), all.len());
}

/// What the clock starts is the model's, can be started by hand, and is one flow; its rhythm survives a `kill -9`.
#[tokio::test]
async fn the_console_tells_of_schedules_and_starts_them() {
    let mut platform = Platform::start().await;
    let scheduled = infra_model::APP.functions.iter().filter_map(|function| match function.trigger {
        Trigger::Schedule(schedule) => Some((function.name, schedule.every_minutes)),
        Trigger::Http | Trigger::Stream(_) | Trigger::Queue(_) => None,
    });
    let scheduled: Vec<_> = scheduled.collect();
    let before = platform.console.schedules().await;
    let told: Vec<_> = before.iter().map(|it| (it.function.as_str(), it.every_minutes)).collect();
    assert_eq!(told, scheduled);
    for (function, _) in &scheduled {
        let flow = platform.console.run_schedule(function).await;
        let kinds: Vec<_> = flow.steps.iter().take(2).map(|step| step.kind.as_str()).collect();
        assert_eq!(
            (kinds.as_slice(), flow.status.as_str()),
            (&["schedule", "function"][..], "ok"),
            "{flow:#?}"
        );
        assert_eq!(
            (flow.steps[1].name.as_str(), &flow.steps[1].parent),
            (*function, &Some(flow.steps[0].id.clone()))
        );
    }
    platform.kill_and_restart().await;
    let after = platform.console.schedules().await;
    for (before, after) in before.iter().zip(&after) {
        assert!(after.last_run_at.is_some() && after.last_trace.is_some(), "{after:?}");
        assert_eq!((&before.last_run_at, &before.next_run_at), (&None, &after.next_run_at));
    }
    platform.client().post("/_local/schedules/api/run").expect(404).await;
}

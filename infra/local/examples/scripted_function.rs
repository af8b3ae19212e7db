//! A function that does what its event says, for tests of the runtime and the gateway. It speaks
//! the Runtime API by itself, so that it can also do what a well-behaved library never does.
//!
//! The event is `{"do": "…"}`, at the top or as the body of an HTTP event; see [`act`].

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

const API: &str = "/2018-06-01/runtime";

fn main() {
    match fault_at_start().as_deref() {
        Some("exit") => process::exit(3),
        Some("hang") => thread::sleep(Duration::from_secs(60)),
        Some("report") => {
            let error = json!({ "errorType": "Config", "errorMessage": "nothing is right" });
            call("POST", &format!("{API}/init/error"), &error.to_string());
            process::exit(1);
        }
        _ => {}
    }
    let mut runs = 0;
    loop {
        let (headers, body) = call("GET", &format!("{API}/invocation/next"), "");
        let header = |name: &str| {
            let found = headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        runs += 1;
        let event: Value = serde_json::from_str(&body).unwrap_or_default();
        let http_body = event["body"].as_str().and_then(|body| serde_json::from_str(body).ok());
        let script: Value = http_body.unwrap_or_else(|| event.clone());
        let request_id = header("lambda-runtime-aws-request-id");
        let about = json!({
            "runs": runs,
            "pid": process::id(),
            "event": event,
            "trace": header("lambda-runtime-trace-id"),
            "deadline": header("lambda-runtime-deadline-ms"),
            "arn": header("lambda-runtime-invoked-function-arn"),
        });
        let (kind, answer) = act(&script, about);
        call("POST", &format!("{API}/invocation/{request_id}/{kind}"), &answer);
    }
}

/// A file beside the binary says what goes wrong at the start, since a function cannot be given
/// other environment than the model's.
fn fault_at_start() -> Option<String> {
    let folder = env::var("LAMBDA_TASK_ROOT").ok()?;
    let fault = std::fs::read_to_string(format!("{folder}/fault-at-start")).ok()?;
    Some(fault.trim().to_owned())
}

fn act(script: &Value, about: Value) -> (&'static str, String) {
    match script["do"].as_str().unwrap_or_default() {
        "answer" => ("response", script["with"].to_string()),
        "answer-raw" => ("response", script["with"].as_str().unwrap_or_default().to_owned()),
        "environment" => {
            let variables: serde_json::Map<String, Value> =
                env::vars().map(|(name, value)| (name, value.into())).collect();
            ("response", Value::from(variables).to_string())
        }
        "sleep" => {
            thread::sleep(Duration::from_millis(script["ms"].as_u64().unwrap_or_default()));
            ("response", about.to_string())
        }
        "write" => {
            println!("to stdout");
            eprintln!("to stderr");
            ("response", about.to_string())
        }
        "fail" => {
            let error = json!({ "errorType": "Sorry", "errorMessage": "it failed" });
            ("error", error.to_string())
        }
        "exit" => {
            println!("last words");
            process::exit(7)
        }
        "fill-memory" => {
            let filled = vec![1_u8; 512 * 1024 * 1024];
            thread::sleep(Duration::from_secs(5));
            ("response", filled.len().to_string())
        }
        "large" => ("response", json!("x".repeat(7 * 1024 * 1024)).to_string()),
        _ => ("response", about.to_string()),
    }
}

fn call(method: &str, path: &str, body: &str) -> (Vec<(String, String)>, String) {
    let address = env::var("AWS_LAMBDA_RUNTIME_API").expect("this runs under the runtime");
    let mut stream = TcpStream::connect(&address).expect("the runtime listens");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .expect("the runtime reads");
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some((name, value)) = line.trim().split_once(": ") {
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        line.clear();
    }
    let mut answer = String::new();
    let _ = reader.read_to_string(&mut answer);
    (headers, answer)
}

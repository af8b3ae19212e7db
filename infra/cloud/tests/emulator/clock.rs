use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use bytes::Bytes;
use http::{Method, StatusCode};
use infra_model::{APP, Trigger};
use serde_json::Value;

use crate::emulator::{Emulator, REGION};
use crate::web;

/// The schedule of the template starts its function, by the schedule's own role. Once an hour is too seldom for a test,
/// so the clock is told to do it each minute.
pub(crate) fn the_clock_starts_its_function(emulator: &Emulator) {
    let mut scheduled =
        APP.functions.iter().filter(|function| matches!(function.trigger, Trigger::Schedule(_)));
    let function = scheduled.next().expect("the model has a schedule").name;
    assert_eq!(function, "billing-reconcile", "the test knows what this one needs");
    let name = format!("billion-emulator-{function}");
    emulator
        .cloud_with_input(&["secrets", "set", "billing/stripe-secret-key"], "sk_test_0123456789")
        .worked();
    let own = emulator.variables(&name);
    let mut variables = own.clone();
    variables.insert("STRIPE_API_BASE".to_owned(), an_empty_ledger());
    emulator.set_variables(&name, variables);

    each_minute(emulator, &name);
    emulator.eventually("the clock starts the function", || {
        let logs = emulator.cloud(&["logs", function, "--containing", "The ledger was walked through"]);
        (!logs.worked().is_empty()).then_some(())
    });
    emulator.set_variables(&name, own);
}

fn each_minute(emulator: &Emulator, name: &str) {
    let url = format!("{}/schedules/{name}", emulator.address);
    let host = format!("scheduler.{REGION}.amazonaws.com");
    let headers = [("host", host.as_str()), ("content-type", "application/json")];
    let call = |method, body| {
        let answer = web::send(emulator.runtime(), web::request(method, &url, &headers, body)).unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    };
    let mut schedule = call(Method::GET, Bytes::new());
    assert_eq!(schedule["ScheduleExpression"], "rate(60 minutes)", "as the model has it: {schedule}");
    schedule["ScheduleExpression"] = Value::from("rate(1 minute)");
    call(Method::PUT, Bytes::from(schedule.to_string()));
}

/// The address of a payment provider that knows of nothing: every list is empty.
fn an_empty_ledger() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || listener.incoming().flatten().for_each(answer));
    address
}

fn answer(mut stream: TcpStream) {
    const BODY: &str = r#"{"object":"list","data":[],"has_more":false,"url":"/v1"}"#;
    let head = BufReader::new(stream.try_clone().unwrap()).lines();
    if head.map_while(Result::ok).any(|line| line.is_empty()) {
        let length = BODY.len();
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{BODY}"
        );
    }
}

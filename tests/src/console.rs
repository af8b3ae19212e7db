//! The console's JSON, as it is documented: each answer is read into exactly these types.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::wait::{SOON, until_within};

/// The console of a platform.
#[derive(Debug)]
pub struct Console(pub(crate) Client);

/// A request and what came of it.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct Flow {
    pub trace: String,
    pub name: String,
    pub started_at: String,
    pub duration_ms: f64,
    pub status: String,
    pub http_status: Option<u16>,
    pub functions: u32,
    pub cold_starts: u32,
    pub billed_ms: u64,
    pub errors: u32,
    pub retries: u32,
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// A step of a flow.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct Step {
    pub id: String,
    pub parent: Option<String>,
    pub kind: String,
    pub name: String,
    pub detail: Option<String>,
    pub started_ms: f64,
    pub duration_ms: Option<f64>,
    pub status: String,
    pub error: Option<String>,
    pub attempt: u32,
    pub function: Option<FunctionRun>,
    pub capacity_units: Option<f64>,
    pub email: Option<Value>,
    pub text: Option<String>,
    pub event: Option<String>,
}

/// What an invocation cost.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct FunctionRun {
    pub request_id: String,
    pub instance: String,
    pub cold: bool,
    pub init_ms: Option<f64>,
    pub run_ms: f64,
    pub billed_ms: u64,
    pub memory_mib: u32,
    pub max_memory_mib: u32,
}

/// A function and its instances.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct Function {
    pub name: String,
    pub purpose: String,
    pub trigger: String,
    pub memory_mib: u32,
    pub timeout_seconds: u32,
    pub concurrency_limit: u32,
    pub invocations: u64,
    pub errors: u64,
    pub throttles: u64,
    pub cold_starts: u64,
    pub p50_ms: Option<f64>,
    pub billed_ms: u64,
    pub instances: Vec<Instance>,
}

/// An instance of a function.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct Instance {
    pub id: String,
    pub pid: i32,
    pub state: String,
    pub started_at: String,
    pub invocations: u64,
    pub memory_mib: u32,
}

/// A line of a function's log.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct LogLine {
    pub at: String,
    pub request_id: Option<String>,
    pub instance: String,
    pub stream: String,
    pub line: String,
}

/// A message or an invocation that was given up.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct DeadLetter {
    pub id: Value,
    pub queue: String,
    pub reason: String,
    pub receive_count: u32,
    pub first_received_at: Option<String>,
    pub dead_at: String,
    pub event_type: Option<String>,
    pub trace: Option<String>,
    pub body: Value,
}

impl DeadLetter {
    /// Its path in the console's API.
    #[must_use]
    pub fn path(&self) -> String {
        let id = self.id.as_str().map_or_else(|| self.id.to_string(), str::to_owned);
        format!("/_local/dead-letters/{id}")
    }
}

/// How full a queue is.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct Queue {
    pub name: String,
    pub visible: u64,
    pub in_flight: u64,
    pub dead: u64,
}

/// What the clock starts.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct Schedule {
    pub function: String,
    pub every_minutes: u32,
    pub last_run_at: Option<String>,
    pub last_trace: Option<String>,
    pub next_run_at: String,
}

/// An item of the table.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct Item {
    pub pk: String,
    pub sk: String,
    pub attributes: BTreeMap<String, Value>,
}

/// Figures over all functions.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct Summary {
    pub invocations: u64,
    pub cold_starts: u64,
    pub errors: u64,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub billed_ms: u64,
    pub emails: u64,
    pub texts: u64,
    pub dead_letters: u64,
}

impl Console {
    /// The client that asks.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0
    }

    async fn list<T: serde::de::DeserializeOwned>(&self, path: &str, name: &str) -> T {
        let mut json = self.0.get(path).expect(200).await.json();
        let list = json[name].take();
        serde_json::from_value(list.clone()).unwrap_or_else(|error| panic!("{path}: {error} in {list}"))
    }

    /// The newest flows, newest first.
    pub async fn flows(&self) -> Vec<Flow> {
        self.list("/_local/flows?limit=500", "flows").await
    }

    /// One flow with its steps.
    pub async fn flow(&self, trace: &str) -> Flow {
        self.0.get(&format!("/_local/flows/{trace}")).expect(200).await.parse()
    }

    /// The newest flow of this name, with its steps, once it is over.
    pub async fn finished_flow(&self, name: &str) -> Flow {
        self.flow_when(name, |flow| flow.status != "running").await
    }

    /// The newest flow of this name, with its steps, once it is as it should be.
    ///
    /// # Panics
    ///
    /// If it does not become so; the flow is shown.
    pub async fn flow_when(&self, name: &str, is_so: impl Fn(&Flow) -> bool) -> Flow {
        let mut seen = None;
        let deadline = std::time::Instant::now() + SOON;
        while std::time::Instant::now() < deadline {
            if let Some(flow) = self.flows().await.into_iter().find(|flow| flow.name == name) {
                let flow = self.flow(&flow.trace).await;
                if is_so(&flow) {
                    return flow;
                }
                seen = Some(flow);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the flow {name} did not become as it should: {seen:#?}");
    }

    /// The functions.
    pub async fn functions(&self) -> Vec<Function> {
        self.list("/_local/functions", "functions").await
    }

    /// One function.
    ///
    /// # Panics
    ///
    /// If there is none of this name.
    pub async fn function(&self, name: &str) -> Function {
        self.functions().await.into_iter().find(|function| function.name == name).expect("the function")
    }

    /// The newest lines of a function's log.
    pub async fn logs(&self, function: &str) -> Vec<LogLine> {
        self.list(&format!("/_local/functions/{function}/logs?limit=10000"), "lines").await
    }

    /// What was given up.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.list("/_local/dead-letters", "dead_letters").await
    }

    /// The queues.
    pub async fn queues(&self) -> Vec<Queue> {
        self.list("/_local/queues", "queues").await
    }

    /// What the clock starts.
    pub async fn schedules(&self) -> Vec<Schedule> {
        self.list("/_local/schedules", "schedules").await
    }

    /// Starts a function as its schedule does, and answers its flow once that is over.
    ///
    /// # Panics
    ///
    /// If it is not started, or does not end.
    pub async fn run_schedule(&self, function: &str) -> Flow {
        let path = format!("/_local/schedules/{function}/run");
        let started = self.0.post_json(&path, json!({}), 202).await.json();
        let trace = started["trace"].as_str().expect("a trace");
        until_within(SOON, "the schedule's run", async || {
            let flow = self.flow(trace).await;
            (flow.functions > 0 && flow.status != "running").then_some(flow)
        })
        .await
    }

    /// The figures.
    pub async fn summary(&self) -> Summary {
        self.0.get("/_local/summary").expect(200).await.parse()
    }

    /// All items whose partition key starts so.
    ///
    /// # Panics
    ///
    /// If a page is not as documented.
    pub async fn items(&self, pk_prefix: &str) -> Vec<Item> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let prefix = encode(pk_prefix);
            let path = format!("/_local/table?limit=200&pk_prefix={prefix}{cursor}");
            let page = self.0.get(&path).expect(200).await.json();
            let more: Vec<Item> = serde_json::from_value(page["items"].clone()).expect("items");
            items.extend(more);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={}", encode(next)),
                None => return items,
            }
        }
    }

    /// Puts other settings into force.
    pub async fn set(&self, settings: Value) {
        let response = self.0.put("/_local/settings").json(settings).send().await;
        assert!(response.status.is_success(), "{response}");
    }

    /// Makes the mail service do this with messages from now on. Failed messages are tried again soon.
    pub async fn set_mail(&self, mode: &str) {
        self.set(json!({ "faults": { "mail": mode }, "visibility_timeout_ms": 500 })).await;
    }

    /// Waits until no queue holds a message that is not dead, and no request is on its way.
    pub async fn drained(&self) {
        self.drained_within(SOON).await;
    }

    /// As [`Console::drained`], for what takes longer.
    pub async fn drained_within(&self, time: Duration) {
        until_within(time, "empty queues", async || {
            let queues = self.queues().await;
            let is_empty = queues.iter().all(|queue| queue.visible == 0 && queue.in_flight == 0);
            let is_quiet = self.flows().await.iter().all(|flow| flow.status != "running");
            (is_empty && is_quiet).then_some(())
        })
        .await;
    }
}

/// Percent-encodes a query's value.
fn encode(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

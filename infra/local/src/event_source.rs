//! What the queue's and the stream's event source mappings share: they run a function with a
//! batch, and the function may answer which of its records failed.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::Value;

use crate::flows::TraceContext;
use crate::runtime::{Outcome, Runtime};

/// Runs functions.
pub(crate) trait Invoke: Clone + Send + Sync + 'static {
    fn run(
        &self,
        function: &str,
        payload: Bytes,
        traces: &[TraceContext],
    ) -> impl Future<Output = Outcome> + Send;

    /// What the function wrote during an invocation, the oldest line first.
    fn log(&self, function: &str, request_id: &str) -> Vec<String>;
}

impl Invoke for Runtime {
    async fn run(&self, function: &str, payload: Bytes, traces: &[TraceContext]) -> Outcome {
        Self::run(self, function, payload, traces).await
    }

    fn log(&self, function: &str, request_id: &str) -> Vec<String> {
        let lines = self.logs(function, Some(request_id), LOG_LINES).unwrap_or_default();
        lines.into_iter().map(|line| line.line).collect()
    }
}

/// How far back the reason of a failure is looked for.
const LOG_LINES: usize = 500;

/// Which records a function reports as failed (`ReportBatchItemFailures`): nothing, null or an
/// empty list means none. Anything else that is not a list of the batch's own identifiers makes
/// Lambda treat the whole batch as failed; the error then says so.
pub(crate) fn failures(response: &[u8], batch: &HashSet<&str>) -> Result<HashSet<String>, String> {
    const UNREADABLE: &str = "the function's answer is not a list of batchItemFailures";
    if response.trim_ascii().is_empty() {
        return Ok(HashSet::new());
    }
    let items = match serde_json::from_slice(response).map_err(|_| UNREADABLE)? {
        Value::Null => return Ok(HashSet::new()),
        Value::Object(mut answer) => match answer.remove("batchItemFailures") {
            None | Some(Value::Null) => return Ok(HashSet::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(UNREADABLE.to_owned()),
        },
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(UNREADABLE.to_owned());
        }
    };
    let known = |item: Value| match item.get("itemIdentifier") {
        Some(Value::String(id)) if batch.contains(id.as_str()) => Ok(id.clone()),
        _ => Err("the function reports a record that was not in its batch".to_owned()),
    };
    items.into_iter().map(known).collect()
}

/// Why a record failed, as far as the function's log tells: the `reason` or `message` of the
/// newest line of JSON that names the record or its event.
pub(crate) fn reason_in_log(log: &[String], names: &[&str]) -> Option<String> {
    log.iter().rev().filter(|line| names.iter().any(|name| line.contains(name))).find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |field: &str| {
            line.get(field).or_else(|| line.get("fields")?.get(field))?.as_str().map(str::to_owned)
        };
        text("reason").or_else(|| text("error")).or_else(|| text("message"))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn an_empty_answer_means_that_nothing_failed() {
        let batch = HashSet::from(["a"]);
        for answer in ["", "null", "{}", r#"{"batchItemFailures":null}"#, r#"{"batchItemFailures":[]}"#] {
            assert_eq!(failures(answer.as_bytes(), &batch), Ok(HashSet::new()), "{answer}");
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_fails_the_batch() {
        let batch = HashSet::from(["a"]);
        for answer in [
            "{",
            "\"a\"",
            r#"{"batchItemFailures":"a"}"#,
            r#"{"batchItemFailures":["a"]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#,
        ] {
            assert!(failures(answer.as_bytes(), &batch).is_err(), "{answer}");
        }
    }

    #[test]
    fn the_failed_ones_are_named() {
        let batch = HashSet::from(["a", "b", "c"]);
        let answer = br#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}"#;
        let expected = HashSet::from(["a".to_owned(), "c".to_owned()]);
        assert_eq!(failures(answer, &batch), Ok(expected));
    }

    #[test]
    fn the_log_tells_why() {
        let log = [
            r#"{"message":"An event was not handled","event_id":"evt_1","reason":"no mail server"}"#,
            r#"{"message":"Something about evt_2"}"#,
            "plain text",
        ]
        .map(str::to_owned);
        assert_eq!(reason_in_log(&log, &["evt_1"]).as_deref(), Some("no mail server"));
        assert_eq!(reason_in_log(&log, &["evt_2"]).as_deref(), Some("Something about evt_2"));
        assert_eq!(reason_in_log(&log, &["evt_3"]), None);
    }
}

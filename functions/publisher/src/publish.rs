//! Puts events on the bus, as often as it takes.

use std::time::Duration;

use shared::id::EventId;
use tokio::time::{Instant, sleep, timeout_at};

use crate::bus::Answer;
use crate::entry::{Entry, calls};

/// How often an entry that the bus could not take just then is put again at once. After that the stream
/// delivers it again.
const ATTEMPTS: u32 = 4;

/// An event that is not on the bus, as far as is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) place: usize,
    pub(crate) event_id: EventId,
    pub(crate) reason: String,
}

/// Puts all entries on the bus before `deadline` and answers those that failed.
pub(crate) async fn publish(
    mut entries: Vec<Entry>,
    deadline: Instant,
    put: impl AsyncFn(&[Entry]) -> Answer,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    for attempt in 1.. {
        let mut busy = Vec::new();
        for call in calls(entries) {
            let refusals = match timeout_at(deadline, put(&call)).await {
                Ok(Ok(refusals)) if refusals.len() == call.len() => refusals,
                Ok(Ok(_)) => vec![Some("the bus did not answer for each entry".to_owned()); call.len()],
                Ok(Err(reason)) => vec![Some(reason); call.len()],
                Err(_) => vec![Some("the invocation's time was up".to_owned()); call.len()],
            };
            for (entry, refusal) in call.into_iter().zip(refusals) {
                match refusal {
                    None => {}
                    Some(code) if is_transient(&code) && attempt < ATTEMPTS => busy.push(entry),
                    Some(reason) => {
                        failures.push(Failure { place: entry.place, event_id: entry.event_id, reason });
                    }
                }
            }
        }
        if busy.is_empty() {
            break;
        }
        sleep(Duration::from_millis(25 << attempt)).await;
        entries = busy;
    }
    failures
}

/// Whether an entry may be taken in a moment, by the code that the bus gave.
fn is_transient(code: &str) -> bool {
    matches!(code, "ThrottlingException" | "InternalFailure" | "InternalException" | "ServiceUnavailable")
}

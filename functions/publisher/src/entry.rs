//! Events as the bus takes them: so many at once, so large together.

use std::time::SystemTime;

use shared::event::{Envelope, SOURCE};
use shared::id::EventId;
use shared::trace::TraceContext;

/// Most entries in one call.
const MAX_ENTRIES: usize = 10;

/// Largest sum of the sizes of the entries in one call, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// An event on its way to the bus.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Which record of the batch it came from.
    pub(crate) place: usize,
    pub(crate) event_id: EventId,
    pub(crate) detail_type: &'static str,
    /// The event as CloudEvents' JSON, its `traceparent` included.
    pub(crate) detail: String,
    pub(crate) time: SystemTime,
    pub(crate) trace: Option<TraceContext>,
}

impl Entry {
    pub(crate) fn new(place: usize, event: &Envelope) -> Self {
        Self {
            place,
            event_id: event.id,
            detail_type: event.event.kind(),
            detail: event.to_cloud_event().to_string(),
            time: event.time.into(),
            trace: event.traceparent.as_deref().and_then(TraceContext::from_traceparent),
        }
    }

    /// Its size in bytes as the bus counts it: 14 for the time, and the lengths of its texts.
    fn size(&self) -> usize {
        14 + SOURCE.len() + self.detail_type.len() + self.detail.len()
    }
}

/// Splits entries into calls, in their order. One that is too large for any call gets one of its own,
/// so that it is refused alone.
pub(crate) fn calls(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut calls: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.size();
        match calls.last_mut() {
            Some(call) if call.len() < MAX_ENTRIES && bytes <= MAX_BYTES => call.push(entry),
            _ => {
                bytes = entry.size();
                calls.push(vec![entry]);
            }
        }
    }
    calls
}

//! What happens, told live to whoever watches the console.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::sync::broadcast;

/// How many events a slow listener may fall behind before its stream is cut; it then reconnects
/// and loads the state afresh.
const BACKLOG: usize = 4_096;

/// The live feed. Clones share it.
#[derive(Debug, Clone)]
pub struct Events {
    sender: broadcast::Sender<Event>,
    last_id: Arc<AtomicU64>,
}

/// One entry of the feed.
#[derive(Debug, Clone)]
pub struct Event {
    /// Rises by one with each event since the platform started.
    pub id: u64,
    /// What `data` is.
    pub kind: EventKind,
    /// JSON.
    pub data: Arc<str>,
}

/// The kinds of event that the feed carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A flow began or changed.
    Flow,
    /// A step of a flow began or changed.
    Step,
    /// A mail was accepted.
    Email,
    /// A text was accepted, came in, or was delivered.
    Text,
    /// Something changed at the payment provider.
    Payment,
    /// A function's instances or figures changed.
    Function,
    /// A dead letter arrived, failed again, or left.
    DeadLetter,
}

impl EventKind {
    /// The event's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Step => "step",
            Self::Email => "email",
            Self::Text => "text",
            Self::Payment => "payment",
            Self::Function => "function",
            Self::DeadLetter => "dead_letter",
        }
    }
}

impl Events {
    /// A feed without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG), last_id: Arc::default() }
    }

    /// Tells every listener. Costs nothing while nobody listens.
    pub fn publish(&self, kind: EventKind, data: &impl Serialize) {
        if !self.has_listeners() {
            return;
        }
        let Ok(data) = serde_json::to_string(data) else { return };
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        // An error says that the last listener has just left.
        let _ = self.sender.send(Event { id, kind, data: data.into() });
    }

    /// Whether anybody would hear an event.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Everything from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

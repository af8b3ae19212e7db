//! Which table step wrote which event, so that the stream's step can name it as its parent.
//!
//! Only for the picture: an event that is not announced, as after a restart, is published all the
//! same.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::flows::{Step, TraceContext};

/// More events than this in the stream at once lose the oldest one's step.
const KEPT: usize = 20_000;

#[derive(Default)]
pub(crate) struct Announcements {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    events: HashMap<String, Announced>,
    oldest_first: VecDeque<String>,
}

enum Announced {
    /// It is being written by this step of the table.
    Writing(TraceContext),
    /// It is in the stream, and this step waits for its reader.
    Committed(Step),
    /// It has been read; a retried write of it is not announced again.
    Read,
}

/// What is known of an event that was read from the stream.
pub(crate) enum Origin {
    /// Its step, which runs since it was committed.
    Step(Step),
    /// The step of the table that wrote it.
    Written(TraceContext),
}

impl Announcements {
    /// Before the write, since the stream's reader may be faster than the writer's answer.
    pub(super) fn writing(&self, event: &str, context: TraceContext) {
        let mut kept = self.lock();
        if kept.events.contains_key(event) {
            return;
        }
        if kept.oldest_first.len() >= KEPT
            && let Some(oldest) = kept.oldest_first.pop_front()
        {
            kept.events.remove(&oldest);
        }
        kept.oldest_first.push_back(event.to_owned());
        kept.events.insert(event.to_owned(), Announced::Writing(context));
    }

    /// The write went well.
    pub(super) fn committed(&self, event: &str, begin: impl FnOnce(&TraceContext) -> Step) {
        let mut kept = self.lock();
        if let Some(announced) = kept.events.get_mut(event)
            && let Announced::Writing(context) = announced
        {
            let step = begin(context);
            *announced = Announced::Committed(step);
        }
    }

    /// The write was refused.
    pub(super) fn withdrawn(&self, event: &str) {
        let mut kept = self.lock();
        if matches!(kept.events.get(event), Some(Announced::Writing(_))) {
            kept.events.remove(event);
            kept.oldest_first.retain(|it| it != event);
        }
    }

    /// The event was read from the stream.
    pub(crate) fn read(&self, event: &str) -> Option<Origin> {
        let mut kept = self.lock();
        let announced = kept.events.get_mut(event)?;
        match std::mem::replace(announced, Announced::Read) {
            Announced::Writing(context) => Some(Origin::Written(context)),
            Announced::Committed(step) => Some(Origin::Step(step)),
            Announced::Read => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

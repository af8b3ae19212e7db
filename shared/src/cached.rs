//! What is read elsewhere, once, and believed for a while: a parameter, a catalogue.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::error::Result;

/// A value that is kept elsewhere, as it is now. Cheap to clone; all clones read it once.
pub struct Cached<T> {
    source: Source<T>,
    read: Arc<Mutex<Option<Read<T>>>>,
}

enum Source<T> {
    Elsewhere { read: Arc<Reader<T>>, max_age: SignedDuration, clock: Clock },
    Fixed(Arc<T>),
}

/// Reads a value from where it is kept.
type Reader<T> = dyn Fn() -> Reading<T> + Send + Sync;

type Reading<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

struct Read<T> {
    value: Arc<T>,
    tried_at: Timestamp,
}

/// What does not fit the value makes it be read again, but not more often than this.
const MIN_AGE: SignedDuration = SignedDuration::from_secs(30);

impl<T> Cached<T> {
    /// What `read` reads when it is first asked for, and again when it is older than `max_age`.
    pub fn new<F>(read: impl Fn() -> F + Send + Sync + 'static, max_age: SignedDuration, clock: Clock) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let read: Arc<Reader<T>> = Arc::new(move || Box::pin(read()));
        Self { source: Source::Elsewhere { read, max_age, clock }, read: Arc::default() }
    }

    /// This value, for ever.
    #[must_use]
    pub fn fixed(value: T) -> Self {
        Self { source: Source::Fixed(Arc::new(value)), read: Arc::default() }
    }

    /// Reads it, so that the first request does not wait. Whoever asks meanwhile waits for this reading; if it
    /// fails, they read again.
    pub async fn warm(&self) {
        _ = self.current().await;
    }

    /// The value, not older than it may be. An older one only while it cannot be read.
    ///
    /// # Errors
    ///
    /// That of the reading, if it was never read and cannot be.
    pub async fn current(&self) -> Result<Arc<T>> {
        self.younger_than(None).await
    }

    /// The value for what does not fit the [`current`](Self::current) one: at most half a minute old.
    ///
    /// # Errors
    ///
    /// As `current`.
    pub async fn newer(&self) -> Result<Arc<T>> {
        self.younger_than(Some(MIN_AGE)).await
    }

    async fn younger_than(&self, age: Option<SignedDuration>) -> Result<Arc<T>> {
        let (read_again, max_age, clock) = match &self.source {
            Source::Elsewhere { read, max_age, clock } => (read, *max_age, clock),
            Source::Fixed(value) => return Ok(Arc::clone(value)),
        };
        let mut read = self.read.lock().await;
        let now = clock.now();
        let known = match &*read {
            Some(read) if now.duration_since(read.tried_at) < age.unwrap_or(max_age) => {
                return Ok(Arc::clone(&read.value));
            }
            Some(read) => Some(Arc::clone(&read.value)),
            None => None,
        };
        let value = match (read_again().await, known) {
            (Ok(value), _) => Arc::new(value),
            (Err(error), Some(known)) => {
                let error = crate::log::causes(&error);
                tracing::warn!(error, "what was read before cannot be read again, and is kept");
                known
            }
            (Err(error), None) => return Err(error),
        };
        *read = Some(Read { value: Arc::clone(&value), tried_at: now });
        Ok(value)
    }
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self { source: self.source.clone(), read: Arc::clone(&self.read) }
    }
}

impl<T> Clone for Source<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Elsewhere { read, max_age, clock } => {
                Self::Elsewhere { read: Arc::clone(read), max_age: *max_age, clock: clock.clone() }
            }
            Self::Fixed(value) => Self::Fixed(Arc::clone(value)),
        }
    }
}

/// Shows no value: it may be a secret.
impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cached(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::error::Error;

    #[tokio::test]
    async fn a_value_is_read_again_when_it_is_old_and_kept_while_it_cannot_be() {
        let (seconds, readings) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
        let clock = {
            let seconds = Arc::clone(&seconds);
            Clock::from_fn(move || Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap())
        };
        let read = {
            let readings = Arc::clone(&readings);
            move || {
                let reading = readings.fetch_add(1, Ordering::Relaxed);
                // The first and the fourth reading fail.
                async move { if reading % 3 == 0 { Err(Error::internal("down")) } else { Ok(reading) } }
            }
        };
        let cached = Cached::new(read, SignedDuration::from_mins(10), clock);
        assert!(cached.current().await.is_err(), "never read");
        assert_eq!(*cached.current().await.unwrap(), 1);
        seconds.store(29, Ordering::Relaxed);
        assert_eq!(*cached.newer().await.unwrap(), 1);
        seconds.store(30, Ordering::Relaxed);
        assert_eq!(*cached.current().await.unwrap(), 1);
        assert_eq!(*cached.clone().newer().await.unwrap(), 2);
        seconds.store(630, Ordering::Relaxed);
        assert_eq!(*cached.current().await.unwrap(), 2, "it cannot be read: the old one is kept");
        assert_eq!(*cached.current().await.unwrap(), 2, "and is not asked for at once again");
        assert_eq!(readings.load(Ordering::Relaxed), 4);
    }
}

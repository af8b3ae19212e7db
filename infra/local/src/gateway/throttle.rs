//! A token bucket, as API Gateway throttles a route with one.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use infra_model::Throttle;

/// Holds up to `burst` tokens and gains `rate` of them a second; a request takes one.
#[derive(Debug)]
pub(super) struct Bucket {
    throttle: Throttle,
    level: Mutex<Level>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn full(throttle: Throttle) -> Self {
        let level = Level { tokens: throttle.burst.into(), at: Instant::now() };
        Self { throttle, level: Mutex::new(level) }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// There is none. How long it takes until there will be one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let rate = f64::from(self.throttle.rate);
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = now.saturating_duration_since(level.at).as_secs_f64() * rate;
        let tokens = (level.tokens + gained).min(self.throttle.burst.into());
        let at = now.max(level.at);
        if tokens < 1.0 {
            *level = Level { tokens, at };
            return Err(Duration::from_secs_f64((1.0 - tokens) / rate));
        }
        *level = Level { tokens: tokens - 1.0, at };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let bucket = Bucket::full(Throttle { rate: 10, burst: 3 });
        let now = Instant::now();
        assert!((0..3).all(|_| bucket.take(now).is_ok()));
        let wait = bucket.take(now).unwrap_err();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        assert!(bucket.take(now + wait + Duration::from_micros(1)).is_ok());
        assert!(bucket.take(now + wait + Duration::from_micros(2)).is_err());
    }

    #[test]
    fn a_long_pause_saves_no_more_than_a_burst() {
        let bucket = Bucket::full(Throttle { rate: 10, burst: 3 });
        let later = Instant::now() + Duration::from_secs(3_600);
        assert_eq!((0..10).filter(|_| bucket.take(later).is_ok()).count(), 3);
    }

    #[test]
    fn a_clock_reading_from_before_changes_nothing() {
        let bucket = Bucket::full(Throttle { rate: 1, burst: 1 });
        let now = Instant::now() + Duration::from_secs(10);
        assert!(bucket.take(now).is_ok());
        assert!(bucket.take(now - Duration::from_secs(5)).is_err());
        assert!(bucket.take(now).is_err());
    }
}

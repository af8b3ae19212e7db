//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Long enough for anything that shall happen soon, on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer, and gives it.
///
/// # Panics
///
/// If there is none within [`SOON`].
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(SOON, what, ask).await
}

/// As [`until`], for what takes longer.
///
/// # Panics
///
/// If there is no answer within `time`.
pub async fn until_within<T>(time: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + time;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {} s in vain for {what}", time.as_secs());
        tokio::time::sleep(PAUSE).await;
    }
}

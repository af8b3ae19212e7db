//! What the console shows of the functions.

use std::collections::VecDeque;

use serde::Serialize;

/// The median is of the last this many invocations.
const KEPT_DURATIONS: usize = 1_000;

/// A function as the console shows it.
#[derive(Debug, Clone, Serialize)]
pub struct FunctionReport {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// `http`, `stream` or `queue`.
    pub trigger: &'static str,
    /// Its memory setting, MiB.
    pub memory_mib: u32,
    /// Its timeout, seconds.
    pub timeout_seconds: u32,
    /// The most invocations that may run at once.
    pub concurrency_limit: u32,
    /// Invocations since the platform started, without throttled ones.
    pub invocations: u64,
    /// Those that failed.
    pub errors: u64,
    /// Invocations refused as too many were running.
    pub throttles: u64,
    /// Invocations that had to start an instance.
    pub cold_starts: u64,
    /// Median run time of the last thousand, milliseconds; `None` before the first.
    pub p50_ms: Option<f64>,
    /// 95th percentile of the same.
    pub p95_ms: Option<f64>,
    /// All billed milliseconds.
    pub billed_ms: u64,
    /// Its instances, oldest first.
    pub instances: Vec<InstanceReport>,
}

/// An instance as the console shows it.
#[derive(Debug, Clone, Serialize)]
pub struct InstanceReport {
    /// Its id.
    pub id: String,
    /// Its process; 0 until it has one.
    pub pid: u32,
    /// What it does.
    pub state: InstanceState,
    /// When it was started, RFC 3339 in UTC with milliseconds.
    pub started_at: String,
    /// Invocations that it has run.
    pub invocations: u64,
    /// The most memory that it has held, MiB.
    pub memory_mib: u32,
}

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It initialises.
    Starting,
    /// It runs an invocation.
    Busy,
    /// It is stopped until the next.
    Frozen,
}

/// A function's figures since the platform started.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) invocations: u64,
    pub(super) errors: u64,
    pub(super) throttles: u64,
    pub(super) cold_starts: u64,
    pub(super) billed_ms: u64,
    durations_ms: VecDeque<f64>,
}

impl Figures {
    pub(super) fn took(&mut self, milliseconds: f64) {
        if self.durations_ms.len() == KEPT_DURATIONS {
            self.durations_ms.pop_front();
        }
        self.durations_ms.push_back(milliseconds);
    }

    /// The median and the 95th percentile.
    pub(super) fn percentiles(&self) -> Option<(f64, f64)> {
        let mut sorted: Vec<f64> = self.durations_ms.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1);
        Some((*rank(50)?, *rank(95)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_thousand() {
        let mut figures = Figures::default();
        assert_eq!(figures.percentiles(), None);
        figures.took(7.0);
        assert_eq!(figures.percentiles(), Some((7.0, 7.0)));
        for duration in 1..=1_000 {
            figures.took(f64::from(duration));
        }
        assert_eq!(figures.percentiles(), Some((500.0, 950.0)));
    }
}

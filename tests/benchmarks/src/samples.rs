//! Measured values of one thing.

use std::time::Duration;

/// Measured values of one thing, in no order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// In milliseconds.
    pub(crate) fn push_time(&mut self, time: Duration) {
        self.push(time.as_secs_f64() * 1e3);
    }

    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 0 => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
            length => sorted[length / 2],
        }
    }

    /// The value that 95 of 100 do not exceed.
    pub(crate) fn p95(&self) -> f64 {
        let sorted = self.sorted();
        let rank = (sorted.len() * 95).div_ceil(100);
        rank.checked_sub(1).map_or(f64::NAN, |index| sorted[index])
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_halves_and_the_95th_percentile_leaves_a_twentieth() {
        let samples: Samples = (1..=100).rev().map(f64::from).collect();
        assert_eq!(samples.median(), 50.5);
        assert_eq!(samples.p95(), 95.0);
        let samples: Samples = [3.0, 1.0, 2.0].into_iter().collect();
        assert_eq!(samples.median(), 2.0);
        assert_eq!(samples.p95(), 3.0);
    }
}

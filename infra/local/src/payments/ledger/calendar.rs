//! When a period ends: on the day of the month on which the first one began, or on the month's last
//! day if it has none such, at the same time of the day (UTC).
//!
//! <https://docs.stripe.com/billing/subscriptions/billing-cycle>

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::payments::catalog::Interval;

pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// The first end of a period after `time`, when the first period began at `anchor`. All in seconds
/// since 1970.
pub(super) fn period_end(anchor: i64, interval: Interval, time: i64) -> i64 {
    // No month is longer than 31 days, so this many have passed at least.
    let passed = (time - anchor).max(0) / (31 * DAY * i64::from(interval.months()));
    let mut count = i32::try_from(passed).unwrap_or(i32::MAX / 24).max(1);
    loop {
        let end = months_after(anchor, count.saturating_mul(interval.months()));
        if end > time {
            return end;
        }
        count += 1;
    }
}

/// Never fails within the ten thousand years that timestamps cover; beyond, time stands still.
fn months_after(anchor: i64, months: i32) -> i64 {
    let at = Timestamp::from_second(anchor).unwrap_or_default().to_zoned(TimeZone::UTC);
    at.checked_add(Span::new().months(months)).map_or(i64::MAX, |end| end.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn a_period_that_began_on_the_31st_ends_on_the_last_day_and_comes_back_to_the_31st() {
        let anchor = at("2027-01-31T10:00:00Z");
        let mut time = anchor;
        let mut ends = Vec::new();
        for _ in 0..4 {
            time = period_end(anchor, Interval::Month, time);
            ends.push(Timestamp::from_second(time).unwrap().to_string());
        }
        assert_eq!(
            ends,
            ["2027-02-28T10:00:00Z", "2027-03-31T10:00:00Z", "2027-04-30T10:00:00Z", "2027-05-31T10:00:00Z"]
        );
        let leap = at("2028-02-29T00:00:00Z");
        assert_eq!(period_end(leap, Interval::Year, leap), at("2029-02-28T00:00:00Z"));
        assert_eq!(period_end(leap, Interval::Year, at("2031-06-01T00:00:00Z")), at("2032-02-29T00:00:00Z"));
    }

    proptest! {
        #[test]
        fn periods_follow_one_another_without_gap(
            anchor in 0_i64..4_000_000_000,
            later in 0_i64..400_000_000,
            yearly: bool,
        ) {
            let interval = if yearly { Interval::Year } else { Interval::Month };
            let end = period_end(anchor, interval, anchor + later);
            prop_assert!(end > anchor + later);
            let longest = if yearly { 366 } else { 31 };
            prop_assert!(end - (anchor + later) <= longest * DAY);
            prop_assert_eq!(period_end(anchor, interval, end - 1), end);
        }
    }
}

//! What a change within a period costs: the unused time of the old price comes back, the time left
//! is paid at the new one, to the second.
//!
//! <https://docs.stripe.com/billing/subscriptions/prorations>

/// What happens with the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proration {
    /// It waits for the next invoice: `create_prorations`.
    NextInvoice,
    /// An invoice of its own, at once: `always_invoice`.
    Now,
    /// There is none: `none`.
    None,
}

/// The part of an amount that belongs to the time from `now` to the end of the period, rounded to
/// the nearest minor unit, and away from zero at the half. Times are in seconds.
pub(crate) fn part_left(amount: i64, start: i64, end: i64, now: i64) -> i64 {
    let whole = i128::from(end - start);
    if whole <= 0 {
        return 0;
    }
    let left = i128::from((end - now).clamp(0, end - start));
    let twice = i128::from(amount) * left * 2;
    let rounded = (twice.abs() + whole) / (2 * whole);
    let signed = if twice < 0 { -rounded } else { rounded };
    i64::try_from(signed).expect("a part of an amount is no larger than it")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_the_time_is_half_the_price() {
        assert_eq!(part_left(1_200, 0, 30, 15), 600);
        assert_eq!(part_left(1_201, 0, 2, 1), 601);
        assert_eq!(part_left(-1_201, 0, 2, 1), -601);
        assert_eq!(part_left(1_200, 0, 30, 0), 1_200);
        assert_eq!(part_left(1_200, 0, 30, 30), 0);
        assert_eq!(part_left(1_200, 0, 30, 99), 0);
        assert_eq!(part_left(1_200, 5, 5, 5), 0);
    }

    proptest! {
        /// Whoever changes to a price and back at the same second has paid nothing.
        #[test]
        fn there_and_back_costs_nothing(amount in 0_i64..10_000_000, length in 1_i64..40_000_000, used: u32) {
            let now = i64::from(used) % (length + 1);
            prop_assert_eq!(part_left(amount, 0, length, now) + part_left(-amount, 0, length, now), 0);
        }

        #[test]
        fn a_part_is_never_more_than_the_whole_and_shrinks_with_time(
            amount in 0_i64..10_000_000,
            length in 1_i64..40_000_000,
            used: u32,
        ) {
            let now = i64::from(used) % length;
            let part = part_left(amount, 0, length, now);
            prop_assert!((0..=amount).contains(&part));
            prop_assert!(part_left(amount, 0, length, now + 1) <= part);
        }
    }
}

//! How far a page of records has been delivered, and what to deliver next.
//!
//! As Lambda does: a batch that fails is tried again, halved if the model says so, until the
//! record that fails is alone; when that one has used up its retries it is given up, and the rest
//! goes on. Records are never overtaken by later ones.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use infra_model::StreamTrigger;

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The batches of a page that are still to be delivered, in order.
#[derive(Debug)]
pub(super) struct Progress {
    batches: VecDeque<Batch>,
    throttles: u32,
    retries: u32,
    bisect: bool,
}

#[derive(Debug)]
struct Batch {
    records: Range<usize>,
    failures: u32,
}

/// How an invocation with the current batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of it was done.
    Done,
    /// The record of this index failed, and all before it are done; nothing is known of those
    /// after it.
    FailedFrom(usize),
    /// It is not known which failed.
    Failed,
    /// Nothing ran.
    Throttled,
}

/// What follows from an outcome.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Settled {
    /// Records that are done.
    pub(super) done: Range<usize>,
    /// Records that failed and are tried again.
    pub(super) again: Range<usize>,
    /// Records that failed and are given up.
    pub(super) dead: Range<usize>,
    /// How often the given up were tried since one of them failed first.
    pub(super) attempts: u32,
    /// How long to wait before the next batch.
    pub(super) wait: Duration,
}

impl Progress {
    /// All of a page's records are still to be delivered.
    pub(super) fn new(records: usize, trigger: StreamTrigger) -> Self {
        let size = (trigger.batch_size as usize).max(1);
        let batch = |start| Batch { records: start..records.min(start + size), failures: 0 };
        let batches = (0..records).step_by(size).map(batch).collect();
        Self { batches, throttles: 0, retries: trigger.retries, bisect: trigger.bisect }
    }

    /// The next batch.
    pub(super) fn next(&self) -> Option<Range<usize>> {
        self.batches.front().map(|batch| batch.records.clone())
    }

    /// Notes how the invocation with the next batch ended.
    pub(super) fn settle(&mut self, outcome: Outcome) -> Settled {
        let Some(Batch { records, failures }) = self.batches.pop_front() else { return Settled::default() };
        if outcome != Outcome::Throttled {
            self.throttles = 0;
        }
        match outcome {
            Outcome::Done => Settled { done: records, ..Settled::default() },
            Outcome::Throttled => {
                self.batches.push_front(Batch { records: records.clone(), failures });
                self.throttles += 1;
                Settled { again: records, wait: wait(self.throttles), ..Settled::default() }
            }
            Outcome::FailedFrom(index) => {
                let done = records.start..index.clamp(records.start, records.end - 1);
                let failed = if self.bisect { done.end..done.end + 1 } else { done.end..records.end };
                if failed.end < records.end {
                    self.batches.push_front(Batch { records: failed.end..records.end, failures: 0 });
                }
                // Progress was made unless the first record failed.
                let failures = if done.is_empty() { failures } else { 0 };
                Settled { done, ..self.fail(failed, failures + 1) }
            }
            Outcome::Failed if self.bisect && records.len() > 1 => {
                let middle = records.start + records.len() / 2;
                self.batches.push_front(Batch { records: middle..records.end, failures });
                self.batches.push_front(Batch { records: records.start..middle, failures });
                Settled { again: records, ..Settled::default() }
            }
            Outcome::Failed => self.fail(records, failures + 1),
        }
    }

    fn fail(&mut self, records: Range<usize>, failures: u32) -> Settled {
        if failures > self.retries {
            return Settled { dead: records, attempts: failures, ..Settled::default() };
        }
        self.batches.push_front(Batch { records: records.clone(), failures });
        Settled { again: records, wait: wait(failures), ..Settled::default() }
    }
}

/// Twice as long each time.
fn wait(times: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << times.saturating_sub(1).min(10)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    const RULES: StreamTrigger =
        StreamTrigger { sort_key_prefix: "EVENT#", batch_size: 4, retries: 2, bisect: true };

    /// What became of a page that was delivered to `invoke`.
    #[derive(Default)]
    struct Delivered {
        attempts: BTreeMap<usize, u32>,
        done: Vec<usize>,
        dead: Vec<usize>,
        in_order: Vec<usize>,
        invocations: u32,
    }

    fn deliver(
        records: usize,
        rules: StreamTrigger,
        mut invoke: impl FnMut(Range<usize>) -> Outcome,
    ) -> Delivered {
        let mut progress = Progress::new(records, rules);
        let mut delivered = Delivered::default();
        while let Some(batch) = progress.next() {
            delivered.invocations += 1;
            assert!(delivered.invocations < 10_000, "it never ends");
            batch.clone().for_each(|record| *delivered.attempts.entry(record).or_default() += 1);
            let settled = progress.settle(invoke(batch));
            delivered.done.extend(settled.done.clone());
            delivered.dead.extend(settled.dead.clone());
            delivered.in_order.extend(settled.done.chain(settled.dead));
        }
        delivered
    }

    #[test]
    fn a_page_is_delivered_in_batches() {
        let delivered = deliver(10, RULES, |batch| {
            assert!(batch.len() <= 4);
            Outcome::Done
        });
        assert_eq!((delivered.invocations, delivered.done), (3, (0..10).collect()));
    }

    #[test]
    fn halving_finds_the_record_that_fails() {
        let delivered =
            deliver(8, RULES, |batch| if batch.contains(&5) { Outcome::Failed } else { Outcome::Done });
        assert_eq!(delivered.dead, [5]);
        assert_eq!(delivered.done, [0, 1, 2, 3, 4, 6, 7]);
        assert_eq!(delivered.in_order, (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn without_halving_the_batch_is_given_up_as_a_whole() {
        let rules = StreamTrigger { bisect: false, ..RULES };
        let delivered =
            deliver(8, rules, |batch| if batch.contains(&5) { Outcome::Failed } else { Outcome::Done });
        assert_eq!((delivered.dead, delivered.attempts[&5]), (vec![4, 5, 6, 7], 3));
    }

    #[test]
    fn a_reported_record_alone_is_tried_again_and_given_up() {
        let delivered =
            deliver(
                4,
                RULES,
                |batch| {
                    if batch.contains(&1) { Outcome::FailedFrom(1) } else { Outcome::Done }
                },
            );
        assert_eq!(delivered.dead, [1]);
        assert_eq!(delivered.attempts, BTreeMap::from([(0, 1), (1, 3), (2, 2), (3, 2)]));
    }

    #[test]
    fn a_failure_that_passes_costs_nothing_but_time() {
        let mut failures = 2;
        let delivered = deliver(1, RULES, |_| {
            if failures == 0 {
                return Outcome::Done;
            }
            failures -= 1;
            Outcome::Failed
        });
        assert_eq!((delivered.done, delivered.dead), (vec![0], vec![]));
    }

    #[test]
    fn a_throttled_batch_is_tried_for_as_long_as_it_takes() {
        let mut throttles = 50;
        let delivered = deliver(4, RULES, |_| {
            if throttles == 0 {
                return Outcome::Done;
            }
            throttles -= 1;
            Outcome::Throttled
        });
        assert_eq!((delivered.done.len(), delivered.dead.len()), (4, 0));
    }

    #[test]
    fn it_waits_longer_each_time_but_not_for_ever() {
        let waits: Vec<_> = (1..=40).map(wait).collect();
        assert_eq!(waits[..4], [200, 400, 800, 1_600].map(Duration::from_millis));
        assert!(waits.is_sorted() && waits.last() == Some(&LONGEST_WAIT));
    }

    proptest! {
        /// Whatever the function answers: each record is settled once, in order, and only those
        /// that fail are given up.
        #[test]
        fn nothing_is_skipped_overtaken_or_given_up_without_need(
            records in 0_usize..60,
            poison in prop::collection::btree_set(0_usize..60, 0..8),
            reports: bool,
            bisect: bool,
        ) {
            let poison: BTreeSet<_> = poison.into_iter().filter(|it| *it < records).collect();
            let rules = StreamTrigger { bisect, ..RULES };
            let delivered = deliver(records, rules, |mut batch| {
                match batch.find(|it| poison.contains(it)) {
                    None => Outcome::Done,
                    Some(index) if reports => Outcome::FailedFrom(index),
                    Some(_) => Outcome::Failed,
                }
            });
            prop_assert_eq!(delivered.in_order, (0..records).collect::<Vec<_>>());
            if bisect {
                prop_assert_eq!(delivered.dead.into_iter().collect::<BTreeSet<_>>(), poison);
            }
        }
    }
}

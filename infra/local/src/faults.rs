//! Faults on purpose, so that tests and people see how the functions bear them.
//!
//! Each fault has a probability from 0 to 1. The same seed and the same order of calls give the
//! same faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The settings that can be changed while the platform runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What goes wrong on purpose.
    pub faults: FaultSettings,
    /// Milliseconds for which a received message stays hidden, instead of what the model says
    /// for its queue. It is also how long a failed message waits for its next attempt.
    pub visibility_timeout_ms: Option<u64>,
}

/// What goes wrong on purpose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultSettings {
    /// At the table, for calls of functions.
    pub table: TableFaults,
    /// At the mail service, for calls of functions.
    pub mail: SendMode,
    /// At the service for texts, for calls of functions.
    pub texts: SendMode,
    /// At the payment provider, for calls of functions.
    pub payments: SendMode,
}

/// Probabilities, from 0 to 1, of each fault of a call of the table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableFaults {
    /// Refused as too much for the table.
    pub throttle: f64,
    /// Refused with an internal error.
    pub error: f64,
    /// Refused as in conflict with a transaction; only writes and transactions.
    pub conflict: f64,
    /// Carried out, but the connection closed without an answer.
    pub drop_reply: f64,
    /// Where the sequence of chances begins.
    pub seed: u64,
}

impl Default for TableFaults {
    fn default() -> Self {
        Self { throttle: 0.0, error: 0.0, conflict: 0.0, drop_reply: 0.0, seed: 1 }
    }
}

/// What the service for mail, or for texts, does with a message, and the payment provider with a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendMode {
    /// Takes it.
    #[default]
    Ok,
    /// Refuses it for good: `MessageRejected`, or `InvalidParameter` of a text; the payment provider
    /// answers with its own error, 500, and again to whoever asks again with the same key.
    Refuse,
    /// Refuses it for now: `Throttling`, `Throttled` of a text, or `rate_limit` of a call.
    Throttle,
    /// Does not take it, and never answers.
    Timeout,
    /// Takes it, and never answers.
    AcceptThenTimeout,
}

/// A fault of a call of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableFault {
    Throttle,
    Error,
    Conflict,
    DropReply,
}

/// A setting that makes no sense.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{field} must be {rule}")]
pub struct InvalidSetting {
    /// Which, as `faults.table.throttle`.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

/// The settings in force. Clones share them.
#[derive(Debug, Clone)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    settings: Settings,
    chance: fastrand::Rng,
}

impl Faults {
    /// With these settings.
    ///
    /// # Errors
    /// If one makes no sense.
    pub fn new(settings: Settings) -> Result<Self, InvalidSetting> {
        check(&settings)?;
        let chance = fastrand::Rng::with_seed(settings.faults.table.seed);
        Ok(Self { state: Arc::new(Mutex::new(State { settings, chance })) })
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// Puts other settings into force, and begins the sequence of chances anew.
    ///
    /// # Errors
    /// If one makes no sense; nothing has changed then.
    pub fn set(&self, settings: Settings) -> Result<(), InvalidSetting> {
        check(&settings)?;
        let chance = fastrand::Rng::with_seed(settings.faults.table.seed);
        *self.lock() = State { settings, chance };
        Ok(())
    }

    pub(crate) fn mail(&self) -> SendMode {
        self.lock().settings.faults.mail
    }

    pub(crate) fn texts(&self) -> SendMode {
        self.lock().settings.faults.texts
    }

    pub(crate) fn payments(&self) -> SendMode {
        self.lock().settings.faults.payments
    }

    pub(crate) fn visibility_timeout(&self) -> Option<Duration> {
        self.lock().settings.visibility_timeout_ms.map(Duration::from_millis)
    }

    /// What is to go wrong with the next call of the table. Each call takes one chance, whether
    /// or not it `can_conflict`.
    pub(crate) fn table(&self, can_conflict: bool) -> Option<TableFault> {
        let mut state = self.lock();
        let faults = state.settings.faults.table;
        let mut chance = state.chance.f64();
        let conflict = if can_conflict { faults.conflict } else { 0.0 };
        [
            (faults.throttle, TableFault::Throttle),
            (faults.error, TableFault::Error),
            (conflict, TableFault::Conflict),
            (faults.drop_reply, TableFault::DropReply),
        ]
        .into_iter()
        .find_map(|(probability, fault)| {
            chance -= probability;
            (chance < 0.0).then_some(fault)
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(settings: &Settings) -> Result<(), InvalidSetting> {
    let table = settings.faults.table;
    let probabilities = [
        ("faults.table.throttle", table.throttle),
        ("faults.table.error", table.error),
        ("faults.table.conflict", table.conflict),
        ("faults.table.drop_reply", table.drop_reply),
    ];
    for (field, probability) in probabilities {
        if !(0.0..=1.0).contains(&probability) {
            return Err(InvalidSetting { field, rule: "a probability, from 0 to 1" });
        }
    }
    if probabilities.iter().map(|(_, probability)| probability).sum::<f64>() > 1.0 {
        return Err(InvalidSetting { field: "faults.table", rule: "at most 1 in sum" });
    }
    if settings.visibility_timeout_ms.is_some_and(|timeout| timeout == 0 || timeout > 43_200_000) {
        let rule = "from 1 to 43200000, which is 12 hours";
        return Err(InvalidSetting { field: "visibility_timeout_ms", rule });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(table: TableFaults) -> Settings {
        Settings { faults: FaultSettings { table, ..FaultSettings::default() }, visibility_timeout_ms: None }
    }

    fn faults(seed: u64) -> Vec<Option<TableFault>> {
        let table = TableFaults { throttle: 0.2, error: 0.2, conflict: 0.2, drop_reply: 0.2, seed };
        let faults = Faults::new(settings(table)).unwrap();
        (0..200).map(|_| faults.table(true)).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
    }

    #[test]
    fn all_faults_occur_about_as_often_as_asked() {
        let drawn = faults(1);
        let kinds = [
            None,
            Some(TableFault::Throttle),
            Some(TableFault::Error),
            Some(TableFault::Conflict),
            Some(TableFault::DropReply),
        ];
        for kind in kinds {
            let share = drawn.iter().filter(|fault| **fault == kind).count();
            assert!((20..=60).contains(&share), "{kind:?}: {share} of 200");
        }
    }

    #[test]
    fn without_faults_nothing_goes_wrong() {
        let faults = Faults::new(Settings::default()).unwrap();
        assert!((0..1_000).all(|_| faults.table(true).is_none()));
    }

    #[test]
    fn a_probability_is_from_0_to_1_and_so_is_their_sum() {
        for table in [
            TableFaults { throttle: -0.1, ..TableFaults::default() },
            TableFaults { error: f64::NAN, ..TableFaults::default() },
            TableFaults { throttle: 0.6, error: 0.6, ..TableFaults::default() },
        ] {
            assert!(Faults::new(settings(table)).is_err(), "{table:?}");
        }
    }
}

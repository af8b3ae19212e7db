//! The breaker of codes to phones: what stops whoever makes money by having texts sent to numbers of their own.
//!
//! Such numbers are rented by the range, so they are alike but for their last digits. Several accounts that ask for many
//! of one range within minutes are seldom a coincidence: no code is sent to that range for an hour. Several such ranges
//! within an hour are none: no code is sent to anybody for an hour. Either ends at once when somebody who has
//! looked deletes its item: `BREAKER#sms`/`BREAKER#<range>`, or `BREAKER#sms`/`BREAKER`.
//!
//! What stops all must be in nobody's hand. One account trips nothing, whatever it asks for; and whoever sits behind one
//! address is refused long before they have asked for numbers of so many ranges.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;

use super::keys::{self, EXPIRES_AT, PK, SK};
use super::limits::{hashed, window};
use super::table::{Item, Store, bare_item, expiring, failed, number, number_in, text};
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::limit::CODE_BY_CLIENT;
use crate::phone_number::PhoneNumber;

/// Numbers of one range that trip it for the range: more than colleagues with one block of numbers ask for in a
/// moment.
const NUMBERS: usize = 8;

/// If so many accounts asked for them.
const ACCOUNTS: usize = 3;

/// Within so long.
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// Ranges that trip it for all.
const RANGES: usize = 5;

/// Within so long, and for how long it stays open.
const OPEN: Duration = Duration::from_secs(60 * 60);

// Any hour touches two windows of the limit.
const _: () = assert!(2 * (CODE_BY_CLIENT.max as usize) < NUMBERS * RANGES, "one client could stop all");

const PARTITION: &str = "BREAKER#sms";

/// That no codes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Until when.
    pub until: Timestamp,
    /// Whether to anybody, and not to one range alone.
    pub is_for_all: bool,
}

impl Store {
    /// Until when no code is sent to this number, if that is so.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn breaker(&self, phone: &PhoneNumber, now: Timestamp) -> Result<Option<Timestamp>> {
        let (range, _) = phone.range();
        let open_until = async |sk: String| -> Result<Option<Timestamp>> {
            let item = self.get_raw(PARTITION.to_owned(), sk).await?;
            let until = item.as_ref().and_then(|item| number_in(item, EXPIRES_AT));
            let until = until.and_then(|seconds| Timestamp::from_second(seconds).ok());
            Ok(until.filter(|until| *until > now))
        };
        let (for_range, for_all) =
            tokio::try_join!(open_until(of_range(&hashed(range))), open_until(keys::BREAKER.to_owned()))?;
        Ok(for_range.max(for_all))
    }

    /// Notes that a user asks for a code to this number, and trips the breaker if that makes too many of its range.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn watch_range(
        &self,
        user: UserId,
        phone: &PhoneNumber,
        now: Timestamp,
    ) -> Result<Option<Pause>> {
        let (range, last) = phone.range();
        let (range, account) = (hashed(range), hashed(&user.to_string()));
        let (asked, asked_sk) = {
            let window = window(WINDOW, now);
            let sk = format!("RANGE#{range}#{}", window.number);
            let members = [("numbers", last), ("accounts", account.as_str())];
            (self.note(&sk, &members, window.end).await?, sk)
        };
        if members(&asked, "numbers").len() < NUMBERS || members(&asked, "accounts").len() < ACCOUNTS {
            return Ok(None);
        }
        let until = now + OPEN;
        let open = |sk: String| self.put(expiring(bare_item(PARTITION.to_owned(), sk), until));
        let forget = |sk: String| self.delete((PARTITION.to_owned(), sk), None, &[]);
        // Told once, the range is forgotten: who closes the breaker early has judged it.
        self.transact(vec![open(of_range(&range)), forget(asked_sk)])
            .await
            .map_err(|refused| refused.or(Error::Conflict))?;

        let window = window(OPEN, now);
        let tripped_sk = format!("RANGES#{}", window.number);
        let tripped = self.note(&tripped_sk, &[("tripped", &range)], window.end).await?;
        let tripped = members(&tripped, "tripped");
        if tripped.len() < RANGES {
            return Ok(Some(Pause { until, is_for_all: false }));
        }
        // So are these. Closed early, it is closed for them as well.
        let mut writes = vec![open(keys::BREAKER.to_owned()), forget(tripped_sk)];
        writes.extend(tripped.iter().map(|range| forget(of_range(range))));
        self.transact(writes).await.map_err(|refused| refused.or(Error::Conflict))?;
        Ok(Some(Pause { until, is_for_all: true }))
    }

    /// Adds to the sets of an item, and gives it as it then is: what is there counts once, and two at once lose nothing.
    async fn note(&self, sk: &str, members: &[(&str, &str)], end: i64) -> Result<Item> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(PARTITION))
            .key(SK, text(sk))
            .expression_attribute_values(":end", number(end))
            .return_values(ReturnValue::AllNew);
        let mut adding = Vec::new();
        for (set, member) in members {
            update = update.expression_attribute_values(
                format!(":{set}"),
                AttributeValue::Ss(vec![(*member).to_owned()]),
            );
            adding.push(format!("{set} :{set}"));
        }
        let expression = format!("SET {EXPIRES_AT} = :end ADD {}", adding.join(", "));
        let output = update.update_expression(expression).send().await.map_err(failed)?;
        Ok(output.attributes.unwrap_or_default())
    }
}

/// The key of the breaker of a range.
fn of_range(range: &str) -> String {
    format!("{}#{range}", keys::BREAKER)
}

fn members<'a>(item: &'a Item, set: &str) -> &'a [String] {
    item.get(set).and_then(|value| value.as_ss().ok()).map_or(&[], Vec::as_slice)
}

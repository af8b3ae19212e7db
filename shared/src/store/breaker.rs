//! The breaker of codes to phones: what stops whoever makes money by having texts sent to numbers of their own.
//!
//! Such numbers are rented by the range, so they are alike but for their last digits. A few of one range
//! within minutes are no coincidence: no code is sent to anybody for an hour, or until somebody who has looked deletes the
//! item `BREAKER#sms`/`BREAKER`.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::{SignedDuration, Timestamp};

use super::keys::{self, EXPIRES_AT, PK, SK};
use super::limits::hashed;
use super::table::{Item, Store, bare_item, expiring, failed, number, number_in, text};
use crate::error::{Error, Result};
use crate::phone_number::PhoneNumber;

/// Numbers of one range that trip it.
const NUMBERS: usize = 5;

/// Within so long.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// For how long it stays open.
const OPEN: SignedDuration = SignedDuration::from_hours(1);

const PARTITION: &str = "BREAKER#sms";

/// What the attribute of a number begins with: one cannot begin with a digit.
const NUMBER_PREFIX: &str = "n";

impl Store {
    /// Until when no codes are sent to phones, if that is so.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn breaker(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let item = self.get_raw(PARTITION.to_owned(), keys::BREAKER.to_owned()).await?;
        let open_until = item.as_ref().and_then(|item| number_in(item, EXPIRES_AT));
        let open_until = open_until.and_then(|seconds| Timestamp::from_second(seconds).ok());
        Ok(open_until.filter(|until| *until > now))
    }

    /// Notes that a code is asked for to this number, and trips the breaker if that makes too many of its range. Until
    /// when it is then open.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn watch_range(&self, phone: &PhoneNumber, now: Timestamp) -> Result<Option<Timestamp>> {
        let (range, last) = phone.range();
        let sk = format!("RANGE#{}", hashed(range));
        // An attribute a number, so that a number which asks again counts once and two at once lose nothing.
        let output = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(PARTITION))
            .key(SK, text(&sk))
            .update_expression("SET #number = :now, expires_at = :end")
            .expression_attribute_names("#number", format!("{NUMBER_PREFIX}{last}"))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":end", number((now + WINDOW).as_second()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(failed)?;
        if recent(&output.attributes.unwrap_or_default(), now) < NUMBERS {
            return Ok(None);
        }
        // Told once, the range is forgotten: who closes the breaker early has judged it.
        let until = now + OPEN;
        let open = expiring(bare_item(PARTITION.to_owned(), keys::BREAKER.to_owned()), until);
        self.transact(vec![self.put(open), self.delete((PARTITION.to_owned(), sk), None, &[])])
            .await
            .map_err(|refused| refused.or(Error::Conflict))?;
        Ok(Some(until))
    }
}

fn recent(range: &Item, now: Timestamp) -> usize {
    let since = (now - WINDOW).as_millisecond();
    let is_number = |name: &str| {
        let digits = name.strip_prefix(NUMBER_PREFIX);
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let asked_at = |value: &AttributeValue| value.as_n().ok()?.parse::<i64>().ok();
    let numbers = range.iter().filter(|(name, _)| is_number(name));
    numbers.filter(|(_, value)| asked_at(value).is_some_and(|at| at > since)).count()
}

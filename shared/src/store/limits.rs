//! Counters of limits: one item for each key and window, dropped by the table when the window is over.

use std::time::Duration;

use aws_sdk_dynamodb::types::ReturnValue;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::keys::{LIMIT, PK, SK};
use super::table::{Store, failed, number, number_in, text};
use crate::error::{Error, Result};
use crate::limit::Limit;

impl Store {
    /// Counts one more against a limit, before what it limits is done, so that requests at once cannot pass it
    /// together.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyRequests`] until the window ends.
    pub async fn take(&self, limit: &Limit, key: &str, now: Timestamp) -> Result<()> {
        let window = window(limit.window, now);
        let count = self.count(limit, key, &window, 1).await?;
        if count > i64::from(limit.max) {
            return Err(Error::TooManyRequests { retry_after: window.left });
        }
        Ok(())
    }

    /// Takes one back: what was counted as a failure was none.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn give_back(&self, limit: &Limit, key: &str, now: Timestamp) -> Result<()> {
        self.count(limit, key, &window(limit.window, now), -1).await?;
        Ok(())
    }

    async fn count(&self, limit: &Limit, key: &str, window: &Window, by: i32) -> Result<i64> {
        let pk = format!("LIMIT#{}#{}#{}", limit.name, hashed(key), window.number);
        let output = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(pk))
            .key(SK, text(LIMIT))
            .update_expression("SET expires_at = :end ADD taken :by")
            .expression_attribute_values(":end", number(window.end))
            .expression_attribute_values(":by", number(by))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(failed)?;
        output
            .attributes
            .as_ref()
            .and_then(|item| number_in(item, "taken"))
            .ok_or_else(|| Error::internal("a counter without a count"))
    }
}

/// A fixed window of time.
pub(super) struct Window {
    pub(super) number: i64,
    /// Seconds since 1970.
    pub(super) end: i64,
    left: Duration,
}

/// The window of this length that `now` is in.
pub(super) fn window(length: Duration, now: Timestamp) -> Window {
    let length = i64::try_from(length.as_secs()).unwrap_or(i64::MAX).max(1);
    let number = now.as_second().div_euclid(length);
    let end = (number + 1) * length;
    let left = Duration::from_secs(u64::try_from(end - now.as_second()).unwrap_or(1));
    Window { number, end, left }
}

/// A key that shows neither an address nor a client.
pub(super) fn hashed(key: &str) -> String {
    let digest = Sha256::digest(key);
    BASE64_URL_SAFE_NO_PAD.encode(&digest[..16])
}

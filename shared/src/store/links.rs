//! One-time links. Spending one is part of the transaction that does what it is for.

use jiff::Timestamp;

use super::keys;
use super::table::{Item, Store, expiring, to_item};
use crate::error::{Error, Result};
use crate::link::{Link, LinkPurpose, LinkToken};

impl Store {
    /// The link of this token, if it could be spent now. Looking spends nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLink`].
    pub async fn open_link(&self, token: &LinkToken, purpose: LinkPurpose, now: Timestamp) -> Result<Link> {
        let stored: Option<Link> = self.get(keys::user(token.user_id()), keys::link(purpose)).await?;
        stored.filter(|link| link.hash == token.hash(purpose) && link.dies_at > now).ok_or(Error::InvalidLink)
    }
}

pub(super) fn link_item(link: &Link) -> Result<Item> {
    let item = to_item(keys::user(link.user_id), keys::link(link.purpose), link)?;
    Ok(expiring(item, link.dies_at))
}

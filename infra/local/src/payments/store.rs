//! Where the books are kept: one row an object in the journal.

use rusqlite::{Connection, params};

use super::ledger::Row;
use crate::journal::{Error, Journal};

/// Every row, the oldest first.
pub(super) async fn load(journal: &Journal) -> Result<Vec<Row>, Error> {
    journal
        .read(|connection: &Connection| {
            let mut all =
                connection.prepare("SELECT number, kind, id, body FROM payments ORDER BY number")?;
            let rows = all.query_map([], |row| {
                let number: i64 = row.get(0)?;
                Ok(Row {
                    number: number.unsigned_abs(),
                    kind: row.get(1)?,
                    id: row.get(2)?,
                    body: Some(row.get(3)?),
                })
            })?;
            rows.collect()
        })
        .await
}

/// All of the changes or, on an error, none.
pub(super) async fn save(journal: &Journal, rows: Vec<Row>) -> Result<(), Error> {
    journal
        .write(move |transaction| {
            let mut put = transaction.prepare_cached(
                "INSERT INTO payments (number, kind, id, body) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (number) DO UPDATE SET body = excluded.body",
            )?;
            let mut delete = transaction.prepare_cached("DELETE FROM payments WHERE number = ?1")?;
            rows.iter().try_for_each(|row| {
                let number = i64::try_from(row.number).unwrap_or(i64::MAX);
                match &row.body {
                    Some(body) => put.execute(params![number, row.kind, row.id, body]).map(drop),
                    None => delete.execute([number]).map(drop),
                }
            })
        })
        .await
}

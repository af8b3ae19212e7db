use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use shared::error::Error;
use shared::http::{Caller, Json, Result, Time};
use shared::limit::INVOICES_BY_USER;
use shared::subscription::InvoiceStatus;
use utoipa::{IntoParams, ToSchema};

use crate::Billing;
use crate::parts::owned;
use crate::stripe::LedgerInvoice;

/// A page of what was to be paid.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct InvoicePage {
    /// Newest first.
    invoices: Vec<InvoiceDocument>,
    /// Given as `cursor`, it gets the next page; null after the last.
    next_cursor: Option<String>,
}

/// An invoice.
#[derive(Serialize, ToSchema)]
#[schema(as = Invoice)]
struct InvoiceDocument {
    /// Id.
    #[schema(example = "in_1MtHbELkdIwHu7ixl4OzzPMv")]
    id: String,
    /// The number printed on it.
    #[schema(example = "A1B2C3D4-0001")]
    number: Option<String>,
    /// What was paid if it is paid, else what is due, in the currency's minor unit.
    #[schema(example = 1200)]
    amount: i64,
    /// Three letters of ISO 4217, in lower case.
    #[schema(example = "usd")]
    currency: String,
    /// `paid`, `open`, `void` or `uncollectible`.
    #[schema(example = "paid")]
    status: &'static str,
    /// When it was made.
    created_at: Time,
    /// Where it is shown, and can be paid.
    #[schema(example = "https://invoice.stripe.com/i/acct_1/test_1")]
    hosted_url: Option<String>,
    /// Where it can be printed.
    #[schema(example = "https://pay.stripe.com/invoice/acct_1/test_1/pdf")]
    pdf_url: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct InvoiceQuery {
    /// The `next_cursor` of the page before. Without it: the first page.
    cursor: Option<String>,
}

const LIMIT: i64 = 20;

/// List invoices
///
/// What the signed-in user's workspace had to pay, as the payment provider's ledger says now.
#[utoipa::path(get, path = "/api/billing/invoices", operation_id = "list_invoices", tag = "billing",
    params(InvoiceQuery),
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 200, description = "The invoices, newest first", body = InvoicePage)),
)]
pub(crate) async fn invoices(
    State(billing): State<Billing>,
    caller: Caller,
    Query(query): Query<InvoiceQuery>,
) -> Result<Json<InvoicePage>> {
    let unknown = || Error::field("cursor", "This is not a next_cursor of ours.");
    let cursor = query.cursor.as_deref();
    if cursor.is_some_and(|cursor| !is_invoice_id(cursor)) {
        return Err(unknown().into());
    }
    let workspace = owned(&billing.store().memberships(caller.user_id).await?)?;
    let Some(customer) = billing.store().customer(workspace).await? else {
        return Ok(Json(InvoicePage::default()));
    };
    let (user, now) = (caller.user_id.to_string(), billing.sync.clock.now());
    billing.store().take(&INVOICES_BY_USER, &user, now).await?;
    let (invoices, more) = match billing.sync.stripe.invoices(&customer.id, cursor, LIMIT).await {
        Err(error) if cursor.is_some() && error.is_missing() => return Err(unknown().into()),
        Err(error) if error.is_missing() => Default::default(),
        page => page.map_err(Error::from)?,
    };
    let next_cursor = invoices.last().filter(|_| more).map(|last| last.id.clone());
    let invoices = invoices.into_iter().filter(|invoice| invoice.status != InvoiceStatus::Draft);
    Ok(Json(InvoicePage { invoices: invoices.map(InvoiceDocument::new).collect(), next_cursor }))
}

fn is_invoice_id(text: &str) -> bool {
    let rest = text.strip_prefix("in_").unwrap_or_default();
    (1..=64).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl InvoiceDocument {
    fn new(invoice: LedgerInvoice) -> Self {
        let amount = invoice.amount();
        Self {
            id: invoice.id,
            number: invoice.number,
            amount: amount.minor_units,
            currency: amount.currency.code().to_owned(),
            status: invoice.status.name(),
            created_at: invoice.created_at.into(),
            hosted_url: invoice.hosted_url,
            pdf_url: invoice.pdf_url,
        }
    }
}

//! The books' objects in the JSON of Stripe's API, version [`API_VERSION`].
//!
//! The fields are those that Stripe publishes: <https://docs.stripe.com/api> for their meaning, and
//! the fixtures of its OpenAPI description for their list (a test holds each object against it).
//! What the simulator does not have is there as Stripe shows its absence: null, or an empty list.

use serde_json::{Map, Value, json};

use super::catalog::{CREATED, Catalog, Interval, Price, Product};
use super::ledger::{
    Checkout, CheckoutStatus, Customer, Event, Invoice, InvoiceStatus, Ledger, Line, MissingCard,
    PaymentMethod, Portal, Refund, Subscription,
};

/// The one version that is spoken: what the client crate is pinned to.
pub(crate) const API_VERSION: &str = "2026-09-30.endive";

pub(crate) fn product(product: &Product) -> Value {
    json!({
        "id": product.id,
        "object": "product",
        "active": product.active,
        "created": CREATED,
        "default_price": product.prices.first().map(|price| &price.id),
        "description": product.description,
        "images": [],
        "livemode": false,
        "marketing_features": [],
        "metadata": product.metadata,
        "name": product.name,
        "package_dimensions": null,
        "shippable": null,
        "statement_descriptor": null,
        "tax_code": null,
        "type": "service",
        "unit_label": null,
        "updated": CREATED,
        "url": null,
    })
}

pub(crate) fn price(product: &Product, price: &Price) -> Value {
    json!({
        "id": price.id,
        "object": "price",
        "active": price.active,
        "billing_scheme": "per_unit",
        "created": CREATED,
        "currency": price.currency,
        "custom_unit_amount": null,
        "livemode": false,
        "lookup_key": price.lookup_key,
        "metadata": price.metadata,
        "nickname": null,
        "product": product.id,
        "recurring": {
            "interval": price.interval.name(),
            "interval_count": 1,
            "meter": null,
            "trial_period_days": null,
            "usage_type": "licensed",
        },
        "tax_behavior": "unspecified",
        "tiers_mode": null,
        "transform_quantity": null,
        "type": "recurring",
        "unit_amount": price.unit_amount,
        "unit_amount_decimal": price.unit_amount.to_string(),
    })
}

/// What a price was called before there were prices; subscription items still show it.
fn plan(product: &Product, price: &Price) -> Value {
    json!({
        "id": price.id,
        "object": "plan",
        "active": price.active,
        "amount": price.unit_amount,
        "amount_decimal": price.unit_amount.to_string(),
        "billing_scheme": "per_unit",
        "created": CREATED,
        "currency": price.currency,
        "interval": price.interval.name(),
        "interval_count": 1,
        "livemode": false,
        "metadata": price.metadata,
        "meter": null,
        "nickname": null,
        "product": product.id,
        "tiers_mode": null,
        "transform_usage": null,
        "trial_period_days": null,
        "usage_type": "licensed",
    })
}

pub(crate) fn customer(ledger: &Ledger, customer: &Customer) -> Value {
    let owes =
        |invoice: &Invoice| invoice.customer == customer.id && invoice.is_open() && invoice.attempts > 0;
    json!({
        "id": customer.id,
        "object": "customer",
        "address": null,
        "balance": customer.balance,
        "created": customer.created,
        "currency": customer.currency,
        "default_source": null,
        "delinquent": ledger.invoices.iter().any(owes),
        "description": customer.description,
        "discount": null,
        "email": customer.email,
        "invoice_prefix": customer.invoice_prefix,
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": customer.default_card,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": false,
        "metadata": customer.metadata,
        "name": customer.name,
        "next_invoice_sequence": customer.next_invoice,
        "phone": null,
        "preferred_locales": [],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": null,
    })
}

pub(crate) fn deleted_customer(id: &str) -> Value {
    json!({ "id": id, "object": "customer", "deleted": true })
}

pub(crate) fn payment_method(method: &PaymentMethod) -> Value {
    let card = &method.card;
    json!({
        "id": method.id,
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": {
            "address": { "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null },
            "email": null,
            "name": card.name,
            "phone": null,
            "tax_id": null,
        },
        "card": {
            "brand": card.brand(),
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "country": "US",
            "display_brand": card.brand(),
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
            "fingerprint": null,
            "funding": "credit",
            "generated_from": null,
            "last4": card.last4(),
            "networks": { "available": [card.brand()], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        },
        "created": method.created,
        "customer": method.customer,
        "customer_account": null,
        "livemode": false,
        "metadata": {},
        "type": "card",
    })
}

pub(crate) fn subscription(ledger: &Ledger, it: &Subscription) -> Value {
    let missing = match it.missing_card {
        MissingCard::CreateInvoice => "create_invoice",
        MissingCard::Pause => "pause",
        MissingCard::Cancel => "cancel",
    };
    let sold = ledger.catalog.price(&it.price);
    let item = json!({
        "id": it.item,
        "object": "subscription_item",
        "billed_until": it.period_end,
        "billing_thresholds": null,
        "created": it.created,
        "current_period_end": it.period_end,
        "current_period_start": it.period_start,
        "discounts": [],
        "metadata": {},
        "plan": sold.map(|(product, price)| plan(product, price)),
        "price": sold.map(|(product, price)| self::price(product, price)),
        "quantity": it.quantity,
        "subscription": it.id,
        "tax_rates": [],
    });
    let object = json!({
        "id": it.id,
        "object": "subscription",
        "application": null,
        "application_fee_percent": null,
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
        "billing_cycle_anchor": it.anchor,
        "billing_cycle_anchor_config": null,
        "billing_mode": { "flexible": null, "type": "classic" },
        "billing_schedules": [],
        "billing_thresholds": null,
        "cancel_at": it.cancel_at_period_end.then_some(it.period_end),
        "cancel_at_period_end": it.cancel_at_period_end,
        "canceled_at": it.canceled_at,
        "cancellation_details": { "comment": null, "feedback": null, "reason": it.cancel_reason },
        "collection_method": "charge_automatically",
        "created": it.created,
        "currency": sold.map(|(_, price)| &price.currency),
        "customer": it.customer,
        "customer_account": null,
        "days_until_due": null,
        "default_payment_method": it.card,
        "default_source": null,
        "default_tax_rates": [],
        "description": it.description,
        "discounts": [],
        "ended_at": it.ended_at,
    });
    let rest = json!({
        "invoice_settings": {
            "account_tax_ids": null,
            "custom_fields": null,
            "description": null,
            "footer": null,
            "issuer": { "type": "self" },
        },
        "items": list(&format!("/v1/subscription_items?subscription={}", it.id), vec![item], false),
        "latest_invoice": it.latest_invoice,
        "livemode": false,
        "managed_payments": null,
        "metadata": it.metadata,
        "next_pending_invoice_item_invoice": null,
        "on_behalf_of": null,
        "pause_collection": null,
        "payment_settings": {
            "payment_method_options": null,
            "payment_method_types": null,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": null,
        "pending_setup_intent": null,
        "pending_update": null,
        "schedule": null,
        "start_date": it.created,
        "status": it.status.name(),
        "test_clock": null,
        "transfer_data": null,
        "trial_end": it.trial_end,
        "trial_settings": { "end_behavior": { "missing_payment_method": missing } },
        "trial_start": it.trial_start,
    });
    merged(object, rest)
}

pub(crate) fn invoice(ledger: &Ledger, it: &Invoice) -> Value {
    let open_or_draft = matches!(it.status, InvoiceStatus::Open | InvoiceStatus::Draft);
    let customer = ledger.customers.get(&it.customer);
    let finalized = it.finalized_at.is_some();
    let url = format!("{}/_stripe/invoices/{}", ledger.origin, it.id);
    let subscription = ledger.subscriptions.get(&it.subscription);
    let lines = it.lines.iter().enumerate().map(|(index, line)| line_item(ledger, it, index, line));
    let total = it.total();
    let object = json!({
        "id": it.id,
        "object": "invoice",
        "account_country": "US",
        "account_name": null,
        "account_tax_ids": null,
        "amount_due": it.amount_due(),
        "amount_overpaid": 0,
        "amount_paid": it.amount_paid(),
        "amount_remaining": it.amount_due() - it.amount_paid(),
        "amount_shipping": 0,
        "application": null,
        "attempt_count": it.attempts,
        "attempted": it.attempts > 0 || it.status == InvoiceStatus::Paid,
        "auto_advance": open_or_draft && (it.next_attempt.is_some() || it.finalizes_at.is_some()),
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null },
        "automatically_finalizes_at": it.finalizes_at,
        "billing_reason": it.reason.name(),
        "collection_method": "charge_automatically",
        "created": it.created,
        "currency": it.currency,
        "custom_fields": null,
        "customer": it.customer,
        "customer_account": null,
        "customer_address": null,
        "customer_email": customer.and_then(|customer| customer.email.as_ref()),
        "customer_name": customer.and_then(|customer| customer.name.as_ref()),
        "customer_phone": null,
        "customer_shipping": null,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": null,
        "default_source": null,
        "default_tax_rates": [],
        "description": null,
        "discounts": [],
        "due_date": null,
        "effective_at": it.finalized_at,
        "ending_balance": it.ending_balance,
        "footer": null,
        "from_invoice": null,
        "hosted_invoice_url": finalized.then_some(&url),
        "invoice_pdf": finalized.then(|| format!("{url}/print")),
    });
    let rest = json!({
        "issuer": { "type": "self" },
        "last_finalization_error": null,
        "latest_revision": null,
        "lines": list(&format!("/v1/invoices/{}/lines", it.id), lines.collect(), false),
        "livemode": false,
        "metadata": {},
        "next_payment_attempt": it.next_attempt.or(it.finalizes_at),
        "number": it.number,
        "on_behalf_of": null,
        "parent": {
            "quote_details": null,
            "subscription_details": {
                "metadata": subscription.map(|subscription| &subscription.metadata),
                "subscription": it.subscription,
            },
            "type": "subscription_details",
        },
        "payment_settings": {
            "default_mandate": null,
            "payment_method_options": null,
            "payment_method_types": null,
        },
        "period_end": it.period_end,
        "period_start": it.period_start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": null,
        "rendering": null,
        "shipping_cost": null,
        "shipping_details": null,
        "starting_balance": it.starting_balance,
        "statement_descriptor": null,
        "status": it.status.name(),
        "status_transitions": {
            "finalized_at": it.finalized_at,
            "marked_uncollectible_at": it.uncollectible_at,
            "paid_at": it.paid_at,
            "voided_at": it.voided_at,
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": null,
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": null,
    });
    merged(object, rest)
}

fn line_item(ledger: &Ledger, invoice: &Invoice, index: usize, line: &Line) -> Value {
    let sold = ledger.catalog.price(&line.price);
    json!({
        "id": format!("il_{}_{index}", invoice.id.trim_start_matches("in_")),
        "object": "line_item",
        "amount": line.amount,
        "currency": invoice.currency,
        "description": line.description,
        "discount_amounts": [],
        "discountable": !line.proration,
        "discounts": [],
        "invoice": invoice.id,
        "livemode": false,
        "metadata": {},
        "parent": {
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null,
                "proration": line.proration,
                "proration_details": { "credited_items": null },
                "subscription": invoice.subscription,
                "subscription_item": line.item,
            },
            "type": "subscription_item_details",
        },
        "period": { "end": line.period_end, "start": line.period_start },
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": { "price": line.price, "product": sold.map(|(product, _)| &product.id) },
            "type": "price_details",
            "unit_amount_decimal": sold.map(|(_, price)| price.unit_amount.to_string()),
        },
        "quantity": line.quantity,
        "quantity_decimal": line.quantity.to_string(),
        "subtotal": line.amount,
        "taxes": [],
    })
}

/// What `expand[]=payments` shows of a paid invoice.
pub(crate) fn payments(it: &Invoice) -> Value {
    let payment = it.payment.as_ref().map(|payment| {
        json!({
            "id": payment.id,
            "object": "invoice_payment",
            "amount_paid": it.amount_paid(),
            "amount_requested": it.amount_due(),
            "created": it.paid_at,
            "currency": it.currency,
            "invoice": it.id,
            "is_default": true,
            "livemode": false,
            "payment": { "payment_intent": payment.intent, "type": "payment_intent" },
            "status": "paid",
            "status_transitions": { "canceled_at": null, "paid_at": it.paid_at },
        })
    });
    list("/v1/invoice_payments", payment.into_iter().collect(), false)
}

pub(crate) fn checkout(ledger: &Ledger, it: &Checkout) -> Value {
    let order = &it.order;
    let amount =
        ledger.catalog.price(&order.price).map_or(0, |(_, price)| price.unit_amount * order.quantity);
    let trial = ledger.trial_end(it).is_some();
    let total = if trial { 0 } else { amount };
    let paid = match it.status {
        CheckoutStatus::Complete => {
            let due = it.invoice.as_ref().and_then(|invoice| ledger.invoices.get(invoice));
            if due.is_some_and(|invoice| invoice.total() == 0) { "no_payment_required" } else { "paid" }
        }
        CheckoutStatus::Open | CheckoutStatus::Expired if total == 0 && order.card_if_required => {
            "no_payment_required"
        }
        CheckoutStatus::Open | CheckoutStatus::Expired => "unpaid",
    };
    let email = it.customer.as_ref().and_then(|customer| ledger.customers.get(customer)?.email.clone());
    let email = email.or_else(|| order.customer_email.clone());
    let details = (it.status == CheckoutStatus::Complete || email.is_some()).then(|| {
        json!({
            "address": null,
            "business_name": null,
            "email": email,
            "individual_name": null,
            "name": null,
            "phone": null,
            "tax_exempt": "none",
            "tax_ids": null,
        })
    });
    let object = json!({
        "id": it.id,
        "object": "checkout.session",
        "adaptive_pricing": null,
        "after_expiration": null,
        "allow_promotion_codes": order.allow_promotion_codes,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "billing_address_collection": order.billing_address_collection,
        "cancel_url": order.cancel_url,
        "client_reference_id": order.client_reference_id,
        "client_secret": null,
        "collected_information": null,
        "consent": null,
        "consent_collection": null,
        "created": it.created,
        "currency": ledger.catalog.price(&order.price).map(|(_, price)| &price.currency),
        "currency_conversion": null,
        "custom_fields": [],
        "custom_text": { "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null },
        "customer": it.customer,
        "customer_account": null,
        "customer_creation": if order.customer.is_some() { None } else { Some("always") },
        "customer_details": details,
        "customer_email": order.customer_email,
        "discounts": [],
        "expires_at": it.expires_at,
        "integration_identifier": null,
        "invoice": it.invoice,
        "invoice_creation": null,
    });
    let rest = json!({
        "livemode": false,
        "locale": order.locale,
        "managed_payments": null,
        "metadata": order.metadata,
        "mode": "subscription",
        "origin_context": null,
        "payment_intent": null,
        "payment_link": null,
        "payment_method_collection": if order.card_if_required { "if_required" } else { "always" },
        "payment_method_configuration_details": null,
        "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
        "payment_method_types": ["card"],
        "payment_status": paid,
        "permissions": null,
        "phone_number_collection": { "enabled": false },
        "recovered_from": null,
        "saved_payment_method_options": { "allow_redisplay_filters": ["always"], "payment_method_remove": "disabled", "payment_method_save": null },
        "setup_intent": null,
        "shipping_address_collection": null,
        "shipping_cost": null,
        "shipping_options": [],
        "status": it.status.name(),
        "submit_type": null,
        "subscription": it.subscription,
        "success_url": order.success_url,
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
        "ui_mode": "hosted_page",
        "url": it.is_open().then(|| checkout_url(ledger, &it.id)),
        "wallet_options": null,
    });
    merged(object, rest)
}

/// Where a session is paid.
pub(crate) fn checkout_url(ledger: &Ledger, id: &str) -> String {
    format!("{}/_stripe/checkout/{id}", ledger.origin)
}

/// What a session is for, which `expand[]=line_items` shows.
pub(crate) fn checkout_items(ledger: &Ledger, it: &Checkout) -> Value {
    let item = ledger.catalog.price(&it.order.price).map(|(product, price)| {
        let amount = price.unit_amount * it.order.quantity;
        let total = if ledger.trial_end(it).is_some() { 0 } else { amount };
        json!({
            "id": format!("li_{}", &it.id[it.id.len() - 24..]),
            "object": "item",
            "adjustable_quantity": null,
            "amount_discount": 0,
            "amount_subtotal": total,
            "amount_tax": 0,
            "amount_total": total,
            "currency": price.currency,
            "description": product.name,
            "metadata": {},
            "price": self::price(product, price),
            "quantity": it.order.quantity,
        })
    });
    list(&format!("/v1/checkout/sessions/{}/line_items", it.id), item.into_iter().collect(), false)
}

pub(crate) fn portal(ledger: &Ledger, it: &Portal) -> Value {
    json!({
        "id": it.id,
        "object": "billing_portal.session",
        "configuration": "bpc_1simulatorsimulator1",
        "created": it.created,
        "customer": it.customer,
        "customer_account": null,
        "flow": null,
        "livemode": false,
        "locale": null,
        "on_behalf_of": null,
        "return_url": it.return_url,
        "url": format!("{}/_stripe/portal/{}", ledger.origin, it.id),
    })
}

pub(crate) fn refund(it: &Refund) -> Value {
    json!({
        "id": it.id,
        "object": "refund",
        "amount": it.amount,
        "balance_transaction": null,
        "charge": it.charge,
        "created": it.created,
        "currency": it.currency,
        "customer": null,
        "customer_account": null,
        "destination_details": { "card": { "type": "refund" }, "type": "card" },
        "metadata": it.metadata,
        "payment_intent": it.intent,
        "payment_method": null,
        "reason": it.reason,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    })
}

/// As a webhook sends it, and as the API answers it.
pub(crate) fn event(it: &Event, pending_webhooks: u32) -> Value {
    let mut data = Map::from_iter([("object".to_owned(), it.object.clone())]);
    if let Some(previous) = &it.previous {
        data.insert("previous_attributes".to_owned(), previous.clone());
    }
    let (request, key) = match &it.cause.request {
        Some((request, key)) => (Some(request), key.as_ref()),
        None => (None, None),
    };
    json!({
        "id": it.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": it.created,
        "data": data,
        "livemode": false,
        "pending_webhooks": pending_webhooks,
        "request": { "id": request, "idempotency_key": key },
        "type": it.kind,
    })
}

/// A page of a list.
pub(crate) fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": url })
}

/// An amount for people: `$12.00`, `12.00 EUR`, `1200 JPY`.
pub(crate) fn money(amount: i64, currency: &str) -> String {
    // https://docs.stripe.com/currencies#zero-decimal
    const WHOLE: [&str; 16] = [
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf",
        "xof", "xpf",
    ];
    let (sign, amount) = (if amount < 0 { "−" } else { "" }, amount.unsigned_abs());
    let number = if WHOLE.contains(&currency) {
        amount.to_string()
    } else {
        format!("{}.{:02}", amount / 100, amount % 100)
    };
    match currency {
        "usd" => format!("{sign}${number}"),
        _ => format!("{sign}{number} {}", currency.to_uppercase()),
    }
}

/// What a price costs, for people: `$12.00 a month`.
pub(crate) fn rate(catalog: &Catalog, id: &str) -> String {
    catalog.price(id).map_or_else(String::new, |(_, price)| {
        let interval = match price.interval {
            Interval::Month => "month",
            Interval::Year => "year",
        };
        format!("{} a {interval}", money(price.unit_amount, &price.currency))
    })
}

fn merged(object: Value, rest: Value) -> Value {
    let (Value::Object(mut object), Value::Object(rest)) = (object, rest) else {
        unreachable!("both are objects")
    };
    object.extend(rest);
    Value::Object(object)
}

#[cfg(test)]
mod tests;

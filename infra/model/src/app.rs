use crate::{
    App, Function, Grant, Limits, Parameter, Partition, QueueTrigger, Route, Schedule, StreamTrigger,
    StreamView, Subscription, Table, TableAction, Throttle, Topic, Trigger, Value,
};

/// The app.
pub const APP: App = App {
    name: "billion",
    functions: &[
        API,
        AUTH,
        BILLING,
        BILLING_WEBHOOK,
        BILLING_SYNC,
        BILLING_RECONCILE,
        PUBLISHER,
        EMAIL,
        SMS,
        SMS_NOTIFIER,
        SMS_INBOUND,
    ],
    routes: &[
        route("ANY", "/api/{proxy+}", "api", per_second(1_000)),
        route("ANY", "/api/auth/{proxy+}", "auth", per_second(500)),
        // Each of these costs a password hash or a mail.
        route("POST", "/api/auth/sign-up", "auth", per_second(50)),
        route("POST", "/api/auth/sign-in", "auth", per_second(100)),
        route("POST", "/api/auth/verification", "auth", per_second(50)),
        route("POST", "/api/auth/password/forgot", "auth", per_second(50)),
        route("ANY", "/api/billing/{proxy+}", "billing", per_second(200)),
        // Each of these costs calls to the payment provider, which has limits of its own.
        route("POST", "/api/billing/checkout", "billing", per_second(20)),
        route("POST", "/api/billing/portal", "billing", per_second(20)),
        route("GET", "/api/billing/invoices", "billing", per_second(20)),
        route("POST", "/api/billing/webhook", "billing-webhook", per_second(500)),
        route("ANY", "/api/sms/{proxy+}", "sms", per_second(100)),
        // Each of these may cost a text.
        route("PUT", "/api/sms/phone", "sms", per_second(20)),
        route("ANY", "$default", "api", per_second(100)),
    ],
    topics: &[Topic {
        name: "sms-inbound",
        purpose: "What people answer to texts, and what carriers say of them",
        consumers: &["sms-inbound"],
    }],
    subscriptions: &[
        tell("user.signed_up", &["email"]),
        tell("user.sign_up_repeated", &["email"]),
        tell("user.verification_requested", &["email"]),
        tell("user.verified", &["email"]),
        tell("user.renamed", &["billing-sync"]),
        tell("user.password_reset_requested", &["email"]),
        tell("user.password_changed", &["email", "sms-notifier"]),
        tell("user.email_change_requested", &["email"]),
        tell("user.email_changed", &["email", "sms-notifier", "billing-sync"]),
        tell("user.deleted", &["email"]),
        tell("workspace.deleted", &["billing-sync"]),
        tell("session.started", &["email", "sms-notifier"]),
        tell("session.ended", &[]),
        tell("billing.notified", &["billing-sync"]),
        tell("subscription.started", &["email"]),
        tell("subscription.changed", &["email"]),
        tell("subscription.trial_ending", &["email"]),
        tell("subscription.ended", &["email", "sms-notifier"]),
        tell("invoice.paid", &["email"]),
        tell("invoice.payment_failed", &["email", "sms-notifier"]),
        tell("phone.verification_requested", &["sms-notifier"]),
        tell("phone.added", &["email"]),
        tell("phone.removed", &["email"]),
        tell("texts.stopped", &[]),
        tell("texts.started", &[]),
        tell("user.preferences_changed", &[]),
    ],
    table: Table {
        partition_key: "pk",
        sort_key: "sk",
        ttl_attribute: "expires_at",
        stream: StreamView::NewImage,
        partitions: &[
            partition(
                "USER#",
                &[
                    "api",
                    "auth",
                    "billing",
                    "billing-sync",
                    "billing-reconcile",
                    "email",
                    "sms",
                    "sms-notifier",
                    "sms-inbound",
                ],
            ),
            partition("EMAIL#", &["auth", "email"]),
            partition(
                "WORKSPACE#",
                &["api", "auth", "billing", "billing-sync", "billing-reconcile", "email"],
            ),
            partition("CUSTOMER#", &["billing", "billing-webhook", "billing-sync", "billing-reconcile"]),
            partition("WEBHOOK#", &["billing-webhook"]),
            partition("SCHEDULE#", &["billing-reconcile"]),
            partition("EVENT#", &["email", "sms-notifier", "sms-inbound"]),
            partition("LIMIT#", &["auth", "billing", "email", "sms", "sms-notifier", "sms-inbound"]),
            partition("PHONE#", &["auth", "sms", "sms-notifier", "sms-inbound"]),
            partition("TEXT#", &["sms-notifier", "sms-inbound"]),
            partition("BREAKER#", &["sms", "sms-notifier"]),
            partition("DECOY#", &["auth"]),
            // Nothing is there: it is read to open a connection.
            partition(
                "WARM",
                &[
                    "auth",
                    "billing",
                    "billing-webhook",
                    "billing-sync",
                    "billing-reconcile",
                    "email",
                    "sms",
                    "sms-notifier",
                    "sms-inbound",
                ],
            ),
        ],
    },
    parameters: &[
        Parameter {
            name: "auth/signing-keys",
            secret: true,
            purpose: "Ed25519 private keys that sign tokens, as a JSON Web Key Set, the active one first",
        },
        Parameter {
            name: "auth/public-keys",
            secret: false,
            purpose: "Their public halves, as a JSON Web Key Set",
        },
        Parameter {
            name: "billing/stripe-secret-key",
            secret: true,
            purpose: "The secret key by which Stripe knows the app",
        },
        Parameter {
            name: "billing/webhook-secrets",
            secret: true,
            purpose: "What Stripe signs its webhooks with: a JSON array of one secret, or of two while one is replaced",
        },
        Parameter {
            name: "sms/code-key",
            secret: true,
            purpose: "The key of the hashes of codes to phones: 32 random bytes or more, as text",
        },
        Parameter {
            name: "unsubscribe/key",
            secret: true,
            purpose: "The key of what ends a kind of mail by one click: 32 random bytes or more, as text. \
                Links in mails that were sent are good for as long as it stays",
        },
    ],
    limits: Limits {
        request_body_bytes: 10 * 1024 * 1024,
        payload_bytes: 6 * 1024 * 1024,
        gateway_timeout_seconds: 29,
        account_concurrency: 1_000,
    },
};

const API: Function = Function {
    name: "api",
    package: "api",
    purpose: "API routing: health, configuration, the signed-in user, and every unmatched route",
    trigger: Trigger::Http,
    memory_mib: 256,
    timeout_seconds: 10,
    reserved_concurrency: None,
    environment: &[
        ("TABLE_NAME", Value::TableName),
        ("PUBLIC_ORIGIN", Value::PublicOrigin),
        ("PUBLIC_KEYS_PARAMETER", Value::ParameterName("auth/public-keys")),
        ("UNSUBSCRIBE_KEY_PARAMETER", Value::ParameterName("unsubscribe/key")),
    ],
    grants: &[
        Grant::Table(&[
            TableAction::GetItem,
            TableAction::Query,
            TableAction::UpdateItem,
            TableAction::PutItem,
            TableAction::ConditionCheckItem,
        ]),
        Grant::ReadParameter("auth/public-keys"),
        Grant::ReadParameter("unsubscribe/key"),
    ],
};

const AUTH: Function = Function {
    name: "auth",
    package: "auth",
    purpose: "Who you are: sign-up, verification, sign-in, sessions, passwords",
    trigger: Trigger::Http,
    // A password hash takes 19 MiB and one core's full attention.
    memory_mib: 1_769,
    timeout_seconds: 10,
    reserved_concurrency: Some(100),
    environment: &[
        ("TABLE_NAME", Value::TableName),
        ("PUBLIC_ORIGIN", Value::PublicOrigin),
        ("SIGNING_KEYS_PARAMETER", Value::ParameterName("auth/signing-keys")),
    ],
    grants: &[
        Grant::Table(&[
            TableAction::GetItem,
            TableAction::BatchGetItem,
            TableAction::Query,
            TableAction::PutItem,
            TableAction::UpdateItem,
            TableAction::DeleteItem,
            TableAction::ConditionCheckItem,
        ]),
        Grant::ReadParameter("auth/signing-keys"),
    ],
};

const BILLING: Function = Function {
    name: "billing",
    package: "billing",
    purpose: "What you pay: plans, subscription, checkout, portal, invoices",
    trigger: Trigger::Http,
    memory_mib: 512,
    // A call to the payment provider is tried three times, and a checkout takes several.
    timeout_seconds: 25,
    reserved_concurrency: None,
    environment: &[
        ("TABLE_NAME", Value::TableName),
        ("PUBLIC_ORIGIN", Value::PublicOrigin),
        ("PUBLIC_KEYS_PARAMETER", Value::ParameterName("auth/public-keys")),
        ("STRIPE_SECRET_KEY_PARAMETER", Value::ParameterName("billing/stripe-secret-key")),
    ],
    grants: &[
        Grant::Table(&[
            TableAction::GetItem,
            TableAction::BatchGetItem,
            TableAction::Query,
            TableAction::PutItem,
            TableAction::UpdateItem,
            TableAction::DeleteItem,
            TableAction::ConditionCheckItem,
        ]),
        Grant::ReadParameter("auth/public-keys"),
        Grant::ReadParameter("billing/stripe-secret-key"),
    ],
};

const BILLING_WEBHOOK: Function = Function {
    name: "billing-webhook",
    package: "billing",
    purpose: "What the payment provider tells is kept, once",
    trigger: Trigger::Http,
    memory_mib: 256,
    timeout_seconds: 10,
    reserved_concurrency: None,
    environment: &[
        ("TABLE_NAME", Value::TableName),
        ("WEBHOOK_SECRETS_PARAMETER", Value::ParameterName("billing/webhook-secrets")),
    ],
    grants: &[
        Grant::Table(&[TableAction::GetItem, TableAction::PutItem]),
        Grant::ReadParameter("billing/webhook-secrets"),
    ],
};

const BILLING_SYNC: Function = Function {
    name: "billing-sync",
    package: "billing",
    purpose: "What the payment provider told of is read from its ledger, and it is told who its customers are",
    trigger: Trigger::Queue(QueueTrigger {
        batch_size: 10,
        visibility_timeout_seconds: 180,
        max_receives: 5,
        // The payment provider takes a hundred calls a second from the whole app.
        max_concurrency: 5,
    }),
    memory_mib: 256,
    timeout_seconds: 30,
    reserved_concurrency: None,
    environment: &[
        ("TABLE_NAME", Value::TableName),
        ("STRIPE_SECRET_KEY_PARAMETER", Value::ParameterName("billing/stripe-secret-key")),
    ],
    grants: &[
        Grant::Table(&[
            TableAction::GetItem,
            TableAction::BatchGetItem,
            TableAction::Query,
            TableAction::PutItem,
            TableAction::UpdateItem,
        ]),
        Grant::ReadParameter("billing/stripe-secret-key"),
    ],
};

const BILLING_RECONCILE: Function = Function {
    name: "billing-reconcile",
    package: "billing",
    purpose: "All of the payment provider's ledger is compared with what is known of it",
    trigger: Trigger::Schedule(Schedule { every_minutes: 60 }),
    memory_mib: 256,
    // As much of the ledger as fits; the next run goes on.
    timeout_seconds: 300,
    reserved_concurrency: None,
    environment: &[
        ("TABLE_NAME", Value::TableName),
        ("STRIPE_SECRET_KEY_PARAMETER", Value::ParameterName("billing/stripe-secret-key")),
    ],
    grants: &[
        Grant::Table(&[
            TableAction::GetItem,
            TableAction::BatchGetItem,
            TableAction::PutItem,
            TableAction::UpdateItem,
            TableAction::DeleteItem,
        ]),
        Grant::ReadParameter("billing/stripe-secret-key"),
    ],
};

const PUBLISHER: Function = Function {
    name: "publisher",
    package: "publisher",
    purpose: "The table's stream becomes events on the bus",
    trigger: Trigger::Stream(StreamTrigger {
        sort_key_prefix: "EVENT#",
        batch_size: 100,
        retries: 5,
        bisect: true,
    }),
    memory_mib: 256,
    timeout_seconds: 15,
    reserved_concurrency: None,
    environment: &[("BUS_NAME", Value::BusName)],
    grants: &[Grant::PutEvents { source: "billion" }],
};

const EMAIL: Function = Function {
    name: "email",
    package: "email",
    purpose: "Domain events become mail",
    trigger: Trigger::Queue(QueueTrigger {
        batch_size: 10,
        visibility_timeout_seconds: 90,
        max_receives: 5,
        max_concurrency: 10,
    }),
    memory_mib: 256,
    timeout_seconds: 15,
    reserved_concurrency: None,
    environment: &[
        ("TABLE_NAME", Value::TableName),
        ("PUBLIC_ORIGIN", Value::PublicOrigin),
        ("MAIL_FROM", Value::MailFrom),
        ("MAIL_BUDGET_PER_HOUR", Value::Text("2000")),
        ("UNSUBSCRIBE_KEY_PARAMETER", Value::ParameterName("unsubscribe/key")),
    ],
    grants: &[
        Grant::Table(&[
            TableAction::GetItem,
            TableAction::BatchGetItem,
            TableAction::PutItem,
            TableAction::UpdateItem,
            TableAction::DeleteItem,
        ]),
        Grant::SendEmail,
        Grant::ReadParameter("unsubscribe/key"),
    ],
};

/// Where texts go. Each country has prices and rules of its own: look at both before one is added.
const SMS_COUNTRIES: Value = Value::Text("AT,CA,CH,DE,ES,FR,GB,IE,IT,NL,US");

/// The most texts in an hour, whoever sends them. A text costs between half a cent and ten.
const SMS_BUDGET_PER_HOUR: Value = Value::Text("1000");

const SMS: Function = Function {
    name: "sms",
    package: "sms",
    purpose: "A user’s phone: given, shown to be theirs by a code, taken away",
    trigger: Trigger::Http,
    memory_mib: 256,
    timeout_seconds: 10,
    reserved_concurrency: None,
    environment: &[
        ("TABLE_NAME", Value::TableName),
        ("PUBLIC_ORIGIN", Value::PublicOrigin),
        ("PUBLIC_KEYS_PARAMETER", Value::ParameterName("auth/public-keys")),
        ("CODE_KEY_PARAMETER", Value::ParameterName("sms/code-key")),
        ("SMS_COUNTRIES", SMS_COUNTRIES),
        ("SMS_CODES_PER_HOUR", Value::Text("300")),
        ("SMS_CODES_PER_HOUR_AND_COUNTRY", Value::Text("100")),
    ],
    grants: &[
        Grant::Table(&[
            TableAction::GetItem,
            TableAction::PutItem,
            TableAction::UpdateItem,
            TableAction::DeleteItem,
            TableAction::ConditionCheckItem,
        ]),
        Grant::ReadParameter("auth/public-keys"),
        Grant::ReadParameter("sms/code-key"),
    ],
};

const SMS_NOTIFIER: Function = Function {
    name: "sms-notifier",
    package: "sms",
    purpose: "Domain events become texts, and codes are sent",
    trigger: Trigger::Queue(QueueTrigger {
        batch_size: 10,
        visibility_timeout_seconds: 90,
        max_receives: 5,
        max_concurrency: 10,
    }),
    memory_mib: 256,
    timeout_seconds: 15,
    reserved_concurrency: None,
    environment: &[
        ("TABLE_NAME", Value::TableName),
        ("PUBLIC_ORIGIN", Value::PublicOrigin),
        ("APP_NAME", Value::Text("Billion")),
        ("CODE_KEY_PARAMETER", Value::ParameterName("sms/code-key")),
        ("SMS_COUNTRIES", SMS_COUNTRIES),
        ("SMS_BUDGET_PER_HOUR", SMS_BUDGET_PER_HOUR),
    ],
    grants: &[
        Grant::Table(&[TableAction::GetItem, TableAction::UpdateItem]),
        Grant::ReadParameter("sms/code-key"),
        Grant::SendText,
    ],
};

const SMS_INBOUND: Function = Function {
    name: "sms-inbound",
    package: "sms",
    purpose: "What people answer to texts, STOP above all, and what carriers say of them",
    trigger: Trigger::Queue(QueueTrigger {
        batch_size: 10,
        visibility_timeout_seconds: 90,
        max_receives: 5,
        max_concurrency: 5,
    }),
    memory_mib: 256,
    timeout_seconds: 15,
    reserved_concurrency: None,
    environment: &[
        ("TABLE_NAME", Value::TableName),
        ("PUBLIC_ORIGIN", Value::PublicOrigin),
        ("APP_NAME", Value::Text("Billion")),
        ("SMS_BUDGET_PER_HOUR", SMS_BUDGET_PER_HOUR),
    ],
    grants: &[
        Grant::Table(&[TableAction::GetItem, TableAction::PutItem, TableAction::UpdateItem]),
        Grant::SendText,
    ],
};

const fn route(
    method: &'static str,
    path: &'static str,
    function: &'static str,
    throttle: Throttle,
) -> Route {
    Route { method, path, function, throttle }
}

const fn per_second(rate: u32) -> Throttle {
    Throttle { rate, burst: rate * 2 }
}

const fn partition(prefix: &'static str, functions: &'static [&'static str]) -> Partition {
    Partition { prefix, functions }
}

const fn tell(event: &'static str, consumers: &'static [&'static str]) -> Subscription {
    Subscription { event, consumers }
}

use crate::{
    App, Function, Grant, Limits, Parameter, Partition, QueueTrigger, Route, StreamTrigger, StreamView,
    Subscription, Table, TableAction, Throttle, Trigger, Value,
};

/// The app.
pub const APP: App = App {
    name: "billion",
    functions: &[API, AUTH, PUBLISHER, EMAIL],
    routes: &[
        route("ANY", "/api/{proxy+}", "api", per_second(1_000)),
        route("ANY", "/api/auth/{proxy+}", "auth", per_second(500)),
        // Each of these costs a password hash or a mail.
        route("POST", "/api/auth/sign-up", "auth", per_second(50)),
        route("POST", "/api/auth/sign-in", "auth", per_second(100)),
        route("POST", "/api/auth/verification", "auth", per_second(50)),
        route("POST", "/api/auth/password/forgot", "auth", per_second(50)),
        route("ANY", "$default", "api", per_second(100)),
    ],
    topics: &[],
    subscriptions: &[
        tell("user.signed_up", &["email"]),
        tell("user.sign_up_repeated", &["email"]),
        tell("user.verification_requested", &["email"]),
        tell("user.verified", &["email"]),
        tell("user.renamed", &[]),
        tell("user.password_reset_requested", &["email"]),
        tell("user.password_changed", &["email"]),
        tell("user.email_change_requested", &["email"]),
        tell("user.email_changed", &["email"]),
        tell("session.started", &["email"]),
        tell("session.ended", &[]),
        tell("billing.notified", &[]),
        tell("subscription.started", &["email"]),
        tell("subscription.changed", &["email"]),
        tell("subscription.trial_ending", &["email"]),
        tell("subscription.ended", &["email"]),
        tell("invoice.paid", &["email"]),
        tell("invoice.payment_failed", &["email"]),
        tell("phone.verification_requested", &[]),
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
            partition("USER#", &["api", "auth", "email"]),
            partition("EMAIL#", &["auth", "email"]),
            partition("WORKSPACE#", &["auth"]),
            partition("EVENT#", &["email"]),
            partition("LIMIT#", &["auth", "email"]),
            partition("DECOY#", &["auth"]),
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
    ],
    grants: &[
        Grant::Table(&[TableAction::Query, TableAction::UpdateItem, TableAction::PutItem]),
        Grant::ReadParameter("auth/public-keys"),
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

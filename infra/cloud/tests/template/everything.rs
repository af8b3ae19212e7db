//! An app that uses all that a model can say, so that what the real one does not use yet is held to the same rules.

use infra_model::{
    APP, App, Function, Grant, Partition, QueueTrigger, Schedule, Table, TableAction, Topic, Trigger, Value,
};

const FUNCTIONS: &[Function] = &[
    Function {
        name: "pigeon",
        package: "pigeon",
        purpose: "Sends texts, and hears what becomes of them",
        trigger: Trigger::Queue(QueueTrigger {
            batch_size: 10,
            visibility_timeout_seconds: 90,
            max_receives: 5,
            max_concurrency: 10,
        }),
        memory_mib: 256,
        timeout_seconds: 15,
        reserved_concurrency: None,
        environment: &[("TABLE_NAME", Value::TableName), ("BUS_NAME", Value::BusName)],
        grants: &[Grant::SendText, Grant::Table(&[TableAction::UpdateItem])],
    },
    Function {
        name: "janitor",
        package: "pigeon",
        purpose: "Looks for what was lost",
        trigger: Trigger::Schedule(Schedule { every_minutes: 15 }),
        memory_mib: 128,
        timeout_seconds: 60,
        reserved_concurrency: Some(1),
        environment: &[("BUS_NAME", Value::BusName)],
        grants: &[Grant::PutEvents { source: "billion" }],
    },
];

const TOPICS: &[Topic] = &[
    Topic { name: "pigeon-post", purpose: "Texts that people send", consumers: &["pigeon"] },
    Topic { name: "mail-feedback", purpose: "What becomes of mail", consumers: &["email"] },
];

pub(crate) fn app() -> App {
    let partitions =
        [APP.table.partitions, &[Partition { prefix: "PIGEON#", functions: &["pigeon"] }]].concat();
    App {
        functions: leak([APP.functions, FUNCTIONS].concat()),
        topics: TOPICS,
        table: Table { partitions: leak(partitions), ..APP.table },
        ..APP
    }
}

/// Models are constants; a test's may stay until it ends.
pub(crate) fn leak<T>(list: Vec<T>) -> &'static [T] {
    Box::leak(list.into_boxed_slice())
}

//! The parts of the function that reads the ledger when it is told to, put together.

use billing::{LedgerConfig, Sync};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let sync = Sync::new(&LedgerConfig::from_env()?);
    sync.warm();
    shared::queue::run(move |event| {
        let sync = sync.clone();
        async move { sync.handle(event).await }
    })
    .await
}

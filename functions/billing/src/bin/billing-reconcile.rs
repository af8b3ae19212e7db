//! The parts of the function that walks through the ledger, put together.

use billing::{LedgerConfig, Sync};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let sync = Sync::new(&LedgerConfig::from_env()?);
    sync.warm();
    billing::run_reconcile(sync).await
}

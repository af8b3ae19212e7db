//! The parts of sms-inbound, put together.

use sms::inbound::{self, Config, Inbound};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let inbound = Inbound::new(&Config::from_env()?);
    inbound.warm();
    inbound::run(inbound).await
}

//! The publisher's parts, put together.

use publisher::{Bus, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let config = Config::from_env()?;
    let bus = Bus::new(&config.aws, config.bus_name);
    shared::aws::warm(bus.clone().warm());
    publisher::run(bus).await
}

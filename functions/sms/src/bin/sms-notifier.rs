//! The parts of sms-notifier, put together.

use sms::notifier::{self, Config, Notifier};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let notifier = Notifier::new(&Config::from_env()?);
    notifier.warm();
    notifier::run(notifier).await
}

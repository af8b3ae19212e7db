//! The parts of the function that hears the payment provider, put together.

use billing::{WebhookConfig, Webhooks};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    let webhooks = Webhooks::new(&WebhookConfig::from_env()?);
    webhooks.warm();
    shared::http::run(billing::webhook_router(webhooks)).await
}

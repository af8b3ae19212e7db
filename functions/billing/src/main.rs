//! The billing function's parts, put together.

use billing::{Billing, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    let billing = Billing::new(&Config::from_env()?);
    billing.warm();
    shared::http::run(billing::router(billing)).await
}

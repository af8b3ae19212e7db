//! The sms function's parts, put together.

use sms::routes::{self, Config, Sms};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    let sms = Sms::new(&Config::from_env()?);
    sms.warm();
    shared::http::run(routes::router(sms)).await
}

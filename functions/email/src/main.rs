//! The email function's parts, put together.

use email::{Config, Email};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let email = Email::new(Config::from_env()?);
    email.warm();
    email::run(email).await
}

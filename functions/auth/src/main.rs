//! The auth function's parts, put together.

use auth::{Auth, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    let auth = Auth::new(&Config::from_env()?);
    auth.warm();
    shared::http::run(auth::router(auth)).await
}

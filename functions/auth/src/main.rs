//! The auth function's parts, put together.

use auth::{Auth, Config};
use shared::password;
use tokio::runtime;

fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    // A thread that has hashed a password keeps the 19 MiB that it took: no more of them than hash at once.
    let hashes = password::cores();
    let runtime = runtime::Builder::new_current_thread().enable_all().max_blocking_threads(hashes).build()?;
    runtime.block_on(async {
        let auth = Auth::new(&Config::from_env()?);
        auth.warm();
        shared::http::run(auth::router(auth)).await
    })
}

//! The auth function's parts, put together.

use std::num::NonZero;
use std::thread;

use auth::{Auth, Config};
use tokio::runtime;

fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    // A thread that has hashed a password keeps the 19 MiB that it took: no more of them than hash at once.
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = runtime::Builder::new_current_thread().enable_all().max_blocking_threads(cores).build()?;
    runtime.block_on(async {
        let auth = Auth::new(&Config::from_env()?);
        auth.warm();
        shared::http::run(auth::router(auth)).await
    })
}

//! A warm request, handed to the function directly and sent through the platform's front door.

use std::net::Ipv4Addr;

use crate::Result;
use crate::account::{Account, post};
use crate::event::Event;
use crate::functions::Functions;
use crate::instance::{Answer, Instance};
use crate::platform::Platform;
use crate::process;
use crate::report::{Section, Unit};
use crate::samples::Samples;

/// What the platform may add to the function's own time.
const LIMIT_MS: f64 = 1.0;

const WARM_UP: u32 = 20;

/// Requests are quick: more of them are made than of anything else.
const REQUESTS_A_ROUND: u32 = 5;

pub(crate) fn measure(
    platform: &Platform,
    functions: &Functions,
    account: &Account,
    rounds: u32,
    section: &mut Section,
) -> Result<()> {
    let mut connection = platform.connect()?;
    let signed_in = post(platform, &mut connection, "/api/auth/sign-in", &[], Some(&account.credentials()))?
        .expect(200)?;
    let cookies = signed_in.headers.all("set-cookie").filter_map(|cookie| cookie.split(';').next());
    let cookies: Vec<_> =
        cookies.filter(|cookie| cookie.starts_with("__Host-access=")).map(str::to_owned).collect();
    let get = |path: &'static str| {
        let client = Ipv4Addr::LOCALHOST;
        Event { method: "GET", path, origin: &platform.origin, client, cookies: &cookies, body: None }
            .to_json()
    };
    let (health, me) = (get("/api/health"), get("/api/me"));
    let mut api = Instance::start(functions.own("api"))?;
    let cookie = cookies.join("; ");

    let [mut own, mut through, mut added, mut who] = <[Samples; 4]>::default();
    for round in 0..WARM_UP + rounds * REQUESTS_A_ROUND {
        if round % REQUESTS_A_ROUND == 0 {
            platform.settle()?;
        }
        let directly = expect_ok(api.request(&health)?)?.took;
        let began = std::time::Instant::now();
        connection.send("GET", "/api/health", &[("cookie", &cookie)], b"")?.expect(200)?;
        let by_platform = began.elapsed();
        let signed_in = expect_ok(api.request(&me)?)?.took;
        if round >= WARM_UP {
            own.push_time(directly);
            through.push_time(by_platform);
            added.push((by_platform.as_secs_f64() - directly.as_secs_f64()) * 1e3);
            who.push_time(signed_in);
        }
    }
    section.samples("`GET /api/health`, the function itself", Unit::Milliseconds, &own, None);
    section.samples("`GET /api/health`, through the platform", Unit::Milliseconds, &through, None);
    section.samples("what the platform adds", Unit::Milliseconds, &added, Some(LIMIT_MS));
    section.samples("`GET /api/me`, signed in, the function itself", Unit::Milliseconds, &who, None);
    let (now, most) = process::memory_mib(api.pid())?;
    section.value("resident memory of `api`, now", Unit::Mebibytes, now, None);
    section.value("resident memory of `api`, most", Unit::Mebibytes, most, None);
    let (now, most) = platform.memory_mib()?;
    section.value("resident memory of the platform, now", Unit::Mebibytes, now, None);
    section.value("resident memory of the platform, most", Unit::Mebibytes, most, None);
    Ok(())
}

fn expect_ok(answer: Answer) -> Result<Answer> {
    if answer.status == 200 {
        return Ok(answer);
    }
    Err(format!("the function answered {}: {}", answer.status, answer.body).into())
}

//! Cold starts: until a function can take its first invocation, and until the first sign-in is answered.

use std::iter;

use crate::Result;
use crate::account::Account;
use crate::functions::Functions;
use crate::instance::Instance;
use crate::measure::sign_in::SignIns;
use crate::platform::Platform;
use crate::report::{Report, Unit};
use crate::samples::Samples;

/// Compared with a function that does nothing.
const LIMIT_TIMES: f64 = 1.5;

/// For what carries the payment provider's types.
const LIMIT_TIMES_BILLING: f64 = 2.0;

pub(crate) fn measure(
    platform: &Platform,
    functions: &Functions,
    account: &Account,
    rounds: u32,
    report: &mut Report,
) -> Result<()> {
    let Functions { hello, own, node } = functions;
    let all: Vec<_> = iter::once(hello).chain(own).chain(iter::once(node)).collect();
    let mut inits = vec![Samples::default(); all.len()];
    let mut cpu = vec![Samples::default(); all.len()];
    let mut sign_ins: [Samples; 2] = Default::default();
    let mut requests = SignIns::new(platform, account);
    for round in 0..rounds as usize {
        // Each round begins elsewhere, so that none always comes after the same one.
        for turn in 0..all.len() {
            let which = (round + turn) % all.len();
            platform.settle()?;
            let instance = Instance::start(all[which])?;
            inits[which].push_time(instance.init());
            cpu[which].push_time(instance.cpu()?);
        }
        for (function, samples) in [functions.own("auth"), node].into_iter().zip(&mut sign_ins) {
            platform.settle()?;
            let mut instance = Instance::start(function)?;
            let answer = instance.request(&requests.right())?;
            requests.check(&answer, 200)?;
            samples.push_time(answer.since_start);
        }
    }

    let section = report.section("Cold start: exec → first `next`");
    for (function, samples) in all.iter().zip(&inits) {
        section.samples(format!("`{}`", function.name), Unit::Milliseconds, samples, None);
    }
    let least = inits[0].median();
    for (function, samples) in all.iter().zip(&inits).skip(1) {
        let limit = infra_model::APP.functions.iter().find(|known| known.name == function.name);
        let limit =
            limit.map(|known| if known.package == "billing" { LIMIT_TIMES_BILLING } else { LIMIT_TIMES });
        let what = format!("`{}` ÷ `hello`", function.name);
        section.value(what, Unit::Times, samples.median() / least, limit);
    }
    for (function, samples) in all.iter().zip(&cpu) {
        section.samples(format!("`{}`, CPU", function.name), Unit::Milliseconds, samples, None);
    }
    let [rust, javascript] = &sign_ins;
    let section = report.section("Cold sign-in: exec → whole answer");
    section.samples("`auth`", Unit::Milliseconds, rust, None);
    section.samples("Node.js", Unit::Milliseconds, javascript, None);
    section.value("Node.js ÷ `auth`", Unit::Times, javascript.median() / rust.median(), None);
    Ok(())
}

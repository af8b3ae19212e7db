//! Sign-in: Rust and Node.js, its CPU time against that of the hash in it, known and unknown addresses.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::Result;
use crate::account::Account;
use crate::binaries::Workspace;
use crate::event::Event;
use crate::functions::Functions;
use crate::instance::{Answer, Instance};
use crate::platform::Platform;
use crate::process;
use crate::pure_hash::PureHash;
use crate::report::{Report, Unit};
use crate::samples::Samples;

/// CPU time of a sign-in, compared with that of its hash alone.
const CPU_LIMIT_TIMES: f64 = 1.15;

/// Enough for V8 to have compiled what it will.
const WARM_UP: u32 = 50;

/// An account takes a hundred wrong passwords an hour from strangers.
const MOST_WRONG_PASSWORDS: u32 = 90;

/// Requests to sign in.
pub(crate) struct SignIns<'a> {
    origin: &'a str,
    account: &'a Account,
    /// The cookie by which the device is known, once there is one.
    device: Vec<String>,
    clients: u16,
}

impl<'a> SignIns<'a> {
    pub(crate) fn new(platform: &'a Platform, account: &'a Account) -> Self {
        Self { origin: &platform.origin, account, device: Vec::new(), clients: 0 }
    }

    /// With the right password, from a device that has signed in before, if one has.
    pub(crate) fn right(&mut self) -> Value {
        let body = self.account.credentials();
        let device = std::mem::take(&mut self.device);
        let event = self.event(body, &device);
        self.device = device;
        event
    }

    /// With a wrong password to this address, from where nobody has signed in.
    fn wrong(&mut self, email: &str) -> Value {
        self.event(json!({ "email": email, "password": "orbit velvet canyon eight" }), &[])
    }

    /// Each from another client, so that no limit is met: the block of addresses is the one for benchmarks.
    fn event(&mut self, body: Value, cookies: &[String]) -> Value {
        self.clients += 1;
        let [high, low] = self.clients.to_be_bytes();
        let client = Ipv4Addr::new(198, 18, high, low);
        let origin = self.origin;
        let event =
            Event { method: "POST", path: "/api/auth/sign-in", origin, client, cookies, body: Some(body) };
        event.to_json()
    }

    /// Checks that the answer is what it must be, and takes the device's cookie.
    pub(crate) fn check(&mut self, answer: &Answer, status: u64) -> Result<()> {
        if answer.status != status {
            return Err(format!("a sign-in was answered {}: {}", answer.status, answer.body).into());
        }
        if let Some(device) = answer.cookies.iter().find(|cookie| cookie.starts_with("__Host-device=")) {
            self.device = vec![device.clone()];
        }
        Ok(())
    }
}

#[derive(Default)]
struct Measured {
    wall: Samples,
    cpu: Samples,
}

pub(crate) fn measure(
    workspace: &Workspace,
    platform: &Platform,
    functions: &Functions,
    account: &Account,
    rounds: u32,
    report: &mut Report,
) -> Result<()> {
    let mut requests = SignIns::new(platform, account);
    let mut auth = Instance::start(functions.own("auth"))?;
    let mut node = Instance::start(&functions.node)?;
    let mut pure_hash = PureHash::start(&workspace.binary("hash"))?;
    for _ in 0..WARM_UP {
        for instance in [&mut auth, &mut node] {
            let answer = instance.request(&requests.right())?;
            requests.check(&answer, 200)?;
        }
        pure_hash.check()?;
    }

    let [mut rust, mut javascript, mut hash, mut known, mut unknown]: [Measured; 5] = Default::default();
    for round in 0..rounds {
        for (instance, measured) in [(&mut auth, &mut rust), (&mut node, &mut javascript)] {
            let answer = measured.request(platform, instance, &requests.right())?;
            requests.check(&answer, 200)?;
        }
        platform.settle()?;
        let (wall, cpu) = pure_hash.check()?;
        hash.wall.push_time(wall);
        hash.cpu.push_time(cpu);
        if round < MOST_WRONG_PASSWORDS {
            for (email, measured) in
                [(account.email.as_str(), &mut known), ("nobody.benchmark@mailbox.example", &mut unknown)]
            {
                let answer = measured.request(platform, &mut auth, &requests.wrong(email))?;
                requests.check(&answer, 401)?;
            }
        }
    }

    let section = report.section("Warm sign-in");
    section.samples("`auth`", Unit::Milliseconds, &rust.wall, None);
    section.samples("Node.js", Unit::Milliseconds, &javascript.wall, None);
    section.value("Node.js ÷ `auth`", Unit::Times, javascript.wall.median() / rust.wall.median(), None);
    section.samples("the argon2 hash alone", Unit::Milliseconds, &hash.wall, None);
    section.samples("`auth`, CPU", Unit::Milliseconds, &rust.cpu, None);
    section.samples("Node.js, CPU", Unit::Milliseconds, &javascript.cpu, None);
    section.samples("the argon2 hash alone, CPU", Unit::Milliseconds, &hash.cpu, None);
    let ratio = rust.cpu.median() / hash.cpu.median();
    section.value("`auth` ÷ the hash alone, CPU", Unit::Times, ratio, Some(CPU_LIMIT_TIMES));

    let section = report.section("A wrong password: does the address have an account?");
    section.samples("known address", Unit::Milliseconds, &known.wall, None);
    section.samples("unknown address", Unit::Milliseconds, &unknown.wall, None);
    section.value("known ÷ unknown", Unit::Times, known.wall.median() / unknown.wall.median(), None);
    section.value("known ÷ unknown, CPU", Unit::Times, known.cpu.median() / unknown.cpu.median(), None);

    let section = report.section("Resident memory after these sign-ins: now, and the most there was");
    for (name, pid) in [("`auth`", auth.pid()), ("Node.js", node.pid())] {
        let (now, most) = process::memory_mib(pid)?;
        section.value(format!("{name}, now"), Unit::Mebibytes, now, None);
        section.value(format!("{name}, most"), Unit::Mebibytes, most, None);
    }
    Ok(())
}

impl Measured {
    /// The CPU time is counted until the instance waits again, so what it does after its answer is in it.
    fn request(&mut self, platform: &Platform, instance: &mut Instance, event: &Value) -> Result<Answer> {
        platform.settle()?;
        let before = instance.cpu()?;
        let answer = instance.request(event)?;
        self.wall.push_time(answer.took);
        self.cpu.push_time(instance.cpu()? - before);
        Ok(answer)
    }
}

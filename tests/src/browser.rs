//! A real browser: Chromium, driven as a person would use it, and watched for what goes wrong in it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::common::log::LoggingPrefsLogLevel;
use thirtyfour::{BrowserLogEntry, By, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver, WebElement};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::platform::programs;
use crate::wait::until;

/// One at a time: a browser by itself keeps two cores busy.
static BROWSERS: Semaphore = Semaphore::const_new(1);

/// The key Tab, as WebDriver codes it.
pub const TAB: &str = "\u{e004}";

/// The key Enter.
pub const ENTER: &str = "\u{e007}";

/// The space bar.
pub const SPACE: &str = "\u{e00d}";

/// How long a script in the page may take.
const SCRIPT: Duration = Duration::from_secs(30);

/// A browser with one window. It ends with this value.
#[derive(Debug)]
pub struct Browser {
    driver: Option<WebDriver>,
    server: Child,
    profile: TempDir,
    _permit: SemaphorePermit<'static>,
}

/// Something that axe finds hard to use.
#[derive(Debug, Deserialize)]
pub struct Violation {
    /// The rule.
    pub id: String,
    /// What it asks for.
    pub help: String,
    /// Where it is broken, as HTML.
    pub nodes: Vec<String>,
}

impl Browser {
    /// A browser with a new profile.
    ///
    /// # Panics
    ///
    /// If Chromium or ChromeDriver is missing, or does not start.
    pub async fn start() -> Self {
        let permit = BROWSERS.acquire().await.expect("it is never closed");
        let profile = TempDir::new().expect("a temporary directory");
        let (server, port) = start_server();
        let mut capabilities = DesiredCapabilities::chrome();
        let set_up = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ]
        .iter()
        .try_for_each(|argument| capabilities.add_arg(argument))
        .and_then(|()| capabilities.set_binary(&in_path("chromium").to_string_lossy()))
        .and_then(|()| capabilities.set_browser_log_level(LoggingPrefsLogLevel::All));
        set_up.expect("capabilities");
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await;
        let driver = driver.expect("Chromium starts");
        driver.set_script_timeout(SCRIPT).await.expect("a timeout");
        Self { driver: Some(driver), server, profile, _permit: permit }
    }

    /// The driver, for what is done only once.
    #[must_use]
    pub fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("it is there until the end")
    }

    /// Goes to an address.
    ///
    /// # Panics
    ///
    /// If it cannot be loaded.
    pub async fn open(&self, url: &str) {
        self.driver().goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// The address of the page, after its origin.
    pub async fn path(&self) -> String {
        let url = self.driver().current_url().await.expect("an address").to_string();
        let after_scheme = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        after_scheme.find('/').map_or_else(String::new, |start| after_scheme[start..].to_owned())
    }

    /// Waits until the page of this path is open.
    pub async fn wait_for_path(&self, path: &str) {
        until(&format!("the page {path}"), async || (self.path().await == path).then_some(())).await;
    }

    /// The first visible element of this selector, once there is one.
    pub async fn see(&self, css: &str) -> WebElement {
        until(&format!("{css} to be seen"), async || {
            for element in self.driver().find_all(By::Css(css)).await.ok()? {
                if element.is_displayed().await.unwrap_or_default() {
                    return Some(element);
                }
            }
            None
        })
        .await
    }

    /// Waits until the page shows this text.
    pub async fn see_text(&self, text: &str) {
        let mut shown = String::new();
        let found = tokio::time::timeout(crate::wait::SOON, async {
            loop {
                if let Ok(body) = self.driver().find(By::Css("body")).await {
                    shown = body.text().await.unwrap_or_default();
                }
                if shown.contains(text) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let path = self.path().await;
        assert!(found.is_ok(), "{path} does not show {text:?} but:\n{shown}");
    }

    /// Types into the visible field of this name, in place of what it holds.
    ///
    /// # Panics
    ///
    /// If it cannot be typed into.
    pub async fn fill(&self, name: &str, value: &str) {
        let field = self.see(&format!("input[name=\"{name}\"]:not([aria-hidden])")).await;
        field.clear().await.expect("it can be emptied");
        field.send_keys(value).await.expect("it can be typed into");
    }

    /// Clicks the visible, enabled button or link with this text.
    pub async fn press(&self, label: &str) {
        until(&format!("{label:?} to be pressed"), async || {
            for element in self.driver().find_all(By::Css("button, a[href]")).await.ok()? {
                let is_it = element.text().await.is_ok_and(|text| text.trim() == label);
                if is_it && element.is_clickable().await.unwrap_or_default() {
                    return element.click().await.ok();
                }
            }
            None
        })
        .await;
    }

    /// Presses keys, wherever the focus is.
    ///
    /// # Panics
    ///
    /// If that is not possible.
    pub async fn keys(&self, keys: &str) {
        let chain = self.driver().action_chain().send_keys(keys);
        chain.perform().await.expect("keys can be pressed");
    }

    /// Presses Tab until the focus is on an element of this selector.
    ///
    /// # Panics
    ///
    /// If it never gets there.
    pub async fn tab_to(&self, css: &str) {
        for _ in 0..60 {
            self.keys(TAB).await;
            let is_there = self
                .script("return document.activeElement?.matches(arguments[0]) ?? false", vec![json!(css)]);
            if is_there.await == Value::Bool(true) {
                return;
            }
        }
        panic!("the keyboard does not get to {css}");
    }

    /// Runs a script in the page.
    ///
    /// # Panics
    ///
    /// If it throws.
    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        let result = self.driver().execute(script, arguments).await;
        result.unwrap_or_else(|error| panic!("{script:.200}: {error}")).json().clone()
    }

    /// Sends a command of the Chrome DevTools Protocol.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub async fn command(&self, name: &str, parameters: Value) -> Value {
        let answer = self.driver().cdp().send_raw(name, parameters).await;
        answer.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Shows pages in the dark or in the light from now on.
    pub async fn set_dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": value });
        self.command("Emulation.setEmulatedMedia", json!({ "features": [feature] })).await;
    }

    /// Makes the window so wide, in CSS pixels.
    pub async fn set_width(&self, width: u32) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Cuts the network, or joins it again.
    pub async fn set_offline(&self, offline: bool) {
        let conditions =
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.command("Network.enable", json!({})).await;
        self.command("Network.emulateNetworkConditions", conditions).await;
    }

    /// What axe finds wrong with the page as it is now.
    ///
    /// # Panics
    ///
    /// If axe is missing or fails.
    pub async fn axe(&self) -> Vec<Violation> {
        let path = programs().parent().expect("target").join("axe-core/axe.min.js");
        let axe = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}: use tests/run", path.display()));
        self.script(&axe, Vec::new()).await;
        let found = self
            .driver()
            .execute_async(
                "const done = arguments[0];
                const rules = { 'label-content-name-mismatch': { enabled: true } };
                axe.run(document, { resultTypes: ['violations'], rules }).then(
                    ({ violations }) => done(violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => node.html) }))),
                    (error) => done(String(error)),
                );",
                Vec::new(),
            )
            .await
            .expect("axe runs");
        let found = found.json().clone();
        serde_json::from_value(found.clone()).unwrap_or_else(|_| panic!("axe failed: {found}"))
    }

    /// How much of the page has moved by itself since it was opened, as Web Vitals counts it: below 0.1 is good.
    ///
    /// # Panics
    ///
    /// If the browser does not say.
    pub async fn layout_shift(&self) -> f64 {
        let shift = self
            .driver()
            .execute_async(
                "const done = arguments[0];
                let sum = 0;
                const observer = new PerformanceObserver(() => {});
                observer.observe({ type: 'layout-shift', buffered: true });
                requestAnimationFrame(() => requestAnimationFrame(() => {
                    for (const entry of observer.takeRecords()) if (!entry.hadRecentInput) sum += entry.value;
                    done(sum);
                }));",
                Vec::new(),
            )
            .await
            .expect("a figure");
        shift.json().as_f64().expect("a figure")
    }

    /// What went wrong in the browser since this was last asked: errors of scripts, and what the content
    /// security policy or Trusted Types stopped. An answer that is no success is no error of the page.
    ///
    /// # Panics
    ///
    /// If the browser does not say.
    pub async fn faults(&self) -> Vec<BrowserLogEntry> {
        let log = self.driver().browser_log().await.expect("a log");
        let is_fault = |entry: &BrowserLogEntry| {
            let of_network = entry.source.as_deref() == Some("network");
            matches!(entry.level.as_str(), "SEVERE" | "WARNING") && !of_network
        };
        log.into_iter().filter(is_fault).collect()
    }

    /// Asserts that nothing went wrong in the browser.
    ///
    /// # Panics
    ///
    /// If something did; it is shown.
    pub async fn assert_faultless(&self) {
        let faults = self.faults().await;
        assert!(faults.is_empty(), "{}: {faults:#?}", self.path().await);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ended by signals, as there may be no runtime left to say good-bye in.
        if let Some(driver) = self.driver.take() {
            let _ = driver.leak();
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
        let mark = format!("--user-data-dir={}", self.profile.path().display());
        for process in processes_with(&mark) {
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

/// Starts ChromeDriver, and gives its port.
fn start_server() -> (Child, u16) {
    // The free port that it finds may be taken by the time it listens; it then ends.
    for _ in 0..5 {
        let mut server = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is there: use tests/run");
        let output = BufReader::new(server.stdout.take().expect("it is piped"));
        let port = output.lines().map_while(Result::ok).find_map(|line| {
            let port = line.split_once("started successfully on port ")?.1;
            port.trim_end_matches('.').parse().ok()
        });
        if let Some(port) = port {
            return (server, port);
        }
        let _ = server.kill();
        let _ = server.wait();
    }
    panic!("chromedriver does not start");
}

/// Processes that were started with this argument.
fn processes_with(argument: &str) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let with_argument = processes.filter(|process| {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).any(|it| it == argument.as_bytes())
    });
    with_argument.filter_map(|process| Pid::from_raw(process.file_name().to_str()?.parse().ok()?)).collect()
}

fn in_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("{program} is missing: use tests/run"))
}

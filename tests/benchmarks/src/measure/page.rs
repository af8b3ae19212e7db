//! All that a browser is sent for the sign-in page, counted on the wire between it and the platform.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use crate::Result;
use crate::binaries::Workspace;
use crate::http::Response;
use crate::platform::Platform;
use crate::report::{Section, Unit};

const LIMIT_KILOBYTES: f64 = 40.0;

pub(crate) fn measure(workspace: &Workspace, platform: &Platform, section: &mut Section) -> Result<()> {
    let wire = Wire::tap(platform.port)?;
    let profile = workspace.scratch.join("data/browser");
    let browser = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // Until the page and what it loads have nothing left to do.
            "--virtual-time-budget=5000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("http://localhost:{}/sign-in", wire.port))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("Chromium cannot be run: {error}"))?;
    let page = String::from_utf8_lossy(&browser.stdout);
    if !page.contains("type=\"password\"") {
        return Err(format!("Chromium shows no sign-in page: {page}").into());
    }

    let responses = wire.responses()?;
    let kilobytes = |bytes: usize| bytes as f64 / 1e3;
    let bodies = responses.iter().map(|response| response.body.len()).sum();
    let heads: usize = responses.iter().map(|response| response.head_bytes).sum();
    let plain = responses.iter().filter(|response| response.headers.get("content-encoding").is_none());
    section.value("files", Unit::Number, responses.len() as f64, None);
    section.value("of them not compressed", Unit::Number, plain.count() as f64, None);
    section.value("all files, as sent", Unit::Kilobytes, kilobytes(bodies), Some(LIMIT_KILOBYTES));
    section.value("their headers besides, as HTTP/1.1 sends them", Unit::Kilobytes, kilobytes(heads), None);
    Ok(())
}

/// A port that is the platform's, and keeps what the platform sends.
struct Wire {
    port: u16,
    connections: Arc<Mutex<Vec<Recording>>>,
}

/// What was sent on one connection so far.
type Recording = Arc<Mutex<Vec<u8>>>;

impl Wire {
    fn tap(platform: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let wire = Self { port: listener.local_addr()?.port(), connections: Arc::default() };
        let connections = Arc::clone(&wire.connections);
        // The thread ends with the program.
        thread::spawn(move || {
            for browser in listener.incoming() {
                let recording = Recording::default();
                connections.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&recording));
                browser.and_then(|browser| join(browser, platform, recording))?;
            }
            io::Result::Ok(())
        });
        Ok(wire)
    }

    /// Everything that was sent, whole.
    fn responses(&self) -> Result<Vec<Response>> {
        let mut responses = Vec::new();
        for recording in self.connections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
            let mut rest = recording.as_slice();
            while let Some(response) = Response::read(&mut rest)? {
                responses.push(response);
            }
        }
        Ok(responses)
    }
}

/// Passes on what either end sends, until it closes.
fn join(browser: TcpStream, platform: u16, recording: Recording) -> io::Result<()> {
    let platform = TcpStream::connect((Ipv4Addr::LOCALHOST, platform))?;
    let (from_browser, to_platform) = (browser.try_clone()?, platform.try_clone()?);
    thread::spawn(move || pass(from_browser, to_platform, None));
    thread::spawn(move || pass(platform, browser, Some(recording)));
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream, recording: Option<Recording>) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(Shutdown::Write);
        }
        if let Some(recording) = &recording {
            recording.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..read]);
        }
        to.write_all(&buffer[..read])?;
    }
}

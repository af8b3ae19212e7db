//! What the functions write, by request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// Older lines of a function are forgotten beyond this many,
const KEPT_LINES: usize = 5_000;
/// and beyond this size.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// A line that a function wrote.
#[derive(Debug, Clone, Serialize)]
pub struct LogLine {
    /// When it was read, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// The invocation that ran, or had run last; `None` during initialisation.
    pub request_id: Option<String>,
    /// The instance's id.
    pub instance: String,
    /// Where it was written.
    pub stream: LogStream,
    /// The line, without its end.
    pub line: String,
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The newest lines of one function.
#[derive(Debug, Default)]
pub(super) struct Log {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<KeptLine>,
    bytes: usize,
}

/// As [`LogLine`], whose texts are made when somebody reads it.
#[derive(Debug)]
struct KeptLine {
    at: Timestamp,
    request_id: Option<String>,
    instance: Arc<str>,
    stream: LogStream,
    line: String,
}

impl KeptLine {
    fn report(&self) -> LogLine {
        LogLine {
            at: format!("{:.3}", self.at),
            request_id: self.request_id.clone(),
            instance: self.instance.to_string(),
            stream: self.stream,
            line: self.line.clone(),
        }
    }
}

impl Log {
    pub(super) fn add(&self, instance: &str, request_id: Option<&str>, (stream, line): (LogStream, String)) {
        let at = Timestamp::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += line.len();
        kept.lines.push_back(KeptLine {
            at,
            request_id: request_id.map(str::to_owned),
            instance: instance.into(),
            stream,
            line,
        });
        while kept.lines.len() > KEPT_LINES || kept.bytes > KEPT_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.line.len();
        }
    }

    /// The newest lines, oldest first.
    pub(super) fn newest(&self, request_id: Option<&str>, limit: usize) -> Vec<LogLine> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = kept
            .lines
            .iter()
            .rev()
            .filter(|line| request_id.is_none_or(|wanted| line.request_id.as_deref() == Some(wanted)));
        let mut newest: Vec<_> = wanted.take(limit).map(KeptLine::report).collect();
        newest.reverse();
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(log: &Log, request_id: &str, line: String) {
        log.add("I", Some(request_id), (LogStream::Stdout, line));
    }

    #[test]
    fn lines_are_found_by_request_newest_last() {
        let log = Log::default();
        for number in 0..6 {
            write(&log, ["even", "odd"][number % 2], number.to_string());
        }
        let lines = log.newest(Some("odd"), 2);
        assert_eq!(lines.iter().map(|line| line.line.as_str()).collect::<Vec<_>>(), ["3", "5"]);
    }

    #[test]
    fn old_lines_are_forgotten() {
        let log = Log::default();
        for _ in 0..3 {
            write(&log, "r", "x".repeat(KEPT_BYTES / 2));
        }
        assert_eq!(log.newest(None, 10).len(), 2);
        for _ in 0..KEPT_LINES {
            write(&log, "r", String::new());
        }
        assert_eq!(log.newest(None, usize::MAX).len(), KEPT_LINES);
    }
}

//! Logs: one line of JSON for each thing that went wrong or that an operator must know.
//!
//! A line says when, how bad, which function, which request and which trace. It never holds a body, a
//! token, an address, a number or a name: nothing in the app passes one, and libraries write
//! theirs below the level that is ever shown. A failure is logged once, where it is handled.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::{
    env,
    trace::{self, TraceContext},
};

/// Starts logging to standard output, at the level that Lambda is set to (`AWS_LAMBDA_LOG_LEVEL`),
/// `INFO` at most: below it the AWS SDK and hyper write requests with all that is in them.
///
/// Call it first, once.
pub fn init() {
    let level = match env::optional("AWS_LAMBDA_LOG_LEVEL").ok().flatten().as_deref() {
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR" | "FATAL") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    let function = env::optional("AWS_LAMBDA_FUNCTION_NAME").ok().flatten();
    let lines = Lines { function, write: |line: &[u8]| _ = std::io::stdout().lock().write_all(line) };
    // Whoever has set a subscriber already, a test, keeps it.
    _ = tracing_subscriber::registry().with(lines.with_filter(level)).try_init();
}

struct Lines<W> {
    function: Option<String>,
    write: W,
}

/// The fields of a span, kept for the lines within it.
struct SpanFields(Map<String, Value>);

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Map::new();
        attributes.record(&mut Fields(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(&mut Fields(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), format!("{:.3}", Timestamp::now()).into());
        line.insert("level".to_owned(), level(*event.metadata().level()).into());
        line.insert("message".to_owned(), Value::Null);
        if let Some(function) = &self.function {
            line.insert("function".to_owned(), function.as_str().into());
        }
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                line.extend(fields.clone());
            }
        }
        if let Some(trace) = trace::current() {
            line.insert("trace_id".to_owned(), trace.trace_id().into());
        }
        event.record(&mut Fields(&mut line));
        if let Ok(mut line) = serde_json::to_vec(&line) {
            line.push(b'\n');
            (self.write)(&line);
        }
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::TRACE => "TRACE",
        Level::DEBUG => "DEBUG",
        Level::INFO => "INFO",
        Level::WARN => "WARN",
        Level::ERROR => "ERROR",
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn set(&mut self, field: &Field, value: Value) {
        match field.name() {
            // As the Lambda runtime names them on the span of an invocation.
            "requestId" => self.0.insert("request_id".to_owned(), value),
            "xrayTraceId" => {
                let trace = value.as_str().and_then(TraceContext::from_xray);
                trace.and_then(|trace| self.0.insert("trace_id".to_owned(), trace.trace_id().into()))
            }
            name => self.0.insert(name.to_owned(), value),
        };
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.set(field, causes(error).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }
}

/// An error and what caused it, on one line: what the log needs and the caller never sees.
#[must_use]
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Many an error repeats its cause in its own words.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn lines(work: impl FnOnce()) -> Vec<Value> {
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&written);
        let lines = Lines {
            function: Some("email".to_owned()),
            write: move |line: &[u8]| sink.lock().unwrap().extend_from_slice(line),
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_names_the_function_the_request_and_the_trace() {
        let lines = lines(|| {
            let invocation = tracing::info_span!(
                "Lambda runtime invoke",
                requestId = "0b5f",
                xrayTraceId = "Root=1-6a5b4c3d-0af7651916cd43dd8448eb21;Parent=00f067aa0ba902b7"
            );
            invocation.in_scope(|| tracing::error!(attempt = 2_u64, "It failed\n{}", "\"twice\""));
        });
        let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
        assert_eq!(line["function"], "email");
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["request_id"], "0b5f");
        assert_eq!(line["trace_id"], "6a5b4c3d0af7651916cd43dd8448eb21");
        assert_eq!(line["attempt"], 2);
        assert_eq!(line["message"], "It failed\n\"twice\"");
        assert!(line["timestamp"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }

    #[tokio::test]
    async fn a_message_of_a_batch_is_logged_under_its_own_trace() {
        let traceparent = "00-6a5b4c3d0af7651916cd43dd8448eb22-00f067aa0ba902b7-01";
        let context = TraceContext::from_traceparent(traceparent).unwrap();
        let lines = trace::scope(context, async { lines(|| tracing::warn!("one of ten")) }).await;
        assert_eq!(lines[0]["trace_id"], "6a5b4c3d0af7651916cd43dd8448eb22");
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = crate::error::Error::internal(std::io::Error::other("disk full"));
        let lines = lines(|| {
            tracing::error!(error = &error as &(dyn std::error::Error + 'static), "failed");
        });
        assert_eq!(lines[0]["error"], "internal error: disk full");
    }
}

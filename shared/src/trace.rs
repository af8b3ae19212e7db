//! Trace context: which request, event and message belong together, from the browser to the mail.
//!
//! One context, three spellings: [W3C `traceparent`](https://www.w3.org/TR/trace-context/) on
//! events, the X-Ray header on Lambda invocations and AWS calls, and 32 hex digits in logs.

use std::fmt;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The trace that work belongs to, and the step of it that asked for the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: [u8; 16],
    parent_id: [u8; 8],
}

/// Runs `future` as part of `context`: [`current`] answers it, and calls to AWS carry it.
pub async fn scope<F: Future>(context: TraceContext, future: F) -> F::Output {
    CURRENT.scope(context, future).await
}

/// The context of the [`scope`] that this runs in.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

impl TraceContext {
    /// A context of these ids. None if either is all zeros, which both standards reserve.
    #[must_use]
    pub fn new(trace_id: [u8; 16], parent_id: [u8; 8]) -> Option<Self> {
        let set = trace_id != [0; 16] && parent_id != [0; 8];
        set.then_some(Self { trace_id, parent_id })
    }

    /// Reads a `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`, in lower case. Later versions may
    /// append fields, which are ignored.
    #[must_use]
    pub fn from_traceparent(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let version = lower_hex::<1>(fields.next()?)?;
        let trace_id = lower_hex(fields.next()?)?;
        let parent_id = lower_hex(fields.next()?)?;
        lower_hex::<1>(fields.next()?)?;
        let ends_here = fields.next().is_none();
        let readable = match version {
            [0x00] => ends_here,
            [0xff] => false,
            [_] => true,
        };
        readable.then(|| Self::new(trace_id, parent_id))?
    }

    /// Reads an X-Ray header: `Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=1`, its parts in
    /// any order. Without a parent the trace's own last eight bytes stand in for it, so that a
    /// `traceparent`, which must name one, can be written.
    #[must_use]
    pub fn from_xray(text: &str) -> Option<Self> {
        let (mut root, mut parent) = (None, None);
        for part in text.split(';') {
            match part.trim().split_once('=') {
                Some(("Root", value)) => root = Some(value),
                Some(("Parent", value)) => parent = Some(value),
                _ => {}
            }
        }
        let mut fields = root?.split('-');
        let (version, time, random) = (fields.next()?, fields.next()?, fields.next()?);
        if version != "1" || fields.next().is_some() {
            return None;
        }
        let (time, random) = (lower_hex::<4>(time)?, lower_hex::<12>(random)?);
        let mut trace_id = [0; 16];
        trace_id[..4].copy_from_slice(&time);
        trace_id[4..].copy_from_slice(&random);
        let parent_id = match parent {
            Some(parent) => lower_hex(parent)?,
            None => trace_id[8..].try_into().ok()?,
        };
        Self::new(trace_id, parent_id)
    }

    /// The context as a `traceparent`, marked as recorded.
    #[must_use]
    pub fn to_traceparent(&self) -> String {
        format!("00-{}-{}-01", Hex(&self.trace_id), Hex(&self.parent_id))
    }

    /// The context as an X-Ray header, marked as sampled.
    #[must_use]
    pub fn to_xray(&self) -> String {
        let (time, random) = self.trace_id.split_at(4);
        format!("Root=1-{}-{};Parent={};Sampled=1", Hex(time), Hex(random), Hex(&self.parent_id))
    }

    /// The trace's id, 32 hex digits: the same in logs, in X-Ray (less its dashes) and on mails.
    #[must_use]
    pub fn trace_id(&self) -> String {
        Hex(&self.trace_id).to_string()
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = lower_hex_digit(pair[0])? << 4 | lower_hex_digit(pair[1])?;
    }
    Some(bytes)
}

fn lower_hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACEPARENT: &str = "00-6a5b4c3d0af7651916cd43dd8448eb21-00f067aa0ba902b7-01";
    const XRAY: &str = "Root=1-6a5b4c3d-0af7651916cd43dd8448eb21;Parent=00f067aa0ba902b7;Sampled=1";

    #[test]
    fn both_spellings_say_the_same() {
        let context = TraceContext::from_traceparent(TRACEPARENT).unwrap();
        assert_eq!(TraceContext::from_xray(XRAY), Some(context));
        assert_eq!(context.to_traceparent(), TRACEPARENT);
        assert_eq!(context.to_xray(), XRAY);
        assert_eq!(context.trace_id(), "6a5b4c3d0af7651916cd43dd8448eb21");
    }

    #[test]
    fn an_x_ray_header_without_a_parent_still_names_its_trace() {
        let context = TraceContext::from_xray("Root=1-6a5b4c3d-0af7651916cd43dd8448eb21").unwrap();
        assert_eq!(context.trace_id(), "6a5b4c3d0af7651916cd43dd8448eb21");
        assert!(TraceContext::from_traceparent(&context.to_traceparent()).is_some());
    }

    #[test]
    fn a_later_version_may_carry_more_fields() {
        let later = "01-6a5b4c3d0af7651916cd43dd8448eb21-00f067aa0ba902b7-01-more";
        assert!(TraceContext::from_traceparent(later).is_some());
    }

    #[test]
    fn what_the_standards_forbid_is_refused() {
        for text in [
            "",
            "00",
            "ff-6a5b4c3d0af7651916cd43dd8448eb21-00f067aa0ba902b7-01",
            "00-6a5b4c3d0af7651916cd43dd8448eb21-00f067aa0ba902b7-01-more",
            "00-6A5B4C3D0AF7651916CD43DD8448EB21-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-6a5b4c3d0af7651916cd43dd8448eb21-0000000000000000-01",
            "00-6a5b4c3d0af7651916cd43dd8448eb21-00f067aa0ba902b7",
        ] {
            assert_eq!(TraceContext::from_traceparent(text), None, "{text}");
        }
        for text in ["", "Root=", "Root=2-6a5b4c3d-0af7651916cd43dd8448eb21", "Parent=00f067aa0ba902b7"] {
            assert_eq!(TraceContext::from_xray(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn work_knows_the_scope_that_it_runs_in() {
        let context = TraceContext::from_xray(XRAY).unwrap();
        assert_eq!(current(), None);
        assert_eq!(scope(context, async { current() }).await, Some(context));
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".*") {
            let _ = TraceContext::from_traceparent(&text);
            let _ = TraceContext::from_xray(&text);
        }

        #[test]
        fn every_context_survives_both_spellings(trace_id: [u8; 16], parent_id: [u8; 8]) {
            if let Some(context) = TraceContext::new(trace_id, parent_id) {
                prop_assert_eq!(TraceContext::from_traceparent(&context.to_traceparent()), Some(context));
                prop_assert_eq!(TraceContext::from_xray(&context.to_xray()), Some(context));
            }
        }
    }
}

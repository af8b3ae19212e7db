use std::fmt;

/// A trace: everything that one request set in motion. Shown as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// A step of a trace. Shown as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// Where in which trace something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The step that caused it, if any.
    pub parent: Option<SpanId>,
}

impl TraceContext {
    /// The beginning of a new trace.
    #[must_use]
    pub fn new_root() -> Self {
        Self { trace: TraceId(random()), parent: None }
    }

    /// Reads a W3C `traceparent`, as `00-<32 hex>-<16 hex>-01`. None if it is not valid, as the
    /// standard asks: lower-case hex, no zero ids, a version other than `ff`.
    #[must_use]
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let mut parts = header.trim_matches([' ', '\t']).split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version: [u8; 1] = lower_hex(version)?;
        let _flags: [u8; 1] = lower_hex(flags)?;
        // Later versions may append fields; version 0 has none.
        if version[0] == 0xff || (version[0] == 0 && parts.next().is_some()) {
            return None;
        }
        Self { trace: TraceId(lower_hex(trace)?), parent: Some(SpanId(lower_hex(parent)?)) }.without_zeros()
    }

    /// As a W3C `traceparent`. At the root of a trace, the parent is a step that is not recorded.
    #[must_use]
    pub fn to_traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.parent.unwrap_or_else(SpanId::random))
    }

    /// Reads an AWS X-Ray header, as `Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=1`. None if
    /// it has no valid root; a missing parent is none.
    #[must_use]
    pub fn from_xray(header: &str) -> Option<Self> {
        let (mut trace, mut parent) = (None, None);
        for field in header.split(';') {
            match field.trim().split_once('=') {
                Some(("Root", root)) => {
                    let (time, unique) = root.strip_prefix("1-")?.split_once('-')?;
                    let [a, b, c, d] = lower_hex(time)?;
                    let rest: [u8; 12] = lower_hex(unique)?;
                    let mut id = [0; 16];
                    id[..4].copy_from_slice(&[a, b, c, d]);
                    id[4..].copy_from_slice(&rest);
                    trace = Some(TraceId(id));
                }
                Some(("Parent", id)) => parent = Some(SpanId(lower_hex(id)?)),
                _ => {}
            }
        }
        Self { trace: trace?, parent }.without_zeros()
    }

    /// As an AWS X-Ray header.
    #[must_use]
    pub fn to_xray(&self) -> String {
        let trace = self.trace.to_string();
        let (time, unique) = trace.split_at(8);
        match self.parent {
            Some(parent) => format!("Root=1-{time}-{unique};Parent={parent};Sampled=1"),
            None => format!("Root=1-{time}-{unique};Sampled=1"),
        }
    }

    /// The same trace below another step.
    #[must_use]
    pub fn child(&self, parent: SpanId) -> Self {
        Self { trace: self.trace, parent: Some(parent) }
    }

    fn without_zeros(self) -> Option<Self> {
        let zero = self.trace.0 == [0; 16] || self.parent.is_some_and(|parent| parent.0 == [0; 8]);
        (!zero).then_some(self)
    }
}

impl TraceId {
    /// Reads 32 lower-case hex digits that are not all zero.
    #[must_use]
    pub fn from_hex(digits: &str) -> Option<Self> {
        lower_hex(digits).filter(|id| *id != [0; 16]).map(Self)
    }
}

impl SpanId {
    pub(super) fn random() -> Self {
        Self(random())
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl serde::Serialize for TraceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl serde::Serialize for SpanId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn lower_hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    fn value(digit: u8) -> Option<u8> {
        match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        }
    }
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_context_survives_both_headers(trace: [u8; 16], parent: [u8; 8]) {
            prop_assume!(trace != [0; 16] && parent != [0; 8]);
            let context = TraceContext { trace: TraceId(trace), parent: Some(SpanId(parent)) };
            prop_assert_eq!(TraceContext::from_traceparent(&context.to_traceparent()), Some(context));
            prop_assert_eq!(TraceContext::from_xray(&context.to_xray()), Some(context));
        }

        #[test]
        fn no_header_makes_it_panic(header in "\\PC*") {
            let _ = TraceContext::from_traceparent(&header);
            let _ = TraceContext::from_xray(&header);
        }
    }

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn an_invalid_traceparent_is_refused() {
        for header in [
            "",
            &format!("00-{TRACE}-{PARENT}"),
            &format!("ff-{TRACE}-{PARENT}-01"),
            &format!("00-{TRACE}-{PARENT}-01-more"),
            &format!("00-{TRACE}-{PARENT}-1"),
            &format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            &format!("00-{}-{PARENT}-01", "0".repeat(32)),
            &format!("00-{TRACE}-{}-01", "0".repeat(16)),
        ] {
            assert_eq!(TraceContext::from_traceparent(header), None, "{header}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let header = format!("cc-{TRACE}-{PARENT}-01-what-the-future-brings");
        let context = TraceContext::from_traceparent(&header).unwrap();
        assert_eq!(context.to_traceparent(), format!("00-{TRACE}-{PARENT}-01"));
    }

    #[test]
    fn an_xray_header_needs_only_its_root() {
        let context = TraceContext::from_xray(
            "Self=1-67891234-12456789abcdef012345678;Root=1-4bf92f35-77b34da6a3ce929d0e0e4736",
        )
        .unwrap();
        assert_eq!((context.trace.to_string().as_str(), context.parent), (TRACE, None));
        assert_eq!(TraceContext::from_xray("Parent=00f067aa0ba902b7;Sampled=1"), None);
    }
}

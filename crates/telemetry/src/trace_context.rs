//! W3C Trace Context: `traceparent`, and what of `tracestate` is kept.

use std::fmt::Write as _;

use anyport_protocol::Raw;

/// The identity of a span: its trace, itself, and whether the trace is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    pub(crate) is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`. `None`: it is not valid, and a trace begins anew (W3C Trace Context, section 3.2.2: "If parsing fails,
    /// the vendor creates a new traceparent header").
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // A later version may have more fields behind these four, and must not have fewer.
        let (head, rest) = text.split_at_checked(LENGTH)?;
        let [version, trace_id, span_id, flags] = fields(head)?;
        let is_first = version == "00";
        if version == "ff" || (is_first && !rest.is_empty()) || !(rest.is_empty() || rest.starts_with('-')) {
            return None;
        }
        hex::<u8>(version)?;
        let context =
            Self { trace_id: hex(trace_id)?, span_id: hex(span_id)?, is_sampled: hex::<u8>(flags)? & 1 == 1 };
        // "All bytes as zero [...] is considered an invalid value."
        (context.trace_id != 0 && context.span_id != 0).then_some(context)
    }

    /// Reads a `traceparent` of a message.
    pub(crate) fn of(member: &Raw) -> Option<Self> {
        // One with escapes is not valid either: all of it is hexadecimal digits and hyphens.
        Self::parse(member.as_str().strip_prefix('"')?.strip_suffix('"')?)
    }

    /// A span within this trace.
    pub(crate) fn child(self) -> Self {
        Self { span_id: new_id(), ..self }
    }

    /// Begins a trace.
    pub(crate) fn root() -> Self {
        let trace_id = u128::from(new_id()) << 64 | u128::from(new_id());
        Self { trace_id, span_id: new_id(), is_sampled: false }
    }

    /// As a member of `_meta`.
    pub(crate) fn to_member(self) -> Raw {
        let mut text = String::with_capacity(LENGTH + 2);
        let Self { trace_id, span_id, is_sampled } = self;
        // Writing into a `String` does not fail.
        let _ = write!(text, "\"00-{trace_id:032x}-{span_id:016x}-{:02x}\"", u8::from(is_sampled));
        Raw::trusted_text(text)
    }
}

/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;

fn fields(head: &str) -> Option<[&str; 4]> {
    let mut fields = head.split('-');
    let four = [fields.next()?, fields.next()?, fields.next()?, fields.next()?];
    let lengths = four.map(str::len);
    (lengths == [2, 32, 16, 2] && fields.next().is_none()).then_some(four)
}

/// Reads hexadecimal digits; upper-case ones are not valid here.
fn hex<T: TryFrom<u128>>(digits: &str) -> Option<T> {
    let are_valid = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !are_valid {
        return None;
    }
    T::try_from(u128::from_str_radix(digits, 16).ok()?).ok()
}

/// An id that is not zero.
fn new_id() -> u64 {
    fastrand::u64(1..)
}

/// The text of a `tracestate` that may stand in a span. It is what its vendors wrote, which is not checked further than that it does no
/// harm: printable ASCII of at most 512 characters (W3C Trace Context, section 3.3.1.5).
pub(crate) fn trace_state(member: &Raw) -> Option<String> {
    let text = member.as_string()?;
    let is_plain = text.len() <= 512 && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    is_plain.then(|| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_written_is_what_was_read() {
        let context = TraceContext::parse(VALID).unwrap();
        assert!(context.is_sampled);
        assert_eq!(context.to_member().as_str(), format!("\"{VALID}\""));
        assert_eq!(TraceContext::of(&context.to_member()), Some(context));
        let unsampled = TraceContext::parse(&VALID.replace("-01", "-00")).unwrap();
        assert!(!unsampled.is_sampled);
        let child = context.child();
        assert!(child.trace_id == context.trace_id && child.span_id != context.span_id);
    }

    #[test]
    fn a_later_version_may_say_more() {
        let later = VALID.replacen("00", "01", 1);
        assert_eq!(TraceContext::parse(&later), TraceContext::parse(VALID));
        assert_eq!(TraceContext::parse(&format!("{later}-more")), TraceContext::parse(VALID));
        assert_eq!(TraceContext::parse(&format!("{later}more")), None);
    }

    #[test]
    fn a_hostile_traceparent_is_none() {
        let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
        for hostile in [
            "",
            "00",
            &zero_trace,
            &zero_span,
            &VALID.to_uppercase(),
            &format!("{VALID}-more"),
            &VALID.replacen("00", "ff", 1),
            &VALID.replacen('-', "_", 1),
            &VALID.replace("4bf9", "+bf9"),
            &VALID.replace("4bf9", "é92"),
            &"é".repeat(40),
            &"-".repeat(55),
            &"0".repeat(1 << 20),
        ] {
            assert_eq!(TraceContext::parse(hostile), None, "{hostile:.80}");
        }
        for member in
            ["null", "{}", "17", "\"\"", r#""00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\u0031""#]
        {
            assert_eq!(TraceContext::of(&Raw::trusted_text(member.to_owned())), None, "{member}");
        }
    }

    #[test]
    fn a_tracestate_that_could_do_harm_is_left_out() {
        assert_eq!(trace_state(&Raw::string("rojo=1,congo=2")).as_deref(), Some("rojo=1,congo=2"));
        for hostile in ["line\nbreak", "é", &"x".repeat(513)] {
            assert_eq!(trace_state(&Raw::string(hostile)), None);
        }
        assert_eq!(trace_state(&Raw::trusted_text("{}".to_owned())), None);
    }
}

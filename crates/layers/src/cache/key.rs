//! When two calls are one question.

use std::sync::Arc;

use anyport_protocol::{
    Method,
    json::{Elements, Members, string},
};

use super::rule::CacheRule;
use anyport_service::{Context, InputMode, Request};

/// All that an answer may go by, written out: what differs in meaning differs here. The text itself is compared, no
/// digest of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(Arc<[u8]>);

impl Key {
    /// The question that `request` is under `rule`; `None` when the answer must not be shared.
    pub(super) fn of(rule: &CacheRule, request: &Request, context: &Context) -> Option<Self> {
        let known = members_of(request.known()?)?;
        let mut values: [Option<&str>; 2] = [None; 2];
        for member in request.params.members() {
            let key = member.key();
            match known.iter().position(|known| *known == &*key) {
                Some(at) => values[at] = Some(member.value),
                None if &*key == "_meta" => {}
                // Answers and state of a call that goes on; and what we do not know may mean anything.
                None => return None,
            }
        }
        let mut out = Vec::with_capacity(256);
        // Distinct principals have distinct texts.
        part(&mut out, context.principal().to_string().as_bytes());
        scopes(&mut out, context);
        part(&mut out, request.method.as_bytes());
        part(&mut out, &rule.version.to_le_bytes());
        part(&mut out, &rule.facts);
        part(&mut out, context.revision().as_str().as_bytes());
        out.push(u8::from(context.input_mode() == InputMode::Inline));
        part(&mut out, context.log_level().map_or("", |level| level.as_str()).as_bytes());
        canonical(&mut out, context.capabilities().as_str(), 0)?;
        if let Some(headers) = context.param_headers() {
            // They are compared with the arguments, or are missing where they must not be.
            let headers = headers.sorted();
            part(&mut out, &headers.len().to_le_bytes());
            for (name, value) in headers {
                part(&mut out, name.as_bytes());
                part(&mut out, value);
            }
        }
        // Each method has the same number of them. Absent ones are empty ones.
        values.iter().try_for_each(|value| canonical(&mut out, value.unwrap_or("{}"), 0))?;
        Some(Self(out.into()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The members of a request that say what is requested; `None` for methods whose answers are never kept.
fn members_of(method: Method) -> Option<&'static [&'static str]> {
    match method {
        Method::ToolsCall | Method::PromptsGet => Some(&["name", "arguments"]),
        Method::ResourcesRead => Some(&["uri"]),
        _ => None,
    }
}

/// Writes the scopes of the caller: with fewer of them, a principal may not have the answer that it has with more.
fn scopes(out: &mut Vec<u8>, context: &Context) {
    let Some(scopes) = context.authorization().scopes() else { return out.push(0) };
    let scopes: std::collections::BTreeSet<&str> = scopes.collect();
    out.push(1);
    part(out, &scopes.len().to_le_bytes());
    scopes.iter().for_each(|scope| part(out, scope.as_bytes()));
}

/// Writes `bytes` such that no other sequence of parts is written alike.
fn part(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Deeper values are no question for a cache.
const MAX_DEPTH: usize = 128;

/// Writes JSON that has passed the scan in its one spelling: as RFC 8785 does, but that numbers keep every digit, where
/// it makes doubles of them. A tool may read more than a double, and 18446744073709551617 is not 18446744073709551616.
fn canonical(out: &mut Vec<u8>, json: &str, depth: usize) -> Option<()> {
    let json = json.trim_matches([' ', '\t', '\r', '\n']);
    match *json.as_bytes().first()? {
        _ if depth > MAX_DEPTH => return None,
        b'{' => {
            let mut members: Vec<_> = Members::of(json).map(|member| (member.key(), member.value)).collect();
            members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                // Readers differ in which of two equal keys they take.
                return None;
            }
            out.push(b'{');
            for (key, value) in members {
                string::write(out, &key);
                out.push(b':');
                canonical(out, value, depth + 1)?;
                out.push(b',');
            }
            out.push(b'}');
        }
        b'[' => {
            out.push(b'[');
            for element in Elements::of(json) {
                canonical(out, element, depth + 1)?;
                out.push(b',');
            }
            out.push(b']');
        }
        b'"' => string::write(out, &string::unescape(json.get(1..json.len() - 1)?)),
        b'-' | b'0'..=b'9' => number(out, json),
        _ => out.extend_from_slice(json.as_bytes()),
    }
    Some(())
}

/// Writes a number as its digits without zeros at either end, and the power of ten that they are multiplied with: 1,
/// 1.0 and 10e-1 are 1. Minus zero stays one, as a double tells it from zero.
fn number(out: &mut Vec<u8>, text: &str) {
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |unsigned| ("-", unsigned));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_end_matches('0');
    let zeros = digits.len() - significant.len();
    let significant = significant.trim_start_matches('0');
    out.extend_from_slice(sign.as_bytes());
    let power = || -> Option<i64> {
        let exponent: i64 = exponent.parse().ok()?;
        exponent.checked_sub(fraction.len().try_into().ok()?)?.checked_add(zeros.try_into().ok()?)
    };
    match power() {
        _ if significant.is_empty() => out.push(b'0'),
        Some(0) => out.extend_from_slice(significant.as_bytes()),
        Some(power) => out.extend_from_slice(format!("{significant}e{power}").as_bytes()),
        // An exponent that no program reads: it stands for itself.
        None => out.extend_from_slice(unsigned.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use anyport_protocol::{Limits, Raw};

    use super::*;

    fn written(json: &str) -> String {
        let raw = Raw::parse(json.to_owned().into(), &Limits::default()).unwrap();
        let mut out = Vec::new();
        canonical(&mut out, raw.as_str(), 0).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_means_the_same_is_written_alike() {
        for (one, other) in [
            (r#"{"a":1,"b":[true,null]}"#, " { \"b\" : [ true , null ] ,\n\"a\" : 1.0 } "),
            (r#"{"caf\u00e9":"\u0041\/"}"#, "{\"café\":\"A/\"}"),
            ("[1, 100, 0.5, -2]", "[10e-1, 1E+2, 5e-1, -0.02e2]"),
            ("[0]", "[0.000e7]"),
            ("[12300]", "[0.123e5]"),
        ] {
            assert_eq!(written(one), written(other));
        }
    }

    /// Invariant: A cached answer is given to an equal request of the same caller and revision only.
    #[test]
    fn what_differs_in_meaning_is_written_differently() {
        let all = [
            "1",
            "-1",
            "0",
            "-0",
            "10",
            "0.1",
            "\"1\"",
            "true",
            "\"true\"",
            "null",
            "\"\"",
            "[]",
            "{}",
            "[1]",
            "[[1]]",
            "[1,1]",
            "[11]",
            r#"["1,1"]"#,
            r#"{"a":1}"#,
            r#"{"a":1,"b":1}"#,
            r#"{"b":1}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":"1,\"b\":1"}"#,
            "18446744073709551616",
            "18446744073709551617",
            "9007199254740992",
            "9007199254740993.0",
            "0.1000000000000000000001",
            "1e400",
            "1e401",
            "1e99999999999999999999",
            "\"e\u{301}\"",
            "\"\u{e9}\"",
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert_ne!(written(one), written(other), "{one} and {other}");
            }
        }
    }

    #[test]
    fn half_a_surrogate_never_comes_so_far() {
        // It would stand for nothing, and so would another one.
        assert!(Raw::parse(r#""\ud800""#.into(), &Limits::default()).is_err());
    }
}

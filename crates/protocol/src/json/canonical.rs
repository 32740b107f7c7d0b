use std::fmt::Write as _;

use serde_json::Value;

use super::string;

/// The canonical text of `value`: RFC 8785 (JCS), except that integers beyond 2^53 keep their digits, since
/// two of them may be one double. Equal arguments have equal canonical text, whatever their key order or
/// white space, so its digest binds a state to a request.
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    write(&mut out, value);
    out
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(decimal(number).as_bytes()),
        Value::String(text) => string::write(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            // RFC 8785, 3.2.3: keys are sorted by their UTF-16 code units.
            members.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
            out.push(b'{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                string::write(out, key);
                out.push(b':');
                write(out, value);
            }
            out.push(b'}');
        }
    }
}

/// A number as ECMAScript writes it (RFC 8785, 3.2.2.3).
fn decimal(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(double) if !number.is_i64() && !number.is_u64() => ecmascript(double),
        _ => number.to_string(),
    }
}

fn ecmascript(double: f64) -> String {
    if double == 0.0 {
        return "0".into();
    }
    // Rust's scientific form has the shortest digits that read back as the same double, as ECMAScript's.
    let scientific = format!("{:e}", double.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits = mantissa.replace('.', "");
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let mut out = String::from(if double < 0.0 { "-" } else { "" });
    let point = exponent + 1;
    match point {
        _ if count <= point && point <= 21 => {
            out.push_str(&digits);
            out.extend(std::iter::repeat_n('0', usize::try_from(point - count).unwrap_or_default()));
        }
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
            let _ = write!(out, "{whole}.{fraction}");
        }
        -5..=0 => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', usize::try_from(-point).unwrap_or_default()));
            out.push_str(&digits);
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(out, "{first}{dot}{rest}e{sign}{}", exponent.abs());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(String::from_utf8(canonical(&value)).unwrap(), expected, "{text}");
    }

    #[test]
    fn key_order_and_white_space_do_not_matter() {
        check(r#" { "b" : [ 1 , 2 ] , "a" : {} } "#, r#"{"a":{},"b":[1,2]}"#);
        check(
            "{\"\u{20ac}\":1,\"\\r\":2,\"1\":3,\"\u{1f600}\":4,\"\u{fb33}\":5}",
            "{\"\\r\":2,\"1\":3,\"\u{20ac}\":1,\"\u{1f600}\":4,\"\u{fb33}\":5}",
        );
    }

    #[test]
    fn numbers_are_written_as_rfc_8785_says() {
        for (text, expected) in [
            ("333333333.33333329", "333333333.3333333"),
            ("1E30", "1e+30"),
            ("4.50", "4.5"),
            ("2e-3", "0.002"),
            ("0.000000000000000000000000001", "1e-27"),
            ("1.0", "1"),
            ("-0.0", "0"),
            ("1e21", "1e+21"),
            ("1e20", "100000000000000000000"),
            ("-1.5e-7", "-1.5e-7"),
            ("0.000001", "0.000001"),
            ("9007199254740993", "9007199254740993"),
        ] {
            check(text, expected);
        }
    }
}

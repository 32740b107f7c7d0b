//! RFC 6570 forwards, after the algorithm of its §3.2.1 and the table of its appendix A: what reading is held against.

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Map(Vec<(String, String)>),
}

pub(super) type Given = BTreeMap<String, Value>;

/// Expands a template with `given`. `None` if an expression of the template has no end.
pub(super) fn expand(template: &str, given: &Given) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((literal, behind)) = rest.split_once('{') {
        encode(literal, true, &mut out);
        let (expression, behind) = behind.split_once('}')?;
        expression_of(expression, given, &mut out);
        rest = behind;
    }
    encode(rest, true, &mut out);
    Some(out)
}

fn expression_of(expression: &str, given: &Given, out: &mut String) {
    let operator = expression.chars().next().filter(|c| "+#./;?&".contains(*c));
    let specs = expression.strip_prefix(|c| Some(c) == operator).unwrap_or(expression);
    let (first, separator, named, if_empty, reserved) = match operator {
        None => ("", ",", false, "", false),
        Some('+') => ("", ",", false, "", true),
        Some('#') => ("#", ",", false, "", true),
        Some('.') => (".", ".", false, "", false),
        Some('/') => ("/", "/", false, "", false),
        Some(';') => (";", ";", true, "", false),
        Some('?') => ("?", "&", true, "=", false),
        _ => ("&", "&", true, "=", false),
    };
    let mut parts = Vec::new();
    for spec in specs.split(',') {
        let (name, explode) = spec.strip_suffix('*').map_or((spec, false), |name| (name, true));
        let (name, most) =
            name.split_once(':').map_or((name, None), |(name, most)| (name, most.parse().ok()));
        let encoded = |text: &str| {
            let mut out = String::new();
            encode(text, reserved, &mut out);
            out
        };
        let pair = |name: &str, value: &str| {
            if value.is_empty() { format!("{name}{if_empty}") } else { format!("{name}={value}") }
        };
        match given.get(name) {
            None => {}
            Some(Value::Text(text)) => {
                let text: String = text.chars().take(most.unwrap_or(usize::MAX)).collect();
                parts.push(if named { pair(name, &encoded(&text)) } else { encoded(&text) });
            }
            Some(Value::List(list)) if list.is_empty() => {}
            Some(Value::Map(map)) if map.is_empty() => {}
            Some(Value::List(list)) if explode => {
                parts.extend(list.iter().map(
                    |item| {
                        if named { pair(name, &encoded(item)) } else { encoded(item) }
                    },
                ));
            }
            Some(Value::Map(map)) if explode => {
                parts.extend(map.iter().map(|(key, value)| match named {
                    true => pair(&encoded(key), &encoded(value)),
                    false => format!("{}={}", encoded(key), encoded(value)),
                }));
            }
            Some(Value::List(list)) => {
                let joined = list.iter().map(|item| encoded(item)).collect::<Vec<_>>().join(",");
                parts.push(if named { pair(name, &joined) } else { joined });
            }
            Some(Value::Map(map)) => {
                let pairs = map.iter().map(|(key, value)| format!("{},{}", encoded(key), encoded(value)));
                let joined = pairs.collect::<Vec<_>>().join(",");
                parts.push(if named { pair(name, &joined) } else { joined });
            }
        }
    }
    if !parts.is_empty() {
        out.push_str(first);
        out.push_str(&parts.join(separator));
    }
}

/// Encodes what is not unreserved; with `reserved`, keeps reserved characters and what is encoded already.
fn encode(text: &str, reserved: bool, out: &mut String) {
    for (at, c) in text.char_indices() {
        let is_encoding = || {
            let digits = text.as_bytes().get(at + 1..at + 3).unwrap_or_default();
            c == '%' && digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)
        };
        let is_kept = c.is_ascii_alphanumeric()
            || "-._~".contains(c)
            || reserved && (":/?#[]@!$&'()*+,;=".contains(c) || is_encoding());
        if is_kept {
            out.push(c);
        } else {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        }
    }
}

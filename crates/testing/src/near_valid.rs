//! Messages with one fault each.

use serde_json::{Value, json};

/// The fault of an almost valid request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// No member `jsonrpc`.
    NoVersion,
    /// `jsonrpc` is `"1.0"`.
    WrongVersion,
    /// `id` is null.
    NullId,
    /// `id` has a fraction.
    FractionalId,
    /// `id` is an object.
    ObjectId,
    /// `id` is a boolean.
    BooleanId,
    /// No member `method`.
    NoMethod,
    /// `method` is a number.
    NumberMethod,
    /// `method` is written with a capital letter at its end, so that it is another.
    MethodInCapitals,
    /// `params` is an array, which JSON-RPC allows and MCP does not.
    ArrayParams,
    /// `params` is a text.
    TextParams,
    /// A member `result` beside `method`.
    ResultBeside,
    /// The last byte is missing.
    CutShort,
    /// A comma behind the last member.
    TrailingComma,
    /// The member `method` stands there twice, as another the second time.
    TwoMethods,
    /// A control character within a text.
    ControlCharacter,
}

impl Fault {
    /// Every one.
    pub const ALL: [Self; 16] = [
        Self::NoVersion,
        Self::WrongVersion,
        Self::NullId,
        Self::FractionalId,
        Self::ObjectId,
        Self::BooleanId,
        Self::NoMethod,
        Self::NumberMethod,
        Self::MethodInCapitals,
        Self::ArrayParams,
        Self::TextParams,
        Self::ResultBeside,
        Self::CutShort,
        Self::TrailingComma,
        Self::TwoMethods,
        Self::ControlCharacter,
    ];

    /// The fault, as text.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoVersion => "it has no member jsonrpc",
            Self::WrongVersion => "its jsonrpc is not \"2.0\"",
            Self::NullId => "its id is null",
            Self::FractionalId => "its id has a fraction",
            Self::ObjectId => "its id is an object",
            Self::BooleanId => "its id is a boolean",
            Self::NoMethod => "it has an id and no method",
            Self::NumberMethod => "its method is a number",
            Self::MethodInCapitals => "its method exists in small letters only",
            Self::ArrayParams => "its params are an array",
            Self::TextParams => "its params are a text",
            Self::ResultBeside => "it has a method and a result",
            Self::CutShort => "its last byte is missing",
            Self::TrailingComma => "it has a comma behind its last member",
            Self::TwoMethods => "it has two members method",
            Self::ControlCharacter => "it has a control character in a text",
        }
    }

    /// Whether this is a fault of the text, so that it is no JSON.
    pub const fn is_of_text(self) -> bool {
        matches!(self, Self::CutShort | Self::TrailingComma | Self::ControlCharacter)
    }

    /// The text of `request` with this fault and no other. `None` when it is no request.
    pub fn put_into(self, request: &Value) -> Option<String> {
        let method = request["method"].as_str().filter(|_| request.get("id").is_some())?;
        let mut faulty = request.clone();
        let members = faulty.as_object_mut()?;
        let mut set = |member: &str, value: Value| {
            members.insert(member.to_owned(), value);
        };
        match self {
            Self::WrongVersion => set("jsonrpc", "1.0".into()),
            Self::NullId => set("id", Value::Null),
            Self::FractionalId => set("id", json!(1.5)),
            Self::ObjectId => set("id", json!({"of": 1})),
            Self::BooleanId => set("id", json!(true)),
            Self::NumberMethod => set("method", json!(5)),
            Self::MethodInCapitals => set("method", capitals(method).into()),
            Self::ArrayParams => set("params", json!([])),
            Self::TextParams => set("params", "{}".into()),
            Self::ResultBeside => set("result", json!({})),
            Self::NoVersion => drop(members.shift_remove("jsonrpc")),
            Self::NoMethod => drop(members.shift_remove("method")),
            Self::CutShort | Self::TrailingComma | Self::TwoMethods | Self::ControlCharacter => {}
        }
        let mut text = faulty.to_string();
        // Every text of an object ends with its brace.
        match self {
            Self::CutShort => drop(text.pop()),
            Self::TrailingComma => text.insert(text.len() - 1, ','),
            Self::TwoMethods => text.insert_str(text.len() - 1, ",\"method\":\"no/such/method\""),
            Self::ControlCharacter => text.insert_str(text.len() - 1, ",\"_\":\"\u{1}\""),
            _ => {}
        }
        Some(text)
    }
}

/// `method` with its last letter in capitals.
fn capitals(method: &str) -> String {
    let mut letters: Vec<char> = method.chars().collect();
    match letters.iter_mut().rfind(|letter| letter.is_ascii_lowercase()) {
        Some(last) => *last = last.to_ascii_uppercase(),
        // Without letters, it becomes another by one more.
        None => letters.push('X'),
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use anyport_protocol::{Limits, Message, Method, jsonrpc};

    use super::*;

    #[test]
    fn each_fault_makes_a_request_that_is_none_or_not_that_one() {
        let good = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
        for fault in Fault::ALL {
            let text = fault.put_into(&good).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).is_err(), fault.is_of_text(), "{text}");
            match jsonrpc::read(text.clone().into(), &Limits::default()) {
                Err(_) => {}
                Ok(jsonrpc::Incoming::One(Message::Request(_))) => {
                    let read: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(Method::named(read["method"].as_str().unwrap()), None, "{fault:?}: {text}");
                }
                Ok(other) => panic!("{fault:?}: {text}: {other:?}"),
            }
        }
        assert_eq!(Fault::NullId.put_into(&json!({"jsonrpc": "2.0", "method": "ping"})), None);
    }
}

//! One call as it is written.

use anyport_protocol::{
    Error, Id, Raw,
    json::Splice,
    jsonrpc::{ErrorKind, Params},
};

/// The call of a tool.
#[derive(Debug)]
pub(super) struct Call {
    /// What the answer is known by; `null` where there is none.
    pub(super) id: Option<Id>,
    /// The tool's name, as JSON.
    pub(super) name: Raw,
    /// The arguments: an object.
    arguments: Raw,
}

/// Something that is no call: the error to answer it with, and the id, where that could be read.
#[derive(Debug)]
pub(super) struct NoCall {
    pub(super) id: Option<Id>,
    pub(super) error: Error,
}

/// The members of the envelope, as text.
#[derive(Default)]
struct Fields<'a> {
    jsonrpc: Option<&'a str>,
    id: Option<&'a str>,
    method: Option<&'a str>,
    params: Option<&'a str>,
}

impl Call {
    /// Reads what has passed the scan.
    pub(super) fn read(raw: &Raw) -> Result<Self, NoCall> {
        let mut fields = Fields::default();
        for member in raw.members() {
            let field = match &*member.key() {
                "jsonrpc" => &mut fields.jsonrpc,
                "id" => &mut fields.id,
                "method" => &mut fields.method,
                "params" => &mut fields.params,
                // As on the MCP endpoint: a receiver that ignores what it does not know stays compatible.
                _ => continue,
            };
            *field = Some(member.value);
        }
        let given = fields.id.filter(|id| *id != "null");
        let id = given.and_then(|id| Id::of(raw.slice(id)));
        let refused = |error| NoCall { id: id.clone(), error };
        if !raw.is_object() {
            return Err(refused(Error::invalid_request("a call must be an object")));
        }
        let text = |value: &str| raw.slice(value).as_string();
        if fields.jsonrpc.is_some_and(|version| text(version).as_deref() != Some("2.0")) {
            return Err(refused(Error::invalid_request(
                "the member \"jsonrpc\" must be \"2.0\", or be left out",
            )));
        }
        if given.is_some() && id.is_none() {
            let words = "the member \"id\" must be a string or an integer; null, or leave it out, for none";
            return Err(refused(Error::invalid_request(words)));
        }
        let name = fields.method.filter(|method| method.starts_with('"'));
        let Some(name) = name else {
            let words = "the member \"method\" must be the name of a tool; GET the path /tools beside this one for \
                         their list";
            return Err(refused(Error::invalid_request(words)));
        };
        let arguments = match fields.params {
            None | Some("null") => Raw::EMPTY_OBJECT,
            Some(params) if params.starts_with('{') => raw.slice(params),
            Some(_) => return Err(refused(no_object())),
        };
        Ok(Self { name: raw.slice(name), arguments, id })
    }

    /// The params of `tools/call`.
    pub(super) fn params(&self) -> Params {
        const NAME: &[u8] = br#"{"name":"#;
        const ARGUMENTS: &[u8] = br#","arguments":"#;
        let (name, arguments) = (self.name.as_str(), self.arguments.as_str());
        let mut text = Vec::with_capacity(NAME.len() + name.len() + ARGUMENTS.len() + arguments.len() + 1);
        for part in [NAME, name.as_bytes(), ARGUMENTS, arguments.as_bytes(), b"}"] {
            text.extend_from_slice(part);
        }
        Raw::trusted(text).into()
    }
}

/// JSON-RPC 2.0 knows params by position as well; arguments of tools have names.
fn no_object() -> Error {
    let fault = Splice::new()
        .with("field", &Raw::string("params"))
        .with("expected", &Raw::string("an object of arguments by name"));
    let data = fault.with("reason", &Raw::string(ErrorKind::Validation.as_str())).finish();
    Error::invalid_params("the member \"params\" must be an object of arguments by name").with_data(data)
}

#[cfg(test)]
mod tests {
    use anyport_protocol::{Limits, jsonrpc::code};

    use super::*;

    fn read(text: &'static str) -> Result<(String, String), (i64, String)> {
        let id = |id: Option<Id>| id.map_or("null".to_owned(), |id| id.to_string());
        match Call::read(&Raw::parse(text.into(), &Limits::default()).unwrap()) {
            Ok(call) => Ok((id(call.id.clone()), call.params().raw().to_string())),
            Err(refused) => Err((refused.error.code, id(refused.id))),
        }
    }

    #[test]
    fn what_is_absent_is_meant_kindly() {
        let none = || ("null".to_owned(), r#"{"name":"a","arguments":{}}"#.to_owned());
        for text in [
            r#"{"method":"a"}"#,
            r#"{"method":"a","id":null,"params":null,"jsonrpc":"2.0"}"#,
            r#"{"m\u0065thod":"a","jsonrpc":"2\u002e0","extra":[{"id":3}],"_meta":{}}"#,
        ] {
            assert_eq!(read(text), Ok(none()), "{text}");
        }
        let call = read(r#" { "id" : "x\u0079" , "method":"a\"b", "params": { "k" : 1.50 } } "#);
        let params = r#"{"name":"a\"b","arguments":{ "k" : 1.50 }}"#;
        assert_eq!(call, Ok((r#""x\u0079""#.to_owned(), params.to_owned())));
        assert_eq!(read(r#"{"id":-7,"method":""}"#).unwrap().0, "-7");
    }

    #[test]
    fn what_is_wrong_is_refused_under_its_id() {
        let invalid = |id: &str| Err((code::INVALID_REQUEST, id.to_owned()));
        for text in ["1", "\"a\"", "[]", "null", "{}", r#"{"method":5}"#, r#"{"method":null}"#] {
            assert_eq!(read(text), invalid("null"), "{text}");
        }
        for text in [
            r#"{"method":"a","id":1.5}"#,
            r#"{"method":"a","id":true}"#,
            r#"{"method":"a","id":[1]}"#,
            r#"{"method":"a","id":{}}"#,
        ] {
            assert_eq!(read(text), invalid("null"), "{text}");
        }
        for text in [
            r#"{"id":1,"method":"a","jsonrpc":"1.0"}"#,
            r#"{"id":1,"method":"a","jsonrpc":2.0}"#,
            r#"{"id":1,"method":"a","jsonrpc":null}"#,
            r#"{"id":1,"result":{},"jsonrpc":"2.0"}"#,
        ] {
            assert_eq!(read(text), invalid("1"), "{text}");
        }
        for text in [r#"{"id":1,"method":"a","params":[]}"#, r#"{"id":1,"method":"a","params":"x"}"#] {
            assert_eq!(read(text), Err((code::INVALID_PARAMS, "1".to_owned())), "{text}");
        }
    }
}

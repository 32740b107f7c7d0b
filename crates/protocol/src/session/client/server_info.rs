use crate::{Raw, json::Splice, meta::key};

/// Who a server is, as the `_meta` of its results says it.
///
/// 2026-07-28, basic §_meta: "Servers **SHOULD** include the following `io.modelcontextprotocol/*` field in every
/// result's `_meta`, unless specifically configured not to do so, to identify themselves without relying on any prior
/// connection state". A server of an earlier revision said it once, when its session began; whoever speaks for it to a
/// client of the newest revision says it with each result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerIdentity {
    /// `_meta` with nothing else in it: most results had none.
    meta: Raw,
}

impl ServerIdentity {
    /// The identity in a `DiscoverResult`; `None` if there is none.
    pub fn of(discovered: &Raw) -> Option<Self> {
        let info = discovered.member("_meta")?.member(key::SERVER_INFO).filter(Raw::is_object)?;
        Some(Self { meta: Splice::new().with(key::SERVER_INFO, &info).finish() })
    }

    /// A `_meta` that says it.
    pub(super) fn meta(&self) -> &Raw {
        &self.meta
    }

    /// `result` with the identity, unless it has one.
    #[must_use]
    pub fn sign(&self, result: Raw) -> Raw {
        let old = result.member("_meta");
        let signed = |meta: &Raw| !meta.is_object() || meta.member(key::SERVER_INFO).is_some();
        if !result.is_object() || old.as_ref().is_some_and(signed) {
            return result;
        }
        let Some(old) = old else {
            return Splice::retain(&result, |_| true).with("_meta", &self.meta).finish();
        };
        let mut meta = Splice::retain(&old, |_| true);
        if let Some(info) = self.meta.member(key::SERVER_INFO) {
            meta = meta.with(key::SERVER_INFO, &info);
        }
        Splice::retain(&result, |name| name != "_meta").with("_meta", &meta.finish()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn raw(text: &str) -> Raw {
        Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_result_says_once_whose_it_is_and_keeps_the_rest() {
        let info = r#""io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}"#;
        let identity =
            ServerIdentity::of(&raw(&format!(r#"{{"x":1,"_meta":{{{info},"other":2}}}}"#))).unwrap();
        let cases = [
            (r#"{"a":1.50}"#.to_owned(), format!(r#"{{"a":1.50,"_meta":{{{info}}}}}"#)),
            (r#"{"_meta":{"b": 1e2},"a":1}"#.into(), format!(r#"{{"a":1,"_meta":{{"b": 1e2,{info}}}}}"#)),
            (r#"{"_meta":5}"#.into(), r#"{"_meta":5}"#.into()),
            ("[]".into(), "[]".into()),
        ];
        for (result, signed) in cases {
            assert_eq!(identity.sign(raw(&result)).as_str(), signed);
            assert_eq!(identity.sign(raw(&signed)).as_str(), signed, "once");
        }
        let others = r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"other","version":"2"}}}"#;
        assert_eq!(identity.sign(raw(others)).as_str(), others);
        assert_eq!(ServerIdentity::of(&raw(r#"{"_meta":{}}"#)), None);
    }
}

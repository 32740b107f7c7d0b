use anyport_guards::Refusal;
use anyport_protocol::{Error, Method, Raw, json::Splice};
use anyport_service::Outcome;

/// What the caller receives in place of a call or a result.
///
/// 2026-07-28, server/tools §Error Handling: "Input validation errors" are tool execution errors, which "contain actionable feedback that
/// language models can use to self-correct and retry with adjusted parameters".
pub(super) fn refused(refusal: &Refusal, method: Method, meta: &Raw) -> Outcome {
    let text = refusal.to_string();
    if method != Method::ToolsCall {
        let data = Splice::new().with("guard", &Raw::string(&refusal.guard)).finish();
        return Outcome::Error(Error::invalid_params(text).with_data(data));
    }
    let block = Splice::new().with("type", &Raw::string("text")).with("text", &Raw::string(&text)).finish();
    let result = Splice::new()
        .with("resultType", &Raw::string("complete"))
        .with("content", &Raw::trusted(format!("[{}]", block.as_str()).into_bytes()))
        .with("isError", &Raw::trusted(b"true".to_vec()))
        .with("_meta", meta);
    Outcome::Result(result.finish())
}

//! Server requests of members, as the user of a federation receives them: they say which member asks.

use anyport_protocol::{
    Method, Raw,
    json::{Elements, Members, Splice},
};

use super::{
    content::expose_messages,
    edits::{Edits, text_of},
    member::MemberEntry,
};

/// The params of a server request of `member`.
///
/// 2026-07-28, client/elicitation §Security Considerations: "Clients **MUST** provide clear indication of which server is
/// requesting information". The client can only name the federation, so the message names the member.
pub(super) fn exposed(method: Method, params: &Raw, member: &MemberEntry) -> Raw {
    let mut edits = Edits::of(params);
    let object = edits.text();
    expose(&mut edits, method, object, member);
    edits.finish()
}

/// An `InputRequiredResult` of `member`, with `state` in place of its `requestState`, if it has one. Its server requests say
/// which member asks, if there are several.
pub(super) fn exposed_input_required(
    required: &Raw,
    state: Option<&str>,
    member: &MemberEntry,
    are_several: bool,
) -> Raw {
    let mut edits = Edits::of(required);
    let object = edits.text();
    for request in
        Members::find(object, "inputRequests").filter(|_| are_several).into_iter().flat_map(Members::of)
    {
        let method = Members::find(request.value, "method").and_then(text_of);
        let method = method.and_then(|method| Method::named(&method));
        if let Some((method, params)) = method.zip(Members::find(request.value, "params")) {
            expose(&mut edits, method, params, member);
        }
    }
    if let Some((old, state)) = Members::find(object, "requestState").zip(state) {
        edits.replace(old, &Raw::string(state));
    }
    edits.finish()
}

/// The data of a -32042, which a legacy server sends instead of asking: its elicitations say which member asks.
pub(super) fn exposed_elicitations(data: &Raw, member: &MemberEntry) -> Raw {
    let mut edits = Edits::of(data);
    for elicitation in Members::find(edits.text(), "elicitations").into_iter().flat_map(Elements::of) {
        expose(&mut edits, Method::Elicit, elicitation, member);
    }
    edits.finish()
}

fn expose<'a>(edits: &mut Edits<'a>, method: Method, params: &'a str, member: &MemberEntry) {
    match method {
        Method::Elicit => {
            let message = Members::find(params, "message").and_then(text_of);
            let message = format!("{}: {}", member.title, message.as_deref().unwrap_or_default());
            edits.set(params, "message", &Raw::string(&message));
        }
        Method::CreateMessage => {
            expose_messages(edits, params, &member.alias);
            // "This server" would be all of them.
            if let Some(context) = Members::find(params, "includeContext") {
                edits.replace(context, &Raw::string("none"));
            }
        }
        _ => {}
    }
}

/// The params of a log message of `member`: its logger begins with the alias of the member.
pub(super) fn exposed_log(params: &Raw, member: &MemberEntry) -> Raw {
    let alias = member.alias.as_str();
    let logger = match params.member("logger").and_then(|logger| logger.as_string()) {
        Some(logger) => format!("{alias}/{logger}"),
        None => alias.to_owned(),
    };
    Splice::retain(params, |key| key != "logger").with("logger", &Raw::string(&logger)).finish()
}

use crate::{Error, Method};

/// One open call, as far as it decides whose a question is.
#[derive(Clone, Copy, Debug)]
pub struct InFlightCall<'a, C> {
    /// Who is calling.
    pub caller: &'a C,
    /// Whether calls of this caller have nothing to do with one another (anonymous over modern HTTP): each is then a
    /// caller of its own.
    pub apart: bool,
    /// What is called; `None`: a method that the protocol does not have.
    pub method: Option<Method>,
    /// How many questions it carries that are not answered.
    pub questions: usize,
}

/// RequestRoute a question is that came on a channel which all calls share, or a log message that names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestRoute {
    /// That of the call at this place.
    Call(usize),
    /// Nobody's: no call is open.
    NoCall,
    /// Nobody's: what is open may not ask. The method is one of those calls', where the protocol has it.
    NotDuring(Option<Method>),
    /// Calls of several callers are open, and it is never guessed which one is meant.
    Several,
}

/// Says whose a question is, given the open calls from oldest to newest.
///
/// The one open call that may ask; of several calls of one caller, the oldest that carries no question: the answer
/// returns to the server that asked all the same, and each call is answered for itself. Among several callers nothing
/// is guessed. (Our own rule: no revision says in a pushed request which call it belongs to.)
pub fn route_request<C: PartialEq>(calls: &[InFlightCall<'_, C>]) -> RequestRoute {
    let may_ask = |call: &InFlightCall<'_, C>| call.method.is_some_and(Method::may_ask);
    let mut asking = calls.iter().enumerate().filter(|(_, call)| may_ask(call));
    let Some((oldest, first)) = asking.next() else {
        return calls.first().map_or(RequestRoute::NoCall, |call| RequestRoute::NotDuring(call.method));
    };
    let mut free = (first.questions == 0).then_some(oldest);
    for (place, call) in asking {
        if call.apart || first.apart || call.caller != first.caller {
            return RequestRoute::Several;
        }
        free = free.or((call.questions == 0).then_some(place));
    }
    RequestRoute::Call(free.unwrap_or(oldest))
}

impl RequestRoute {
    /// The error for a server whose `question` is nobody's; `None` when it is a call's.
    pub fn refusal(self, question: Method) -> Option<Error> {
        Some(match self {
            Self::Call(_) => return None,
            Self::NoCall => Error::internal(format!(
                "no call is open, so nobody can be asked ({}); ask while a call runs",
                question.as_str()
            )),
            Self::NotDuring(method) => Error::new(
                crate::jsonrpc::code::METHOD_NOT_FOUND,
                format!(
                    "the client cannot be asked during {}",
                    method.map_or("a method of an extension", Method::as_str)
                ),
            ),
            Self::Several => Error::internal(format!(
                "calls of several callers are open, so it cannot be told whom {} is for",
                question.as_str()
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(caller: &'static str, method: Method, questions: usize) -> InFlightCall<'static, &'static str> {
        // A static table, so that the calls can borrow.
        let caller = match caller {
            "a" => &"a",
            _ => &"b",
        };
        InFlightCall { caller, apart: false, method: Some(method), questions }
    }

    use Method::{PromptsGet, ResourcesRead, ToolsCall, ToolsList};

    #[test]
    fn the_one_call_that_may_ask_is_asked() {
        let calls = [call("b", ToolsList, 0), call("a", ToolsCall, 3)];
        assert_eq!(route_request(&calls), RequestRoute::Call(1));
        assert_eq!(route_request(&calls).refusal(Method::Elicit), None);
    }

    #[test]
    fn of_one_callers_calls_the_oldest_without_a_question_is_asked() {
        let calls = [call("a", ToolsCall, 1), call("a", ResourcesRead, 0), call("a", PromptsGet, 0)];
        assert_eq!(route_request(&calls), RequestRoute::Call(1));
        let all_asked = [call("a", ToolsCall, 2), call("a", ToolsCall, 1)];
        assert_eq!(route_request(&all_asked), RequestRoute::Call(0));
    }

    #[test]
    fn among_several_callers_nothing_is_guessed() {
        let calls = [call("a", ToolsCall, 0), call("b", ToolsCall, 0)];
        assert_eq!(route_request(&calls), RequestRoute::Several);
        assert_eq!(route_request(&calls).refusal(Method::Elicit).unwrap().code, -32603);
        let mut anonymous = [call("a", ToolsCall, 0), call("a", ToolsCall, 0)];
        anonymous[1].apart = true;
        assert_eq!(route_request(&anonymous), RequestRoute::Several);
        assert_eq!(route_request(&anonymous[1..]), RequestRoute::Call(0));
    }

    #[test]
    fn outside_of_what_may_ask_the_server_is_told_why() {
        assert_eq!(route_request::<&str>(&[]), RequestRoute::NoCall);
        assert!(RequestRoute::NoCall.refusal(Method::Elicit).unwrap().message.starts_with("no call is open"));
        let listing = route_request(&[call("a", ToolsList, 0)]);
        let error = listing.refusal(Method::Elicit).unwrap();
        assert_eq!((error.code, &*error.message), (-32601, "the client cannot be asked during tools/list"));
    }
}

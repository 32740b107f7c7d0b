use crate::{Error, Method};

/// The facts about a call in flight that decide whether a server request belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct InFlightCall<'a, C> {
    /// Who calls.
    pub caller: &'a C,
    /// Whether calls of this caller are unrelated although they compare as equal (anonymous over modern HTTP): each is then
    /// a caller of its own.
    pub unidentifiable: bool,
    /// What is called; `None` if the protocol does not have the method.
    pub method: Option<Method>,
    /// How many requests of the server's wait for its caller.
    pub requests: usize,
}

/// The call to which a request of the server's belongs that came on a stream which all calls share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestRoute {
    /// The call at this place.
    Call(usize),
    /// None: no call is in flight.
    NoCall,
    /// None: no call in flight may ask. The method is that of one of them, if the protocol has it.
    NotDuring(Option<Method>),
    /// Calls of several callers are in flight, or were shortly before, and it is never guessed which one is meant.
    Several,
}

/// Finds the call to which a request of the server's belongs, given the calls in flight from oldest to newest.
///
/// It is the one call that may ask; of several calls of one caller, the oldest for which no request is open: the answer
/// returns to the server that asked all the same, and each call is answered for itself. If that call ends before the request
/// is answered, the request goes to the next one of those that it may have belonged to. Among several callers it is never
/// guessed. (A rule of our own: no revision says in a request of the server's to which call it belongs.)
pub fn route_request<C: PartialEq>(calls: &[InFlightCall<'_, C>]) -> RequestRoute {
    let may_ask = |call: &InFlightCall<'_, C>| call.method.is_some_and(Method::may_ask);
    let mut asking = calls.iter().enumerate().filter(|(_, call)| may_ask(call));
    let Some((oldest, first)) = asking.next() else {
        return calls.first().map_or(RequestRoute::NoCall, |call| RequestRoute::NotDuring(call.method));
    };
    let mut free = (first.requests == 0).then_some(oldest);
    for (place, call) in asking {
        if call.unidentifiable || first.unidentifiable || call.caller != first.caller {
            return RequestRoute::Several;
        }
        free = free.or((call.requests == 0).then_some(place));
    }
    RequestRoute::Call(free.unwrap_or(oldest))
}

impl RequestRoute {
    /// The error for a server request that belongs to no call; `None` if it belongs to one.
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
                "calls of several callers are open, or were shortly before, so it cannot be told whom {} is for",
                question.as_str()
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(caller: &'static str, method: Method, requests: usize) -> InFlightCall<'static, &'static str> {
        // A static table, so that the calls can borrow.
        let caller = match caller {
            "a" => &"a",
            _ => &"b",
        };
        InFlightCall { caller, unidentifiable: false, method: Some(method), requests }
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

    /// Invariant: A server request on a shared connection goes to the call that it belongs to. It is never
    /// guessed among several callers.
    #[test]
    fn among_several_callers_nothing_is_guessed() {
        let calls = [call("a", ToolsCall, 0), call("b", ToolsCall, 0)];
        assert_eq!(route_request(&calls), RequestRoute::Several);
        assert_eq!(route_request(&calls).refusal(Method::Elicit).unwrap().code, -32603);
        let mut anonymous = [call("a", ToolsCall, 0), call("a", ToolsCall, 0)];
        anonymous[1].unidentifiable = true;
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

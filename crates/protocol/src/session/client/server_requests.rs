use std::time::Duration;

use super::{
    call_id::{CallId, ServerRequestId},
    input::Origin,
    message::IncomingRequest,
    route_request::RequestRoute,
};
use crate::{
    Error, Id, Method, Raw,
    capability::{ClientProfile, InputCapability},
    json::Splice,
    jsonrpc::{Reason, code},
    meta::key,
};

/// Requests of a legacy server that are not answered.
#[derive(Debug)]
pub(super) struct ServerRequests {
    open: Vec<OpenRequest>,
    last: ServerRequestId,
    limit: usize,
    roots_hold: Duration,
    /// When the next of them wants something.
    due: Option<Duration>,
}

/// One request of the server's.
#[derive(Debug)]
pub(super) struct OpenRequest {
    pub(super) serial: ServerRequestId,
    pub(super) id: Id,
    pub(super) method: Method,
    pub(super) params: Raw,
    pub(super) owner: Owner,
    pub(super) needs: Option<InputCapability>,
    /// Until when a request for roots on a shared stream is held for a call whose caller answers it: it belongs to the
    /// connection, whatever call it was given to.
    held_until: Option<Duration>,
    /// Whether a call that it was given to ended before it was answered.
    pub(super) outlived: bool,
    /// The last id that was given to a request of ours when this one came, if it came on a shared stream: it may belong to any
    /// call up to there, and to no later one.
    pub(super) up_to: Option<CallId>,
    progress_token: Option<Raw>,
    /// The number of progress notifications that the server got for the request.
    told: u64,
    /// When the next one is due, or when the request is refused if it is held.
    due: Option<Duration>,
}

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The caller of this call.
    Call(CallId),
    /// Whoever takes what belongs to no call; the route says why it belongs to none.
    Unsolicited(RequestRoute),
    /// The caller of the next call that can take it.
    Held,
}

/// What is due.
#[derive(Debug)]
pub(super) enum Due {
    /// Tell the server that its request is still open.
    Progress(Raw),
    /// Refuse a request that was held for too long.
    Refuse(OpenRequest),
}

impl ServerRequests {
    pub(super) fn new(limit: usize, roots_hold: Duration) -> Self {
        Self { open: Vec::new(), last: ServerRequestId(0), limit, roots_hold, due: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// When [`ServerRequests::due`] has something.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.due
    }

    /// Why one more may not be open.
    pub(super) fn refuse(&self, id: &Id) -> Option<Error> {
        if self.open.iter().any(|open| open.id == *id) {
            // 2026-07-28, basic §Requests: "The request ID MUST NOT match the ID of any other request the sender has
            // issued and not yet received a response for."
            return Some(Error::invalid_request(format!("id {id} belongs to a request that still runs")));
        }
        let limit = self.limit;
        (self.open.len() >= limit).then(|| {
            let why = format!("{limit} questions are open (max_open_questions)");
            Error::internal(why).with_reason(Reason::Overloaded)
        })
    }

    /// Adds a request that a caller gets.
    pub(super) fn open(
        &mut self,
        now: Duration,
        request: IncomingRequest,
        method: Method,
        owner: Owner,
        origin: Origin,
        up_to: Option<CallId>,
    ) -> &OpenRequest {
        let serial = self.next_serial();
        let due = request.progress_token.is_some().then(|| now.checked_add(PROGRESS)).flatten();
        let is_held = method == Method::ListRoots && origin == Origin::Shared;
        let held_until = is_held.then(|| now.checked_add(self.roots_hold)).flatten();
        self.open.push(OpenRequest {
            serial,
            id: request.id,
            method,
            params: request.params,
            owner,
            needs: request.needs,
            held_until,
            outlived: false,
            up_to,
            progress_token: request.progress_token,
            told: 0,
            due,
        });
        self.schedule();
        // It was pushed above.
        &self.open[self.open.len() - 1]
    }

    fn next_serial(&mut self) -> ServerRequestId {
        self.last = ServerRequestId(self.last.0 + 1);
        self.last
    }

    /// Takes a request away.
    pub(super) fn take(&mut self, serial: ServerRequestId) -> Option<OpenRequest> {
        self.take_where(|open| open.serial == serial)
    }

    /// Takes the request away that the server calls `id`.
    pub(super) fn take_named(&mut self, id: &Id) -> Option<OpenRequest> {
        self.take_where(|open| open.id == *id)
    }

    /// Takes one of the requests of `call` away.
    pub(super) fn take_of(&mut self, call: CallId) -> Option<OpenRequest> {
        if self.open.is_empty() {
            // Nearly always there are none.
            return None;
        }
        self.take_where(|open| open.owner == Owner::Call(call))
    }

    /// Whether a request is held for the next call that may be asked.
    pub(super) fn has_held(&self) -> bool {
        self.open.iter().any(|open| open.owner == Owner::Held)
    }

    /// Takes one of those that are held away.
    pub(super) fn take_held(&mut self) -> Option<OpenRequest> {
        if self.open.is_empty() {
            return None;
        }
        self.take_where(|open| open.owner == Owner::Held)
    }

    /// Takes any of them away.
    pub(super) fn take_any(&mut self) -> Option<OpenRequest> {
        self.take_where(|_| true)
    }

    fn take_where(&mut self, which: impl FnMut(&OpenRequest) -> bool) -> Option<OpenRequest> {
        let place = self.open.iter().position(which)?;
        let request = self.open.remove(place);
        self.schedule();
        Some(request)
    }

    /// Holds a request again whose call is over, for the rest of its time.
    ///
    /// # Errors
    /// The request, if it belongs to that call alone, or was held for long enough.
    pub(super) fn outlive(&mut self, now: Duration, mut request: OpenRequest) -> Result<(), OpenRequest> {
        let Some(until) = request.held_until.filter(|until| now < *until) else { return Err(request) };
        request.outlived = true;
        self.hold_until(Some(until), request);
        Ok(())
    }

    /// Gives a request whose call is over to `call`, which it may have belonged to from the beginning. It counts as another one:
    /// what the caller of the first call answers late is not for this one.
    pub(super) fn pass_on(&mut self, mut request: OpenRequest, call: CallId) -> &OpenRequest {
        request.serial = self.next_serial();
        request.owner = Owner::Call(call);
        self.open.push(request);
        self.schedule();
        // It was pushed above.
        &self.open[self.open.len() - 1]
    }

    /// Whether a request is open.
    pub(super) fn is_open(&self, serial: ServerRequestId) -> bool {
        self.open.iter().any(|open| open.serial == serial)
    }

    /// Holds a request, for the next call that may be asked. It counts as another one: whoever was offered it before must
    /// not answer for that call.
    pub(super) fn hold(&mut self, now: Duration, mut request: OpenRequest) {
        request.held_until = now.checked_add(self.roots_hold);
        self.hold_until(request.held_until, request);
    }

    fn hold_until(&mut self, until: Option<Duration>, mut request: OpenRequest) {
        request.serial = self.next_serial();
        request.owner = Owner::Held;
        request.due = until;
        self.open.push(request);
        self.schedule();
    }

    /// Offers the oldest request that is held to whoever takes what belongs to no call.
    pub(super) fn offer(&mut self, now: Duration) -> Option<&OpenRequest> {
        let mut request = self.take_held()?;
        request.serial = self.next_serial();
        request.owner = Owner::Unsolicited(RequestRoute::NoCall);
        request.due = request.progress_token.is_some().then(|| now.checked_add(PROGRESS)).flatten();
        self.open.push(request);
        self.schedule();
        self.open.last()
    }

    /// Gives a request that was held to `call`.
    pub(super) fn give(&mut self, now: Duration, mut request: OpenRequest, call: CallId) {
        request.owner = Owner::Call(call);
        if request.outlived {
            // The call waits for it, and no longer than it is held.
            request.due = request.held_until;
        } else {
            request.due = request.progress_token.is_some().then(|| now.checked_add(PROGRESS)).flatten();
        }
        self.open.push(request);
        self.schedule();
    }

    /// What is due at `now`, one at a time.
    pub(super) fn due(&mut self, now: Duration) -> Option<Due> {
        let place = self.open.iter().position(|open| open.due.is_some_and(|due| due <= now))?;
        let open = &self.open[place];
        if open.owner == Owner::Held || open.outlived && matches!(open.owner, Owner::Call(_)) {
            let request = self.open.remove(place);
            self.schedule();
            return Some(Due::Refuse(request));
        }
        let request = &mut self.open[place];
        request.told += 1;
        request.due = now.checked_add(PROGRESS);
        let progress = Raw::trusted(request.told.to_string().into_bytes());
        let token = request.progress_token.clone().unwrap_or(Raw::NULL);
        let params = Splice::new().with(key::PROGRESS_TOKEN, &token).with("progress", &progress).finish();
        self.schedule();
        Some(Due::Progress(params))
    }

    fn schedule(&mut self) {
        self.due = self.open.iter().filter_map(|open| open.due).min();
    }
}

/// The error for a request that the caller has not declared. 2025-11-25, elicitation §Error Handling: "Server sends an
/// `elicitation/create` request with a mode not declared in client capabilities: `-32602` (Invalid params)"; what was not
/// declared at all does not exist.
pub(super) fn undeclared(profile: &ClientProfile, method: Method, needs: InputCapability) -> Error {
    let in_part = match method {
        Method::Elicit => profile.elicitation_form || profile.elicitation_url,
        Method::CreateMessage => profile.sampling,
        _ => false,
    };
    let code = if in_part { code::INVALID_PARAMS } else { code::METHOD_NOT_FOUND };
    let required = needs.required();
    Error::new(code, format!("the client cannot be asked {}: it did not declare {required}", method.as_str()))
}

/// The interval of progress notifications for a server request with a progress token: it waits for a person, and
/// its own timeout must not end the call meanwhile.
const PROGRESS: Duration = Duration::from_secs(15);

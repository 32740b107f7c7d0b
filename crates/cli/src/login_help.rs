//! What clients of a bridge or gateway are told of a server that wants a login: they have no terminal to be asked on.

use std::sync::Arc;

use anyport_protocol::Error;
use anyport_service::{Context, Outcome, Reply, Request, Service};

/// What is to be done, for a person.
#[derive(Clone)]
pub(crate) struct LoginHelp(Arc<str>);

impl LoginHelp {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// For clients that somebody else runs this program for.
    pub(crate) fn for_others(name: &str) -> Self {
        Self(format!("whoever runs this server signs in to {name}: `anyport status` says how").into())
    }

    pub(crate) fn text(&self) -> Arc<str> {
        self.0.clone()
    }

    /// `service`, with the help in the errors of a server that does not know the caller (HTTP status 401).
    pub(crate) fn around(help: Option<Self>, service: Arc<dyn Service>) -> Arc<dyn Service> {
        match help {
            Some(help) => Arc::new(Helpful { help, service }),
            None => service,
        }
    }
}

struct Helpful {
    help: LoginHelp,
    service: Arc<dyn Service>,
}

impl Service for Helpful {
    fn call(&self, request: Request, context: Context) -> Reply {
        let help = self.help.clone();
        self.service.call(request, context).map(move |outcome| match outcome {
            Outcome::Error(error) if is_unauthorized(&error) => {
                let message = format!("{}; {}", error.message, help.0);
                Outcome::Error(Error { message: message.into(), ..error })
            }
            outcome => outcome,
        })
    }
}

/// Whether an error stands for the HTTP status 401.
fn is_unauthorized(error: &Error) -> bool {
    let status = error.data.as_ref().and_then(|data| data.member("httpStatus"));
    status.is_some_and(|status| status.as_str() == "401")
}

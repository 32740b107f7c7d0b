use std::future::Future;

use anyport_protocol::types::{
    CreateMessageRequestParams, CreateMessageResult, ElicitAction, LoggingMessageNotificationParams, Root,
};

use super::form::{ElicitAnswer, Form, Page};

/// Answers a server's questions, as one value. Single functions on the [`Builder`](crate::Builder) do the same.
///
/// A client declares what [`Handler::answers`] says, and a server asks nothing else.
pub trait Handler: Send + Sync + 'static {
    /// Which of the functions below are there.
    fn answers(&self) -> Answers;

    /// Lets the user fill in a form.
    fn elicit(&self, form: Form) -> impl Future<Output = ElicitAnswer> + Send {
        let _ = form;
        async { ElicitAnswer::Cancel }
    }

    /// Lets the user decide on visiting a page.
    fn visit(&self, page: Page) -> impl Future<Output = ElicitAction> + Send {
        let _ = page;
        async { ElicitAction::Cancel }
    }

    /// Asks the model.
    fn sample(
        &self,
        question: CreateMessageRequestParams,
    ) -> impl Future<Output = Result<CreateMessageResult, Refused>> + Send {
        let _ = question;
        async { Err(Refused::new("nobody asks a model here")) }
    }

    /// The folders that the server may work in, as `file:` URIs.
    fn roots(&self) -> impl Future<Output = Result<Vec<Root>, Refused>> + Send {
        async { Err(Refused::new("there are no roots here")) }
    }

    /// Takes a log message. Which are sent, [`Builder::on_log`](crate::Builder::on_log) says; with a handler, those of
    /// [`Answers::log`].
    fn log(&self, message: LoggingMessageNotificationParams) {
        let _ = message;
    }
}

/// Which questions a [`Handler`] answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// [`Handler::elicit`] is there.
    pub elicit: bool,
    /// [`Handler::visit`] is there.
    pub visit: bool,
    /// [`Handler::sample`] is there.
    pub sample: bool,
    /// It can offer tools to the model.
    pub sample_tools: bool,
    /// [`Handler::roots`] is there.
    pub roots: bool,
    /// From which severity on [`Handler::log`] wants messages; `None`: none at all.
    pub log: Option<anyport_protocol::meta::LogLevel>,
}

/// The refusal of a server request, by the user or for lack of an answer. Its call ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl Refused {
    /// Refuses for the reason `why`, which the server receives.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

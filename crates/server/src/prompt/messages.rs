use std::fmt::Display;

use anyport_protocol::{
    Error,
    types::{ContentBlock, PromptMessage, Role},
};

use crate::{Failure, error::ErrorReport};

/// The messages of a prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messages {
    /// The description of these messages, if it differs from the listed one.
    pub description: Option<String>,
    /// The messages.
    pub messages: Vec<PromptMessage>,
}

impl Messages {
    /// No messages yet.
    ///
    /// ```
    /// use anyport_protocol::types::{ContentBlock, ResourceContents};
    /// use anyport_server::Messages;
    ///
    /// let messages = Messages::new()
    ///     .assistant("Show me the plan.")
    ///     .user(ContentBlock::image(b"...", "image/png"))
    ///     .user(ResourceContents::text("notes:///plan", "1. Build it."));
    /// # let _ = messages;
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The description of these messages, if it differs from the listed one.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds what the person says: text, or any other content.
    #[must_use]
    pub fn user(mut self, content: impl Into<ContentBlock>) -> Self {
        self.messages.push(PromptMessage::user(content));
        self
    }

    /// Adds what the model says: text, or any other content.
    #[must_use]
    pub fn assistant(mut self, content: impl Into<ContentBlock>) -> Self {
        self.messages.push(PromptMessage::assistant(content));
        self
    }
}

/// The return types of a prompt's function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the messages of a prompt",
    note = "return text (one message of the user's), `Messages`, a `PromptMessage` or a list of them",
    note = "or a list of pairs like `(Role::User, \"text\")`",
    note = "or a `Result` of one of these"
)]
pub trait IntoMessages {
    /// The messages.
    ///
    /// # Errors
    /// What ends the request instead.
    fn into_messages(self) -> Result<Messages, Error>;
}

impl IntoMessages for Messages {
    fn into_messages(self) -> Result<Messages, Error> {
        Ok(self)
    }
}

impl IntoMessages for Vec<PromptMessage> {
    fn into_messages(self) -> Result<Messages, Error> {
        Ok(Messages { messages: self, description: None })
    }
}

impl IntoMessages for PromptMessage {
    fn into_messages(self) -> Result<Messages, Error> {
        vec![self].into_messages()
    }
}

impl<const N: usize> IntoMessages for [PromptMessage; N] {
    fn into_messages(self) -> Result<Messages, Error> {
        Vec::from(self).into_messages()
    }
}

/// Roles and contents.
impl<C: Into<ContentBlock>> IntoMessages for Vec<(Role, C)> {
    fn into_messages(self) -> Result<Messages, Error> {
        let message = |(role, content): (Role, C)| PromptMessage { role, ..PromptMessage::user(content) };
        self.into_iter().map(message).collect::<Vec<_>>().into_messages()
    }
}

/// Roles and contents.
impl<C: Into<ContentBlock>, const N: usize> IntoMessages for [(Role, C); N] {
    fn into_messages(self) -> Result<Messages, Error> {
        Vec::from(self).into_messages()
    }
}

/// One message of the user's.
impl IntoMessages for ContentBlock {
    fn into_messages(self) -> Result<Messages, Error> {
        PromptMessage::user(self).into_messages()
    }
}

impl IntoMessages for String {
    fn into_messages(self) -> Result<Messages, Error> {
        PromptMessage::user(ContentBlock::text(self)).into_messages()
    }
}

impl IntoMessages for &'static str {
    fn into_messages(self) -> Result<Messages, Error> {
        PromptMessage::user(ContentBlock::text(self)).into_messages()
    }
}

/// An `Err` ends the request with -32603 and its words; see [`crate::ErrorKind`] for those that say more than words.
impl<T: IntoMessages, E: Display + 'static> IntoMessages for Result<T, E> {
    fn into_messages(self) -> Result<Messages, Error> {
        self.map_err(|error| ErrorReport::of(&error).into_error())?.into_messages()
    }
}

/// An `Err` is the protocol error that ends the request.
impl<T: IntoMessages> IntoMessages for Result<T, Failure> {
    fn into_messages(self) -> Result<Messages, Error> {
        self.map_err(|Failure(error)| error)?.into_messages()
    }
}

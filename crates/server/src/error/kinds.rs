use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

/// Errors that are a message with a heading.
macro_rules! named {
    ($($(#[$attribute:meta])* $name:ident: $heading:literal;)*) => { $(
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            /// An error with a message for the caller.
            pub fn new(words: impl Into<Cow<'static, str>>) -> Self {
                Self(words.into())
            }

            /// The message.
            pub fn words(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($heading, ": {}"), self.0)
            }
        }

        impl std::error::Error for $name {}
    )* };
}

named! {
    /// Not found. The message names what is missing: `note 7`.
    ///
    /// For a resource it means that nothing has its URI.
    ///
    /// ```
    /// use anyport_server::NotFound;
    ///
    /// assert_eq!(NotFound::new("note 7").to_string(), "not found: note 7");
    /// ```
    NotFound: "not found";
    /// The caller may not do this. The message says what, and what would be needed.
    ///
    /// ```
    /// use anyport_server::PermissionDenied;
    ///
    /// let error = PermissionDenied::new("only its author deletes a note");
    /// assert_eq!(error.to_string(), "permission denied: only its author deletes a note");
    /// ```
    PermissionDenied: "permission denied";
    /// The context of the call does not allow it: a conversation that is over, a session that knows no user.
    ///
    /// ```
    /// use anyport_server::ContextError;
    ///
    /// assert_eq!(ContextError::new("nobody has signed in").to_string(), "wrong context: nobody has signed in");
    /// ```
    ContextError: "wrong context";
    /// The state of things does not allow it, though another time it may: an order that was shipped already.
    ///
    /// ```
    /// use anyport_server::StateError;
    ///
    /// assert_eq!(StateError::new("order 5 was shipped").to_string(), "wrong state: order 5 was shipped");
    /// ```
    StateError: "wrong state";
}

/// The caller does this too often.
///
/// ```
/// use std::time::Duration;
///
/// use anyport_server::RateLimited;
///
/// let error = RateLimited::after(Duration::from_secs(30));
/// assert_eq!(error.to_string(), "rate limited: try again in 30 s");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimited {
    retry_after: Option<Duration>,
}

impl RateLimited {
    /// A limit without a known time of retry.
    pub fn new() -> Self {
        Self::default()
    }

    /// It may be tried again after `wait`.
    pub fn after(wait: Duration) -> Self {
        Self { retry_after: Some(wait) }
    }

    /// When it may be tried again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retry_after {
            None => f.write_str("rate limited: try again later"),
            // Rounded up: trying too early only costs another refusal.
            Some(wait) => write!(f, "rate limited: try again in {} s", wait.as_millis().div_ceil(1000)),
        }
    }
}

impl std::error::Error for RateLimited {}

/// An internal fault of the server. The caller gets the message; the cause is only logged, since it may contain a path, a
/// query or a host.
///
/// 2026-07-28, server/tools §Error Handling, counts "Server errors" among the protocol errors, so it ends the call
/// with -32603 even where it is a tool's.
///
/// ```
/// use anyport_server::InternalError;
///
/// let error = InternalError::hiding(std::io::Error::other("/var/db is gone"));
/// assert_eq!(error.to_string(), "internal error");
/// let error = InternalError::hiding(std::io::Error::other("/var/db is gone")).with_words("notes cannot be read");
/// assert_eq!(error.to_string(), "internal error: notes cannot be read");
/// ```
#[derive(Clone)]
pub struct InternalError {
    words: Cow<'static, str>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl InternalError {
    /// A fault with a message that the caller may read.
    pub fn new(words: impl Into<Cow<'static, str>>) -> Self {
        Self { words: words.into(), cause: None }
    }

    /// Makes an error with a cause that is only logged: any error, also an `anyhow::Error` or text.
    pub fn hiding(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { words: Cow::Borrowed(""), cause: Some(cause.into().into()) }
    }

    /// Adds a message that the caller may read.
    #[must_use]
    pub fn with_words(mut self, words: impl Into<Cow<'static, str>>) -> Self {
        self.words = words.into();
        self
    }
}

impl fmt::Display for InternalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.words {
            "" => f.write_str("internal error"),
            words => write!(f, "internal error: {words}"),
        }
    }
}

impl fmt::Debug for InternalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InternalError").field("words", &self.words).field("cause", &self.cause).finish()
    }
}

impl std::error::Error for InternalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

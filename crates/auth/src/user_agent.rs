use std::{future::Future, pin::Pin};

/// Shows pages to the user who signs in.
pub trait UserAgent: Send + Sync + 'static {
    /// Shows the page at `url`. Returns the URL that the browser was sent to at the end, if the user brings it; `None` if the
    /// browser itself brings it to this machine.
    ///
    /// # Errors
    /// Why it cannot be shown, in words.
    fn visit<'a>(
        &'a self,
        url: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>>;

    /// Whether it always brings the URL that the browser was sent to, so that nothing is to listen for the answer here: the
    /// redirect URI is a page of its own.
    fn brings_answers(&self) -> bool {
        false
    }
}

use anyport_service::ServerRequest;

use crate::ServerInfo;

/// Answers the server requests that belong to no call, on every connection.
pub trait AnswerRequests: Send + Sync + 'static {
    /// Takes `request` of the server that `server` describes.
    ///
    /// # Errors
    /// Returns the request if it is declined.
    fn answer(&self, server: &ServerInfo, request: ServerRequest) -> Result<(), ServerRequest>;
}

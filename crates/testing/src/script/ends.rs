use std::future::Future;

use serde_json::Value;

/// The played side's end of a connection.
pub(super) trait Ends: Send {
    fn send(&mut self, message: &Value) -> impl Future<Output = Result<(), String>> + Send;
    /// Returns the other side's message; text that is not JSON is an error. `None` if it has closed.
    fn receive(&mut self) -> impl Future<Output = Option<Result<Value, String>>> + Send;
    /// Says no more.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
    /// Breaks off.
    fn exit(&mut self) -> impl Future<Output = ()> + Send;
}

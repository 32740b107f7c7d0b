//! What a handler sends its caller during the call: progress and log messages.

use std::time::Duration;

use anyport_protocol::{Method, Raw, json::string, meta::LogLevel};
use anyport_service::{Event, Notification};
use serde::Serialize;

use super::call::Context;
use crate::write::write_number;

/// An amount of progress: any number, or `None` for an unknown total. A number that is not finite is unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProgressValue(Option<f64>);

impl From<Option<f64>> for ProgressValue {
    fn from(value: Option<f64>) -> Self {
        Self(value.filter(|value| value.is_finite()))
    }
}

macro_rules! numbers {
    ($($number:ty)*) => { $(
        impl From<$number> for ProgressValue {
            #[allow(clippy::cast_lossless, clippy::cast_precision_loss, reason = "JSON has no other numbers")]
            fn from(value: $number) -> Self {
                Some(value as f64).into()
            }
        }
    )* };
}

numbers! { f32 f64 i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

impl Context {
    /// Sends a progress notification, if the caller sent a progress token. A value that is not larger than the last one
    /// is dropped, and so is any value after the call has ended.
    ///
    /// 2026-07-28, progress §Progress Flow: "The `progress` value MUST increase with each notification, even if the
    /// total is unknown."
    ///
    /// ```
    /// # use anyport_server::Context;
    /// # async fn f(context: &Context, pages: &[String]) {
    /// for (index, page) in pages.iter().enumerate() {
    ///     context.progress(index + 1, pages.len(), page.as_str()).await;
    /// }
    /// context.progress(0.5, None, None).await;
    /// # }
    /// ```
    pub async fn progress<'a>(
        &self,
        progress: impl Into<ProgressValue>,
        total: impl Into<ProgressValue>,
        message: impl Into<Option<&'a str>>,
    ) {
        let (ProgressValue(progress), ProgressValue(total), message) =
            (progress.into(), total.into(), message.into());
        let Some((progress, token)) = progress.zip(self.progress_token()).filter(|_| !self.is_over()) else {
            return;
        };
        let mut last = self.root().progress.lock().await;
        if last.is_some_and(|last| progress <= last) {
            return;
        }
        *last = Some(progress);
        let mut params = format!(r#"{{"progressToken":{token},"progress":"#);
        write_number(&mut params, progress);
        if let Some(total) = total {
            params.push_str(r#","total":"#);
            write_number(&mut params, total);
        }
        let mut params = params.into_bytes();
        if let Some(message) = message {
            params.extend_from_slice(br#","message":"#);
            string::write(&mut params, message);
        }
        params.push(b'}');
        self.notify(Method::Progress, Raw::trusted(params)).await;
    }

    /// Sends a log message (`notifications/message`), if the caller wants messages of this severity. `logger` names the
    /// source; `data` is any JSON value, often text. Data that cannot be written as JSON is dropped, with a warning in the
    /// server's own log.
    ///
    /// 2026-07-28, logging §Per-request log level: "The server MUST NOT emit `notifications/message` for a request
    /// that does not include this field."
    pub async fn log<'a>(&self, level: LogLevel, logger: impl Into<Option<&'a str>>, data: impl Serialize) {
        let logger = logger.into();
        if self.log_level().is_none_or(|least| level < least) || self.is_over() {
            return;
        }
        let data = match Raw::of(&data) {
            Ok(data) => data,
            Err(error) => return tracing::warn!(%error, "the data of a log message is no JSON"),
        };
        let mut params = format!(r#"{{"level":"{}""#, level.as_str()).into_bytes();
        if let Some(logger) = logger {
            params.extend_from_slice(br#","logger":"#);
            string::write(&mut params, logger);
        }
        params.extend_from_slice(br#","data":"#);
        params.extend_from_slice(data.as_str().as_bytes());
        params.push(b'}');
        self.notify(Method::LogMessage, Raw::trusted(params)).await;
    }

    /// Closes the caller's response stream; the client reconnects after `retry`, and the call continues meanwhile.
    /// Transports without resumable streams ignore it.
    pub async fn disconnect(&self, retry: Duration) {
        if !self.is_over() {
            self.emitter().emit(Event::Disconnect { retry }).await;
        }
    }

    async fn notify(&self, method: Method, params: Raw) {
        self.emitter().emit(Event::Notification(Notification { method, params })).await;
    }
}

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what one server sends and should not: text that is no message, and messages that are not allowed.
#[derive(Debug, Default)]
pub(crate) struct UnexpectedMessages(AtomicU64);

impl UnexpectedMessages {
    /// Counts one, and logs it the first times: a flood of them must not flood our own log.
    pub(crate) fn note(&self, why: &str, text: &[u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            let start = text[..text.len().min(120)].escape_ascii();
            tracing::warn!(count, why, text = %start, "unexpected message from the server");
        }
    }

    /// How many there were.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

//! Progress notifications: the value must increase.

use crate::{Method, Raw};

/// Keeps the rule that the progress of one request increases.
///
/// 2026-07-28, patterns/progress: "The `progress` value **MUST** increase with each notification, even if the total is
/// unknown."
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Increasing(Option<f64>);

impl Increasing {
    /// Whether `progress` is larger than all before it, and is thereby the last.
    pub fn accepts(&mut self, progress: f64) -> bool {
        let accepted = !progress.is_nan() && self.0.is_none_or(|last| progress > last);
        if accepted {
            self.0 = Some(progress);
        }
        accepted
    }

    /// Whether a notification may be sent: any that is not progress, and progress that [`Increasing::accepts`] its value.
    /// Progress without a number is left to its reader.
    pub fn admits(&mut self, method: Method, params: &Raw) -> bool {
        let progress = || params.member("progress")?.decode().ok();
        method != Method::Progress || progress().is_none_or(|progress| self.accepts(progress))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_larger_than_all_before_is_accepted() {
        let mut increasing = Increasing::default();
        let accepted = [-1.0, 0.5, 0.5, 0.4, f64::NAN, 3.0].map(|progress| increasing.accepts(progress));
        assert_eq!(accepted, [true, true, false, false, false, true]);
    }

    #[test]
    fn only_progress_is_held_to_the_rule() {
        let mut increasing = Increasing::default();
        let mut admits =
            |method, text: &'static [u8]| increasing.admits(method, &Raw::trusted(text.to_vec()));
        assert!(admits(Method::Progress, br#"{"progress":2}"#));
        assert!(!admits(Method::Progress, br#"{"progress":2}"#));
        assert!(admits(Method::LogMessage, br#"{"progress":1}"#));
        assert!(admits(Method::Progress, br#"{"progress":"half"}"#));
    }
}

//! Progress notifications: the value must increase.

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
}

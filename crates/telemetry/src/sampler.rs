use std::str::FromStr;

use crate::trace_context::TraceContext;

/// Which traces are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// The share of the traces that begin here: 0 to 1.
    pub ratio: f64,
    /// Whether the caller decides about traces that it has begun.
    pub follows_parent: bool,
}

/// All traces that begin here, and those that the caller records.
impl Default for Sampler {
    fn default() -> Self {
        Self { ratio: 1.0, follows_parent: true }
    }
}

impl Sampler {
    /// Whether the trace of `context` is recorded; `parent` is the span of the caller, if it has one.
    pub(crate) fn samples(self, context: TraceContext, parent: Option<TraceContext>) -> bool {
        match parent {
            Some(parent) if self.follows_parent => parent.is_sampled,
            _ => self.takes(context.trace_id),
        }
    }

    /// By the lower half of the id, so that every program with the same ratio takes the same traces.
    fn takes(self, trace_id: u128) -> bool {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the lower half; 0 to 2^63"
        )]
        let (id, bound) = (trace_id as u64 >> 1, (self.ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64);
        id < bound
    }
}

/// The names of `OTEL_TRACES_SAMPLER`. The ratio is another variable.
impl FromStr for Sampler {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let sampler = |ratio, follows_parent| Ok(Self { ratio, follows_parent });
        match name {
            "always_on" | "traceidratio" => sampler(1.0, false),
            "always_off" => sampler(0.0, false),
            "parentbased_always_on" | "parentbased_traceidratio" => sampler(1.0, true),
            "parentbased_always_off" => sampler(0.0, true),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_takes_its_share_and_a_parent_decides_before_it() {
        let taken = |ratio: f64| {
            let sampler = Sampler { ratio, follows_parent: true };
            // Spread evenly over all ids.
            (0..1_000_u128).filter(|id| sampler.takes((id << 64) / 1_000)).count()
        };
        assert_eq!([taken(0.0), taken(0.25), taken(1.0)], [0, 250, 1_000]);
        let root = TraceContext::root();
        let parent = |is_sampled| Some(TraceContext { is_sampled, ..root });
        let never = Sampler { ratio: 0.0, follows_parent: true };
        assert!(never.samples(root, parent(true)) && !never.samples(root, None));
        assert!(!Sampler::default().samples(root, parent(false)) && Sampler::default().samples(root, None));
        let alone: Sampler = "always_on".parse().unwrap();
        assert!(alone.samples(root, parent(false)));
        assert_eq!("sometimes".parse::<Sampler>(), Err(()));
    }
}

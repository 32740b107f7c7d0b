use std::{fmt, future::Future, pin::Pin};

use anyport_protocol::failure::Failure;

/// Follows one call for what records it, such as an audit log. Its [context](crate::Context::trail) carries it to those who
/// know what the layer that records cannot see.
pub trait CallTrail: fmt::Debug + Send + Sync + 'static {
    /// The call goes to the upstream server `name`. `None`: it may go at once. Otherwise it goes when the future completes, and
    /// fails with what that returns.
    fn to_upstream(&self, name: &str) -> Option<Admission>;

    /// The call uses the tool, prompt or URI that is listed as `name`. Clients may have another name for it, or call it by another tool. The
    /// first that says so counts.
    fn uses(&self, name: &str);

    /// The call is answered from the cache, in place of the upstream server `name`.
    fn answered_from_cache(&self, name: &str);

    /// The call is refused by `what`: a limit or a rule, by its name. The first that says so counts.
    fn refused_by(&self, what: &str);
}

/// Whether a call may go on, once that is known.
pub type Admission = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

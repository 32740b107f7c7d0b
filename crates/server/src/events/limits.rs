/// The most resources that one listen stream may subscribe to, unless [`crate::Builder::max_subscriptions`] says
/// otherwise.
pub const DEFAULT_MAX_SUBSCRIPTIONS: usize = 1_000;
/// The most listen streams that are open at a time, unless [`crate::Builder::max_listeners`] says otherwise.
///
/// Each takes about half a KiB, so all of them 5 MiB. There are as many as a transport has sessions and streams by
/// default: it is the transport that refuses first, and says so in its own words.
pub const DEFAULT_MAX_LISTENERS: usize = 10_000;
/// The most bytes that the URIs of all listen streams take together, unless
/// [`crate::Builder::max_subscription_bytes`] says otherwise.
pub const DEFAULT_MAX_SUBSCRIPTION_BYTES: usize = 64 << 20;

/// The limits of the listen streams of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListenLimits {
    pub(crate) max_subscriptions: usize,
    pub(crate) max_subscription_bytes: usize,
    pub(crate) max_listeners: usize,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            max_subscriptions: DEFAULT_MAX_SUBSCRIPTIONS,
            max_subscription_bytes: DEFAULT_MAX_SUBSCRIPTION_BYTES,
            max_listeners: DEFAULT_MAX_LISTENERS,
        }
    }
}

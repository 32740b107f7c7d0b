//! Accepting connections, for every listener.

use std::{collections::HashMap, future::Future, io, net::IpAddr, sync::Arc, time::Duration};

use anyport_metrics::Held;
use anyport_service::sync::Lock;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    descriptors::{self, SpareDescriptor},
    refusals::Refusals,
};

/// A listening socket: what differs between listeners in accepting connections.
pub(crate) trait Acceptor {
    /// A connection that may be served.
    type Connection: Send;

    /// Waits for the next connection. Cancel-safe. `None` for one that is closed at once, because its peer may not call.
    ///
    /// # Errors
    /// Why a connection was not accepted; others may follow.
    fn accept(&self) -> impl Future<Output = io::Result<Option<Self::Connection>>> + Send;

    /// The number of the connection's file descriptor, where there are some.
    fn descriptor(connection: &Self::Connection) -> Option<u64>;

    /// The network of the client's address; `None` for one that is not bounded by it.
    fn network(&self, connection: &Self::Connection) -> Option<IpAddr>;

    /// Serves a connection, in a task of its own. `permit` counts it among the open ones.
    fn serve(
        &self,
        connection: Self::Connection,
        permit: ConnectionPermit,
    ) -> impl Future<Output = ()> + Send + 'static;

    /// Refuses a connection beyond the limit called `limit`. `permit` counts it among those that are refused and still open;
    /// without one, it must be closed at once.
    fn reject(&self, connection: Self::Connection, limit: &'static str, permit: Option<ConnectionPermit>);
}

/// A connection that is open, counted as one until this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    _permit: OwnedSemaphorePermit,
    _held: Option<Held>,
    _of_network: Option<NetworkPermit>,
}

/// The number of open connections, by the network of their clients.
type ByNetwork = Arc<Lock<HashMap<IpAddr, usize>>>;

/// A connection among those of one network.
#[derive(Debug)]
struct NetworkPermit {
    all: ByNetwork,
    network: IpAddr,
}

impl NetworkPermit {
    /// One more connection from `network`, if there are fewer than `max`.
    fn take(all: &ByNetwork, network: IpAddr, max: usize) -> Option<Self> {
        let mut counts = all.lock();
        let count = counts.entry(network).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Self { all: all.clone(), network })
    }
}

impl Drop for NetworkPermit {
    fn drop(&mut self) {
        let mut counts = self.all.lock();
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

/// The bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// `max_connections`.
    pub(crate) connections: usize,
    /// `max_connections_per_address`.
    pub(crate) per_address: usize,
    /// `max_descriptors_percent`.
    pub(crate) descriptors_percent: u32,
}

/// Accepts connections until `stop` completes, within `limits`. Returns those that are open then.
pub(crate) async fn accept<A: Acceptor>(
    acceptor: &A,
    limits: ConnectionLimits,
    refusals: &Refusals,
    stop: impl Future<Output = ()>,
) -> JoinSet<()> {
    let mut gate = Gate::new(limits, refusals.clone());
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return connections,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = acceptor.accept() => match accepted {
                Ok(Some(connection)) => match gate.admit(A::descriptor(&connection), acceptor.network(&connection)) {
                    Ok(permit) => drop(connections.spawn(acceptor.serve(connection, permit))),
                    Err(limit) => acceptor.reject(connection, limit, gate.begin_refusal()),
                },
                Ok(None) => {}
                Err(error) if descriptors::are_used_up(&error) && gate.spare.free() => {
                    gate.refuse_without_descriptor(acceptor).await;
                }
                // Out of file descriptors, or the client is gone already: neither ends the listener.
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    sleep(RETRY).await;
                    gate.spare = SpareDescriptor::open();
                }
            },
        }
    }
}

/// Waits until all connections have ended, at most for `limit`; what is open then is closed.
pub(crate) async fn drain(mut connections: JoinSet<()>, limit: Duration) {
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(limit, all).await.is_err() {
        tracing::warn!("connections were cut at the end of the drain time");
    }
}

/// The pause after a connection that was not accepted.
const RETRY: Duration = Duration::from_millis(50);

/// The number of connections that are refused and still open, so that their clients can read why.
const MAX_REFUSED: usize = 64;

/// Decides which connections are served.
struct Gate {
    limits: ConnectionLimits,
    refusals: Refusals,
    permits: Arc<Semaphore>,
    by_network: ByNetwork,
    /// For connections that are refused.
    refused: Arc<Semaphore>,
    spare: SpareDescriptor,
    /// Whether the last connection was refused for want of descriptors: the log says so once.
    is_short: bool,
}

impl Gate {
    fn new(limits: ConnectionLimits, refusals: Refusals) -> Self {
        let permits = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        // They have descriptors as well: most of the reserve is for the calls on open connections.
        let reserve = descriptors::max().map_or(u64::MAX, |max| max - bound(max, limits.descriptors_percent));
        let refused = usize::try_from(reserve / 4).unwrap_or(usize::MAX).clamp(1, MAX_REFUSED);
        Self {
            limits,
            refusals,
            permits,
            by_network: ByNetwork::default(),
            refused: Arc::new(Semaphore::new(refused)),
            spare: SpareDescriptor::open(),
            is_short: false,
        }
    }

    /// Admits a connection whose descriptor has this number, from this network.
    ///
    /// # Errors
    /// The name of the limit that is reached.
    fn admit(
        &mut self,
        descriptor: Option<u64>,
        network: Option<IpAddr>,
    ) -> Result<ConnectionPermit, &'static str> {
        if self.is_beyond_descriptors(descriptor) {
            self.refusals.descriptors.increment();
            return Err(MAX_DESCRIPTORS_PERCENT);
        }
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            self.refusals.connections.increment();
            return Err(MAX_CONNECTIONS);
        };
        let max = self.limits.per_address;
        let of_network = network.map(|network| NetworkPermit::take(&self.by_network, network, max).ok_or(()));
        let Ok(of_network) = of_network.transpose() else {
            self.refusals.connections_per_address.increment();
            return Err(MAX_CONNECTIONS_PER_ADDRESS);
        };
        let held = Some(self.refusals.open_connections.hold());
        Ok(ConnectionPermit { _permit: permit, _held: held, _of_network: of_network })
    }

    /// Whether more descriptors are open than listeners may use. A new one has the lowest number that is free (POSIX, "File
    /// Descriptor Allocation"), so that all lower ones are open.
    fn is_beyond_descriptors(&mut self, descriptor: Option<u64>) -> bool {
        let max = descriptor.and_then(|_| descriptors::max());
        let is_short = descriptor
            .zip(max)
            .is_some_and(|(number, max)| number >= bound(max, self.limits.descriptors_percent));
        if is_short && !self.is_short {
            let (open, max) = (descriptor.unwrap_or_default(), max.unwrap_or_default());
            tracing::warn!(
                open,
                max,
                "connections are refused: too many file descriptors are open (max_descriptors_percent)"
            );
        }
        self.is_short = is_short;
        is_short
    }

    /// A connection that is refused, and open until its client has read why; `None` if there are too many of these.
    fn begin_refusal(&self) -> Option<ConnectionPermit> {
        let permit = self.refused.clone().try_acquire_owned().ok()?;
        Some(ConnectionPermit { _permit: permit, _held: None, _of_network: None })
    }

    /// Refuses the next connection with the descriptor that was kept for this. Without it, the connection would wait in the
    /// queue of the listener, and its client would never learn why.
    async fn refuse_without_descriptor(&mut self, acceptor: &impl Acceptor) {
        if let Ok(Ok(Some(connection))) = timeout(RETRY, acceptor.accept()).await {
            self.refusals.descriptors.increment();
            acceptor.reject(connection, MAX_DESCRIPTORS_PERCENT, None);
        } else {
            // Another part of the program has taken it.
            sleep(RETRY).await;
        }
        self.spare = SpareDescriptor::open();
    }
}

pub(crate) const MAX_CONNECTIONS: &str = "max_connections";
pub(crate) const MAX_CONNECTIONS_PER_ADDRESS: &str = "max_connections_per_address";
pub(crate) const MAX_DESCRIPTORS_PERCENT: &str = "max_descriptors_percent";

/// The descriptors of `max` that may be open before listeners accept no more.
fn bound(max: u64, percent: u32) -> u64 {
    u64::try_from(u128::from(max) * u128::from(percent.min(100)) / 100).unwrap_or(max)
}

/// What the client of a refused connection is told.
pub(crate) fn why(limit: &str) -> String {
    let what = match limit {
        MAX_CONNECTIONS => "too many connections are open",
        MAX_CONNECTIONS_PER_ADDRESS => "too many connections from one address are open",
        _ => "too many file descriptors are open",
    };
    format!("{what} ({limit}); try again later")
}

#[cfg(test)]
mod tests {
    use anyport_metrics::Metrics;

    use super::*;

    #[test]
    fn the_number_of_a_descriptor_says_how_many_are_open() {
        let limits = ConnectionLimits { connections: 1, per_address: 1, descriptors_percent: 50 };
        let metrics = Metrics::new();
        let mut gate = Gate::new(limits, Refusals::new(&metrics));
        let Some(max) = descriptors::max() else { return };
        assert_eq!(gate.admit(Some(max / 2 + 1), None).unwrap_err(), MAX_DESCRIPTORS_PERCENT);
        let open = gate.admit(Some(3), None).unwrap();
        assert_eq!(gate.admit(Some(4), None).unwrap_err(), MAX_CONNECTIONS);
        assert_eq!(metrics.gauge("anyport_connections", "").value(), 1);
        drop(open);
        // Where there are no numbers, nothing is known of descriptors.
        drop(gate.admit(None, None).unwrap());
        for limit in [MAX_CONNECTIONS, MAX_DESCRIPTORS_PERCENT] {
            assert_eq!(metrics.refusals(limit).value(), 1);
        }
    }

    #[test]
    fn a_hundred_percent_refuse_no_descriptor() {
        let Some(max) = descriptors::max() else { return };
        // The highest number that a descriptor can have.
        let highest = max - 1;
        for percent in [100, 101, u32::MAX] {
            let limits = ConnectionLimits { connections: 9, per_address: 9, descriptors_percent: percent };
            let metrics = Metrics::new();
            let mut gate = Gate::new(limits, Refusals::new(&metrics));
            for number in [0, 3, max / 2, highest] {
                assert!(gate.admit(Some(number), None).is_ok(), "{percent} %: {number} of {max}");
            }
            assert_eq!(metrics.refusals(MAX_DESCRIPTORS_PERCENT).value(), 0);
            // Nothing is kept for them, and yet one client at a time is told why it is refused.
            assert!(gate.begin_refusal().is_some(), "{percent} %");
        }
        assert_eq!(
            (bound(max, 100), bound(u64::MAX, 100), bound(u64::MAX, 50)),
            (max, u64::MAX, u64::MAX / 2)
        );
    }

    #[test]
    fn one_address_leaves_places_to_others() {
        let limits = ConnectionLimits { connections: 3, per_address: 2, descriptors_percent: 100 };
        let metrics = Metrics::new();
        let mut gate = Gate::new(limits, Refusals::new(&metrics));
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse::<IpAddr>().ok());
        let mut open = vec![gate.admit(None, one).unwrap(), gate.admit(None, one).unwrap()];
        assert_eq!(gate.admit(None, one).unwrap_err(), MAX_CONNECTIONS_PER_ADDRESS);
        drop(gate.admit(None, other).unwrap());
        drop(gate.admit(None, None).unwrap());
        open.pop();
        open.push(gate.admit(None, one).unwrap());
        drop(open);
        assert!(gate.by_network.lock().is_empty());
        assert_eq!(metrics.refusals(MAX_CONNECTIONS_PER_ADDRESS).value(), 1);
    }
}

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::{
    canary::{Owner, Search},
    tally::Tally,
};

/// A way to the gateway on which every byte that comes back is searched for what the principal must not get. It ends with this.
#[derive(Debug)]
pub(super) struct Tap {
    address: SocketAddr,
    task: AbortHandle,
}

impl Tap {
    /// One before the gateway at `gateway`, for a visit of `owner`.
    pub(super) async fn before(
        gateway: SocketAddr,
        owner: &Owner,
        visit: &str,
        tally: &Arc<Tally>,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (owner, visit, tally) = (owner.clone(), Arc::<str>::from(visit), tally.clone());
        let serving = async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let found = Found { visit: visit.clone(), tally: tally.clone(), owner: owner.clone() };
                connections.spawn(carry(client, gateway, found));
                while connections.try_join_next().is_some() {}
            }
        };
        Ok(Self { address, task: tokio::spawn(serving).abort_handle() })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where a crossing is reported.
struct Found {
    visit: Arc<str>,
    tally: Arc<Tally>,
    owner: Owner,
}

/// Carries the bytes of one connection until either side closes it: an error is such an end, too.
async fn carry(client: TcpStream, gateway: SocketAddr, found: Found) {
    let Ok(server) = TcpStream::connect(gateway).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        // The gateway sees that its client has gone.
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let mut search = Search::new(found.owner.clone());
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count) = from_server.read(&mut buffer).await {
            if count == 0 {
                break;
            }
            if let Some(crossing) = search.feed(&buffer[..count]) {
                found.tally.violation(format!("{}: received {crossing}", found.visit));
            }
            found.tally.received(count);
            if to_client.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant: A foreign canary that a gateway sends to a principal is reported with the seed's visit and the bytes around.
    #[tokio::test]
    async fn a_crossing_on_a_connection_is_reported() {
        let [own, other] = [Owner::new(1, 0), Owner::new(1, 1)];
        for (text, count) in [(own.canary(1), 0), (other.canary(1), 1)] {
            let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let tally = Arc::new(Tally::default());
            let tap = Tap::before(gateway.local_addr().unwrap(), &own, "visit 3", &tally).await.unwrap();
            let mut client = TcpStream::connect(tap.address()).await.unwrap();
            let (mut server, _) = gateway.accept().await.unwrap();
            server.write_all(format!("x: {text}\r\n").as_bytes()).await.unwrap();
            drop(server);
            let mut received = String::new();
            client.read_to_string(&mut received).await.unwrap();
            let violations = tally.violations();
            assert_eq!(violations.len(), count, "{violations:?}");
            assert!(
                violations.iter().all(|one| one.starts_with("visit 3: received ") && one.contains(&text))
            );
        }
    }
}

//! A cluster of three servers, whose leaders are killed.

use std::time::Duration;

use anyport_store::{
    Address, Durability, Error, JetStreamStore, Key, Store, Version, Write,
    suite::{BUCKETS, LOG},
};
use tokio::time::{sleep, timeout};

use crate::nats::{Release, Server, ask, options};

/// Long enough for an election on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn address(servers: &[Server]) -> Address {
    let hosts = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect::<Vec<_>>();
    format!("nats://{}", hosts.join(",")).parse().unwrap()
}

/// Writes until it is acknowledged. What is unknown is written again, as a log may have it twice.
async fn put(store: &JetStreamStore, key: &Key, value: &str) {
    let trying = async {
        loop {
            match store.put(key, value.to_owned().into(), Write::ANY).await {
                Ok(_) => return,
                Err(Error::Unreachable | Error::Unknown) => sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(PATIENCE, trying).await.unwrap();
}

/// The number of the server that leads the stream of logs.
fn leader(servers: &[Server]) -> Option<usize> {
    let said =
        servers.iter().filter_map(|server| ask(server.port, "$JS.API.STREAM.INFO.AP_anyport_log", "").ok());
    let mut infos = said.filter_map(|said| serde_json::from_str::<serde_json::Value>(&said).ok());
    let leader = infos.find_map(|info| info["cluster"]["leader"].as_str().map(str::to_owned))?;
    servers.iter().position(|server| server.settings().contains(&format!("server_name: {leader}\n")))
}

/// Invariant: A write that three servers of NATS acknowledged is not lost when the one that leads is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_what_was_acknowledged_without_its_leader() {
    for release in [Release::Old, Release::New] {
        let Some(mut servers) = Server::cluster(release) else { continue };
        let store = JetStreamStore::new(address(&servers), BUCKETS, options());
        let key = Key::new(&LOG, "a");
        for number in 0..20 {
            put(&store, &key, &number.to_string()).await;
        }
        assert_eq!(store.status().durability, Durability::Servers { replicas: 3 }, "{release:?}");
        let leading = leader(&servers).unwrap();
        servers[leading].kill();
        for number in 20..40 {
            put(&store, &key, &number.to_string()).await;
        }
        let read = async {
            loop {
                match store.read(&key, Version::START, 1_000).await {
                    Ok(page) => return page,
                    Err(Error::Unreachable) => sleep(Duration::from_millis(50)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let page = timeout(PATIENCE, read).await.unwrap();
        let mut there: Vec<u32> =
            page.iter().map(|entry| String::from_utf8_lossy(&entry.value).parse().unwrap()).collect();
        there.dedup();
        assert_eq!(there, (0..40).collect::<Vec<_>>(), "{release:?}");
    }
}

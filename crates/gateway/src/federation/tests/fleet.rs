//! Invariant: A federation that is restarted loses no tool, however slowly its members start.

use anyport_adapters::ParkLimits;
use anyport_metrics::Metrics;
use anyport_seal::{Key, Sealer};
use anyport_service::SessionId;
use anyport_store::{BLOB, MemoryStore, Store as _};
use anyport_upstream::Upstream;
use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    Bridge, CATALOGS, CatalogRecord,
    test_server::{self, Farm},
};

const FLEET: usize = 20;

/// Servers that take 30 s to start, half of each era.
fn slow_servers() -> Vec<Farm> {
    let revision = |number: usize| if number.is_multiple_of(2) { LEGACY } else { MODERN };
    (0..FLEET).map(|number| Farm::new(revision(number)).slow(seconds(30), Duration::ZERO)).collect()
}

/// A federation of bridges to `farms`, whose lists are cached in `store`.
fn gateway(farms: &[Farm], store: &Arc<MemoryStore>) -> Federation {
    let supported: Arc<[Revision]> = Revision::ALL.into_iter().rev().collect();
    federation(farms.iter().enumerate().map(|(number, farm)| {
        let name = format!("s{number:02}");
        let sealer = Sealer::new(&Key::from_bytes([7; 32]));
        let upstream = Upstream::builder(&*name, farm.clone()).park(sealer, ParkLimits::default()).build();
        let catalog = CatalogRecord::new(store.clone(), &*name);
        Member::new(name, Arc::new(Bridge::new(upstream, supported.clone(), Some(catalog))))
    }))
}

/// A store for the last known lists.
fn catalogs() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(&[&CATALOGS, &BLOB], &Metrics::new()))
}

/// Waits until the lists of all servers are stored.
async fn written(store: &MemoryStore) {
    for _ in 0..1_000 {
        let records = store.list(&anyport_store::Key::all(&CATALOGS), None, FLEET).await.unwrap();
        let has_tools = |value: &[u8]| String::from_utf8_lossy(value).contains("tools/list");
        if records.iter().filter(|(_, entry)| has_tools(&entry.value)).count() == FLEET {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("not all lists were stored");
}

#[tokio::test(start_paused = true)]
async fn a_cold_fleet_answers_at_once_from_what_was_known() {
    let store = catalogs();
    let first = gateway(&slow_servers(), &store);
    let begun = Instant::now();
    assert_eq!((tools(&first).await.len(), begun.elapsed()), (0, seconds(5)), "nothing is known yet");
    sleep(seconds(60)).await;
    let all = tools(&first).await;
    assert_eq!(all.len(), 2 * FLEET);
    written(&store).await;
    drop(first);

    let farms = slow_servers();
    let again = gateway(&farms, &store);
    let begun = Instant::now();
    let clients: Vec<Context> = (0..10).map(|_| modern().with_session(SessionId::next())).collect();
    for client in &clients {
        assert_eq!(names(&again, Method::ToolsList, client.clone()).await, all);
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "no server is waited for");
    // Calls wait for their own server alone.
    for client in clients {
        let called = again.call(tool("s07_read", json!({})), client).outcome().await;
        assert_eq!(test_server::result(called)["called"], "read");
    }
    assert_eq!(begun.elapsed(), seconds(30));
    sleep(seconds(60)).await;
    assert_eq!(tools(&again).await, all);
    assert!(again.status().iter().all(|member| member.state == MemberState::Up));
    let started: Vec<usize> = farms.iter().map(Farm::connections).collect();
    assert_eq!(started, [1; FLEET], "ten clients share one connection to each");
}

#[tokio::test(start_paused = true)]
async fn one_member_that_fails_in_any_way_costs_the_others_nothing() {
    let others: Vec<Fake> = (0..FLEET).map(|_| Fake::new(&["x"])).collect();
    let bad = Fake::new(&["x"]);
    let members = others.iter().enumerate().map(|(number, fake)| member(&format!("m{number}"), fake));
    let federation = federation(std::iter::once(member("bad", &bad)).chain(members));
    assert_eq!(tools(&federation).await.len(), FLEET + 1);
    let hang = || _ = bad.clone().slow(seconds(9_999));
    let reads = bad.requests(Method::ToolsList).len();
    let flap = || bad.set_down(true);
    let flood = || (0..1_000).for_each(|_| bad.say(Method::ToolsChanged, json!({})));
    for fail in [&hang as &dyn Fn(), &flood, &flap] {
        fail();
        let begun = Instant::now();
        for number in 0..FLEET {
            result(&federation, tool(&format!("m{number}_x"), json!({}))).await;
        }
        assert_eq!(tools(&federation).await.len(), FLEET + 1);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        sleep(seconds(100)).await;
    }
    assert!(bad.requests(Method::ToolsList).len() <= reads + 20, "its notifications cost little");
    // It is back with its first answer.
    bad.clone().slow(Duration::ZERO);
    bad.set_down(false);
    result(&federation, tool("bad_x", json!({}))).await;
    assert_eq!(federation.status()[0].state, MemberState::Up);
}

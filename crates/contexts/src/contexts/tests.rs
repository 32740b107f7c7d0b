use std::{sync::Mutex, time::Duration};

use anyport_store::{BoxError, Clock, MemoryStore, Options, SqliteStore};
use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::LISTINGS;

/// Encrypts nothing.
struct Plain;

impl Sealer for Plain {
    fn seal(&self, _: &str, bytes: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(bytes.to_vec())
    }

    fn open(&self, _: &str, sealed: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(sealed.to_vec())
    }
}

const BUCKETS: [&Bucket; 2] = [&CONTEXTS, &LISTINGS];

fn of(store: impl Store) -> Contexts {
    Contexts::new(Arc::new(store), Arc::new(Plain), ContextLimits::default(), &Metrics::new())
}

fn in_memory() -> Contexts {
    of(MemoryStore::new(&BUCKETS, &Metrics::new()))
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("{value}") };
    object
}

fn variables(value: Value) -> Map<String, Value> {
    object(json!({ "variables": value }))
}

async fn set(
    contexts: &Contexts,
    who: &str,
    name: &str,
    value: Value,
) -> Result<Conversation, ContextsError> {
    contexts.update(who, name, None, &variables(value), Beginning::default()).await
}

/// Invariant: Agents that change one conversation at once lose no change of each other, and its versions are one chain.
#[tokio::test]
async fn no_change_is_lost_by_those_who_race() {
    let folder = tempfile::tempdir().unwrap();
    let open = || of(SqliteStore::new(folder.path().to_owned(), &BUCKETS, Options::default()));
    let (one, two) = (open(), open());
    let mut tasks = JoinSet::new();
    for number in 0..24 {
        let contexts = if number % 2 == 0 { one.clone() } else { two.clone() };
        tasks.spawn(async move {
            let changed = match number % 3 {
                0 => {
                    let entry = object(json!({ "entry": number }));
                    contexts.append("name:ada", "trip", vec![entry], Beginning::default()).await
                }
                _ => set(&contexts, "name:ada", "trip", json!({ number.to_string(): number })).await,
            };
            changed.unwrap().version
        });
    }
    let mut versions = tasks.join_all().await;
    versions.sort_unstable();
    assert_eq!(versions, (1..=24).collect::<Vec<u64>>());
    let last = two.get("name:ada", "trip", None).await.unwrap();
    assert_eq!((last.version, last.variables.len(), last.history.len()), (24, 16, 8));
    for version in 1..=24 {
        assert_eq!(one.get("name:ada", "trip", Some(version)).await.unwrap().version, version);
    }
}

#[tokio::test]
async fn a_conflict_has_the_current_version_and_changes_nothing() {
    let contexts = in_memory();
    let update = |expected, value| {
        let contexts = contexts.clone();
        async move {
            let patch = variables(json!({ "x": value }));
            contexts.update("name:ada", "trip", expected, &patch, Beginning::default()).await
        }
    };
    assert!(matches!(update(Some(3), 0).await, Err(ContextsError::NotThere(_))));
    assert_eq!(update(Some(0), 1).await.unwrap().version, 1);
    for expected in [0, 2] {
        let Err(ContextsError::Conflict(current)) = update(Some(expected), 5).await else { panic!() };
        assert_eq!((current.version, &current.variables["x"]), (1, &json!(1)));
        assert!(current.updates.is_empty(), "ids of changes are nobody's business");
    }
    assert_eq!(update(Some(1), 2).await.unwrap().variables["x"], 2);
    assert_eq!(contexts.get("name:ada", "trip", Some(1)).await.unwrap().variables["x"], 1);
    assert!(matches!(contexts.get("name:ada", "trip", Some(9)).await, Err(ContextsError::NoVersion(9, 2))));
}

/// Invariant: A conversation that is not shared with somebody is, for them, one that is not there.
#[tokio::test]
async fn a_stranger_sees_what_is_not_there() {
    let contexts = in_memory();
    set(&contexts, "name:ada", "trip", json!({"secret": 1})).await.unwrap();
    for name in ["name:ada/trip", "name:ada/none"] {
        let told = [
            contexts.get("name:bob", name, None).await.unwrap_err(),
            contexts.get("name:bob", name, Some(1)).await.unwrap_err(),
            set(&contexts, "name:bob", name, json!({})).await.unwrap_err(),
            contexts.append("name:bob", name, vec![Map::new()], Beginning::default()).await.unwrap_err(),
            contexts.share("name:bob", name, "name:bob", Some(May::Read)).await.unwrap_err(),
        ];
        for error in told {
            assert_eq!(error.to_string(), format!("there is no conversation {name:?}"));
        }
    }
    assert_eq!(contexts.list("name:bob", None, 9).await.unwrap().0, []);
    // His own of that id is another one.
    let own = set(&contexts, "name:bob", "trip", json!({"x": 2})).await.unwrap();
    assert_eq!((own.version, own.owner.as_str()), (1, "name:bob"));
    assert_eq!(contexts.get("name:ada", "trip", None).await.unwrap().variables, object(json!({"secret": 1})));
}

#[tokio::test]
async fn who_a_conversation_is_shared_with_may_as_much_as_was_granted() {
    let contexts = in_memory();
    set(&contexts, "name:ada", "trip", json!({"x": 1})).await.unwrap();
    let share = |to, may| {
        let contexts = contexts.clone();
        async move { contexts.share("name:ada", "trip", to, may).await.unwrap() }
    };
    share("name:bob", Some(May::Read)).await;
    assert_eq!(contexts.get("name:bob", "trip", None).await.unwrap().variables["x"], 1);
    assert_eq!(contexts.list("name:bob", None, 9).await.unwrap().0.len(), 1);
    assert!(matches!(
        set(&contexts, "name:bob", "trip", json!({"x": 2})).await,
        Err(ContextsError::Forbidden(_))
    ));
    share("name:bob", Some(May::Write)).await;
    assert_eq!(set(&contexts, "name:bob", "trip", json!({"x": 2})).await.unwrap().owner, "name:ada");
    let forbidden = contexts.share("name:bob", "trip", "name:eve", Some(May::Read)).await;
    assert!(matches!(forbidden, Err(ContextsError::Forbidden(_))));
    share("name:bob", Some(May::Share)).await;
    contexts.share("name:bob", "trip", "name:eve", Some(May::Read)).await.unwrap();
    assert!(contexts.get("name:eve", "name:ada/trip", None).await.is_ok());
    share("name:bob", None).await;
    assert!(matches!(contexts.get("name:bob", "trip", None).await, Err(ContextsError::NotThere(_))));
    assert_eq!(contexts.list("name:bob", None, 9).await.unwrap().0, []);
    // Two of one id are told apart by their owners.
    set(&contexts, "name:bob", "trip", json!({})).await.unwrap();
    contexts.share("name:bob", "trip", "name:eve", Some(May::Read)).await.unwrap();
    let Err(ContextsError::Several(names)) = contexts.get("name:eve", "trip", None).await else { panic!() };
    assert_eq!(names, ["name:ada/trip", "name:bob/trip"]);
}

#[tokio::test]
async fn those_that_have_ended_make_room() {
    let now = Arc::new(Mutex::new(std::time::SystemTime::now()));
    let clock = now.clone();
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().clock(Clock::new(move || *clock.lock().unwrap()));
    let store = SqliteStore::new(folder.path().to_owned(), &BUCKETS, options);
    let metrics = Metrics::new();
    let limits = ContextLimits { per_principal: 3, ..ContextLimits::default() };
    let contexts = Contexts::new(Arc::new(store), Arc::new(Plain), limits, &metrics);
    for id in ["a", "b", "c"] {
        set(&contexts, "name:ada", id, json!({})).await.unwrap();
    }
    assert!(matches!(set(&contexts, "name:ada", "d", json!({})).await, Err(ContextsError::TooMany(3))));
    assert!(matches!(set(&contexts, "name:ada", "d", json!({})).await, Err(ContextsError::TooMany(3))));
    assert_eq!(metrics.refusals("max_contexts").value(), 2);
    set(&contexts, "name:bob", "d", json!({})).await.unwrap();
    *now.lock().unwrap() += Duration::from_secs(6 * 24 * 60 * 60);
    set(&contexts, "name:ada", "b", json!({"x": 1})).await.unwrap();
    *now.lock().unwrap() += Duration::from_secs(2 * 24 * 60 * 60);
    set(&contexts, "name:ada", "d", json!({})).await.unwrap();
    let (left, next) = contexts.list("name:ada", None, 1).await.unwrap();
    assert_eq!((left[0].session_id.as_str(), next.as_deref()), ("b", Some("b")));
    let (left, next) = contexts.list("name:ada", next.as_deref(), 1).await.unwrap();
    assert_eq!((left[0].session_id.as_str(), next), ("d", None));
}

#[tokio::test]
async fn a_change_by_another_process_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let open = || of(SqliteStore::new(folder.path().to_owned(), &BUCKETS, Options::default()));
    let (one, two) = (open(), open());
    set(&one, "name:ada", "before", json!({})).await.unwrap();
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let watching = tokio::spawn(async move {
        two.watch(|conversation| _ = sender.send((conversation.session_id.clone(), conversation.version)))
            .await;
    });
    // Until the watch has begun, changes may be part of what was there.
    let mut version = 0;
    loop {
        set(&one, "name:ada", "trip", json!({"x": version})).await.unwrap();
        version += 1;
        if let Ok(Some((id, seen))) = tokio::time::timeout(Duration::from_millis(300), heard.recv()).await {
            assert_eq!(id, "trip");
            assert!(seen <= version);
            break;
        }
    }
    watching.abort();
}

#[tokio::test]
async fn what_is_no_id_is_told_so() {
    let contexts = in_memory();
    for name in ["", "a b", "x/", "../x y"] {
        let error = set(&contexts, "name:ada", name, json!({})).await.unwrap_err();
        assert!(matches!(error, ContextsError::NoName(_)), "{error}");
    }
}

#[tokio::test]
async fn every_limit_is_hit_and_counted() {
    let metrics = Metrics::new();
    let store = MemoryStore::new(&BUCKETS, &Metrics::new());
    let limits = ContextLimits { bytes: 1_500, history: 3, entry: 200, ..ContextLimits::default() };
    let contexts = Contexts::new(Arc::new(store), Arc::new(Plain), limits, &metrics);
    let append = |bytes: usize| {
        let entry = object(json!({ "text": "x".repeat(bytes) }));
        contexts.append("name:ada", "trip", vec![entry], Beginning::default())
    };
    let refused = append(300).await.unwrap_err().to_string();
    assert!(refused.ends_with("more than 200 (context_entry)"), "{refused}");
    for _ in 0..4 {
        append(100).await.unwrap();
    }
    let last = contexts.get("name:ada", "trip", None).await.unwrap();
    assert_eq!((last.history.len(), last.history_start), (3, 1));
    let refused = set(&contexts, "name:ada", "trip", json!({ "x": "x".repeat(2_000) })).await.unwrap_err();
    assert!(refused.to_string().ends_with("more than 1500 (context_bytes)"), "{refused}");
    for name in ["context_entry", "context_history", "context_bytes"] {
        assert_eq!(metrics.refusals(name).value(), 1, "{name}");
    }
}

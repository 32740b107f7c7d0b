//! The example with a database: it reads, says how full its pool is, and comes back after the database does.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    examples::{Example, text},
    postgres::Postgres,
};

fn start(url: &str, wait: &str) -> Example {
    let mut command = Command::new(env!("CARGO_BIN_EXE_database_pool"));
    command.env("DATABASE_URL", url).arg(wait);
    Example::run(command)
}

/// Calls the tool that reads, and does not wait for it.
fn begin(example: &mut Example, author: &str) -> u64 {
    example.request("tools/call", json!({"name": "find_books", "arguments": {"author": author}}))
}

/// The next answer, with the id of its call.
fn answer(example: &Example) -> (u64, Value) {
    let message = example.receive();
    (message["id"].as_u64().unwrap(), message["result"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_pool() {
    let Some(mut postgres) = Postgres::start() else { return };
    let mut example = start(&postgres.url(), "2");
    let client = postgres.connect().await;
    let books = "CREATE TABLE books (title text NOT NULL, author text NOT NULL, year int NOT NULL);
        INSERT INTO books VALUES ('Kindred', 'Octavia E. Butler', 1979), ('Dawn', 'Octavia E. Butler', 1987), ('100%', 'O''Brien', 2001)";
    client.batch_execute(books).await.unwrap();

    // It reads, and what a client writes is never SQL.
    let found = example.tool("find_books", json!({"author": "butler", "since": 1980}));
    let dawn = json!([{"title": "Dawn", "author": "Octavia E. Butler", "year": 1987}]);
    assert_eq!(found["structuredContent"], dawn, "{found}");
    let titles = |found: &Value| -> Vec<String> {
        let all = found["structuredContent"].as_array().unwrap_or_else(|| panic!("{found}"));
        all.iter().map(|book| book["title"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(titles(&example.tool("find_books", json!({"author": "O'B"}))), ["100%"]);
    for author in ["'; DROP TABLE books; --", "%", "_", "' OR '1'='1"] {
        assert!(titles(&example.tool("find_books", json!({"author": author}))).is_empty(), "{author}");
    }
    assert_eq!(example.tool("find_books", json!({"author": "a", "limit": 1000}))["isError"], true);

    // 20 calls that the database lets wait have all connections.
    client.batch_execute("BEGIN; LOCK TABLE books IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut running: Vec<u64> = (0..20).map(|_| begin(&mut example, "butler")).collect();
    while example.tool("pool", json!({}))["structuredContent"]["in_use"] != 20 {}
    let refused = example.tool("find_books", json!({"author": "butler"}));
    assert_eq!(refused["isError"], true, "{refused}");
    let words = "no connection to the database within 2 s, all connections are in use: 20 of 20 in use, 0 free, 0 further calls waiting, \
                 1 have waited in vain so far; try again later";
    assert!(text(&refused).contains(words), "{refused}");
    client.batch_execute("ROLLBACK").await.unwrap();
    while !running.is_empty() {
        let (id, result) = answer(&example);
        assert_eq!(titles(&result), ["Dawn", "Kindred"]);
        running.retain(|call| *call != id);
    }
    assert_eq!(titles(&example.tool("find_books", json!({"author": "butler"}))), ["Dawn", "Kindred"]);

    // Without the database a call says so; with it, connections that have died meanwhile are made again.
    postgres.stop();
    let lost = example.tool("find_books", json!({"author": "butler"}));
    assert_eq!(lost["isError"], true, "{lost}");
    assert!(text(&lost).contains("within 2 s, the database does not answer: 0 of 20 in use"), "{lost}");
    postgres.run();
    let back = loop {
        // The pool tries to connect again after a pause that grows.
        let found = example.tool("find_books", json!({"author": "butler"}));
        if found["isError"] != true {
            break found;
        }
    };
    assert_eq!(titles(&back), ["Dawn", "Kindred"]);
    let now = example.tool("pool", json!({}))["structuredContent"].clone();
    assert!(now["broken"].as_u64().unwrap() > 0 && now["max"] == 20 && now["in_use"] == 0, "{now}");
    let connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'database_pool'";
    let count = async || postgres.connect().await.query_one(connections, &[]).await.unwrap().get::<_, i64>(0);
    while count().await < 5 {}
    assert!(count().await <= 20);
    // Whatever its user may do, the example only reads.
    let sly = "ALTER TABLE books RENAME TO shelf;
        CREATE FUNCTION written() RETURNS text LANGUAGE sql AS 'INSERT INTO shelf VALUES (''x'', ''x'', 1) RETURNING title';
        CREATE VIEW books AS SELECT written() AS title, author, year FROM shelf";
    postgres.connect().await.batch_execute(sly).await.unwrap();
    let refused = example.tool("find_books", json!({"author": "butler"}));
    assert!(text(&refused).contains("read-only transaction"), "{refused}");
    example.end();
}

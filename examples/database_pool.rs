//! Tools that read a PostgreSQL database through a pool: at least 5 connections, at most 20, and each is tested before a tool gets it.
//!
//! ```sh
//! psql "$DATABASE_URL" -c "CREATE TABLE books (title text NOT NULL, author text NOT NULL, year int NOT NULL)"
//! DATABASE_URL=postgres://reader@localhost/library cargo run -p anyport-examples --bin database_pool
//! ```
//!
//! Connections are neither made per call, which would cost more than the query, nor shared by calls, of which one would wait for
//! the other. What a client writes never becomes SQL: it is a parameter. The transactions are read-only, whatever the user of the
//! database may do, and a query ends after a minute.

use std::{env, error::Error, time::Duration};

use anyport::{Server, State, ToolError, serve, tool};
use bb8::{PooledConnection, RunError};
use bb8_postgres::PostgresConnectionManager;
use schemars::JsonSchema;
use serde::Serialize;
use tokio_postgres::{Config, NoTls};

type Manager = PostgresConnectionManager<NoTls>;

/// The pool. The server's functions share it.
struct Database {
    pool: bb8::Pool<Manager>,
    /// How long a call waits for a connection.
    wait: Duration,
}

/// The connections of the pool, now and so far.
#[derive(Serialize, JsonSchema)]
struct PoolStatistics {
    /// Connections that calls have
    in_use: u32,
    /// Connections that are free
    idle: u32,
    /// The most connections
    max: u32,
    /// Calls that wait for a connection
    waiting: u64,
    /// Calls that have waited in vain
    timed_out: u64,
    /// Connections that were made so far
    made: u64,
    /// Connections that were given up since they did not answer any more
    broken: u64,
}

#[derive(Serialize, JsonSchema)]
struct Book {
    title: String,
    author: String,
    year: i32,
}

impl Database {
    /// A pool of connections to the database at `url`. They are made in the background, also again once a database is back.
    fn new(url: &str, wait: Duration) -> Result<Self, tokio_postgres::Error> {
        let mut config: Config = url.parse()?;
        config
            .application_name("database_pool")
            .connect_timeout(Duration::from_secs(5))
            .options("-c default_transaction_read_only=on -c statement_timeout=60s");
        let pool = bb8::Pool::builder()
            .min_idle(MIN)
            .max_size(MAX)
            .connection_timeout(wait)
            // A connection may have died while nobody used it.
            .test_on_check_out(true)
            .build_unchecked(Manager::new(config, NoTls));
        Ok(Self { pool, wait })
    }

    /// A connection, for one call.
    async fn connection(&self) -> Result<PooledConnection<'_, Manager>, ToolError> {
        self.pool.get().await.map_err(|error| match error {
            // Nothing was asked of the database: a client may safely try again.
            RunError::TimedOut => ToolError::new(self.exhausted()),
            RunError::User(error) => ToolError::from(error),
        })
    }

    fn exhausted(&self) -> String {
        let PoolStatistics { in_use, idle, max, waiting, timed_out, .. } = self.statistics();
        let why = match in_use {
            MAX => "all connections are in use",
            _ => "the database does not answer",
        };
        format!(
            "no connection to the database within {} s, {why}: {in_use} of {max} in use, {idle} free, {waiting} further calls waiting, \
             {timed_out} have waited in vain so far; try again later",
            self.wait.as_secs()
        )
    }

    fn statistics(&self) -> PoolStatistics {
        let state = self.pool.state();
        let so_far = &state.statistics;
        PoolStatistics {
            in_use: state.connections - state.idle_connections,
            idle: state.idle_connections,
            max: MAX,
            waiting: so_far.pending_gets(),
            timed_out: so_far.get_timed_out,
            made: so_far.connections_created,
            broken: so_far.connections_closed_broken + so_far.connections_closed_invalid,
        }
    }
}

/// Finds books by their author, the newest first.
#[tool(read_only)]
async fn find_books(
    database: State<Database>,
    /// A part of the author's name
    #[arg(length = 1..=100)]
    author: String,
    /// The year since which they are from
    #[arg(default = 0)]
    since: i32,
    /// How many
    #[arg(range = 1..=100, default = 10)]
    limit: u32,
) -> Result<Vec<Book>, ToolError> {
    let connection = database.connection().await?;
    // The statement is constant. `strpos` takes every sign of the name as it is, which `LIKE` would not.
    let rows = connection.query(FIND, &[&author, &since, &i64::from(limit)]).await?;
    rows.iter()
        .map(|row| Ok(Book { title: row.try_get(0)?, author: row.try_get(1)?, year: row.try_get(2)? }))
        .collect()
}

const FIND: &str = "SELECT title, author, year FROM books \
                    WHERE strpos(lower(author), lower($1)) > 0 AND year >= $2 \
                    ORDER BY year DESC, title LIMIT $3";

/// Shows the connections of the pool.
#[tool(read_only)]
fn pool(database: State<Database>) -> PoolStatistics {
    database.statistics()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL, as postgres://user@host/database")?;
    let wait = env::args().nth(1).map_or(Ok(30), |seconds| seconds.parse())?;
    let database = Database::new(&url, Duration::from_secs(wait))?;
    let server =
        Server::builder("database_pool", "1.0.0").state(database).add(find_books).add(pool).build()?;
    Ok(serve(server).stdio().await?)
}

/// How many free connections are kept ready.
const MIN: u32 = 5;

/// The most connections.
const MAX: u32 = 20;

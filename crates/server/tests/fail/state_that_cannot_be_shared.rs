use std::cell::Cell;

use anyport_server::{State, tool};

#[tool]
async fn count(counter: State<Cell<u64>>) -> String {
    counter.get().to_string()
}

fn main() {}

use std::rc::Rc;

use anyport_server::tool;

#[tool]
async fn count(items: Vec<String>) -> String {
    let items = Rc::new(items);
    std::future::ready(()).await;
    items.len().to_string()
}

fn main() {}

use anyport_server::tool;

struct Shop;

impl Shop {
    #[tool]
    async fn buy(&self, item: String) -> String {
        item
    }
}

fn main() {}

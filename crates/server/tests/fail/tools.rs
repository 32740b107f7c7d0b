use anyport_server::tools;

struct Shop;

#[tools]
impl Shop {
    #[tool]
    fn change(&mut self) {}

    #[tool]
    fn consume(self) {}

    #[tool]
    fn compare(&self, other: Vec<Self>) { drop(other) }

    #[tool(colour = "red")]
    fn paint(&self) {}
}

struct Empty;

#[tools]
impl Empty {
    fn nothing(&self) {}
}

struct Generic<T>(T);

#[tools]
impl<T> Generic<T> {
    #[tool]
    fn of(&self) {}
}

#[tools]
impl Clone for Empty {
    #[tool]
    fn clone(&self) -> Self {
        Self
    }
}

#[tools]
struct Other;

fn main() {}

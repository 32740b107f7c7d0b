use anyport_server::tool;

#[tool]
async fn show<T: ToString>(value: T) -> String {
    value.to_string()
}

#[tool]
async fn print(value: impl ToString) -> String {
    value.to_string()
}

fn main() {}

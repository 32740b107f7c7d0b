use anyport_server::tool;

#[tool]
async fn distance((x, y): (f64, f64), _: f64) -> String {
    x.hypot(y).to_string()
}

fn main() {}

//! Makes Rust of the book: every page is a module, and what each block of code says goes on from the blocks before it,
//! as a reader does. `tests/tests/all/book/` compiles it, and runs the tests in it.

#[path = "src/book.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is the library's; only the code is needed here")]
mod book;

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../docs");
    println!("cargo::rerun-if-changed=src/book.rs");
    let mut rust = String::new();
    for page in book::pages()? {
        let blocks: Vec<_> = page.code.iter().filter(|code| code.language == "rust").collect();
        let module = page.file.trim_end_matches(".md").replace('-', "_");
        if !blocks.is_empty() {
            writeln!(rust, "mod {module} {{")?;
        }
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 {
                writeln!(rust, "mod line_{} {{ use super::*;", block.line)?;
            }
            writeln!(rust, "// docs/{}, line {}\n{}", page.file, block.line, block.text)?;
        }
        rust.push_str(&"}\n".repeat(blocks.len()));
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("book.rs"), rust)?;
    Ok(())
}

//! Writes the rendered site to a folder: one file a path, and `index.json` with the headers.
use std::path::PathBuf;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::args().nth(1).ok_or("which folder?")?);
    let console = std::env::args().nth(2).is_some();
    let site = frontend::render(&frontend::Options { name: "Billion".into(), console })?;
    let mut index = String::new();
    for file in &site.files {
        let name = if file.path == "/" { "/index" } else { &file.path };
        let to = out.join(&name[1..]);
        std::fs::create_dir_all(to.parent().ok_or("no parent")?)?;
        std::fs::write(&to, &file.body)?;
        index += &format!("{}\t{}\t{}\n", file.path, file.content_type, file.cache_control);
    }
    std::fs::write(out.join("index.tsv"), index)?;
    Ok(())
}

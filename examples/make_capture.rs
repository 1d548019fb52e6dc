//! Writes the capture that the benchmarks read: `cargo run --release --example make_capture sparse 3000000 FILE`.

#[path = "../benches/made/mod.rs"]
mod made;

use made::Kind;
use std::fs::File;
use std::io::BufWriter;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, frames, path] = arguments.as_slice() else {
        return Err("usage: make_capture sparse|dense|rpc FRAMES FILE".into());
    };
    let kind = match kind.as_str() {
        "sparse" => Kind::Sparse,
        "dense" => Kind::Dense,
        "rpc" => Kind::Rpc,
        other => return Err(format!("{other}: no such capture; sparse, dense or rpc").into()),
    };
    Ok(made::write(kind, frames.parse()?, BufWriter::new(File::create(path)?))?)
}

//! The made-up captures in `fixtures/` are what `forge/shapes.rs` makes. `GAPWATCH_BLESS=1` writes them anew.

mod forge;

use std::fs;
use std::path::Path;

#[test]
fn forged_fixtures_are_as_they_are_made() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let bless = std::env::var_os("GAPWATCH_BLESS").is_some();
    for (name, frames) in forge::shapes::all()
        .into_iter()
        .chain(forge::escapes::all())
        .chain(forge::incarnations::all())
        .chain(forge::answers::all())
        .chain(forge::innocent::all())
        .chain(forge::secrets::all())
        .chain(forge::signals::all())
        .chain(forge::twins::all())
    {
        let made = forge::pcap(1, false, true, &frames);
        let path = folder.join(format!("{name}.pcap"));
        if bless {
            fs::write(&path, &made).expect("writable");
        }
        assert!(fs::read(&path).unwrap_or_default() == made, "{} is not what forge/shapes.rs makes", path.display());
    }
}

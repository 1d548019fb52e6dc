//! Frames and bytes a second through reader, both lanes, table and report: `cargo bench --bench captures`.

mod made;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gapwatch::registry::Registry;
use gapwatch::report::report;
use gapwatch::scan::{Scan, find};
use gapwatch::source::BytesRead;
use gapwatch::table::MAX_FLOWS;
use made::Kind;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

fn captures(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the captures");
    let cases = [
        ("sparse", Kind::Sparse, 3_000_000, true),
        ("sparse, fast lane off", Kind::Sparse, 3_000_000, false),
        ("dense", Kind::Dense, 600_000, true),
        ("rpc", Kind::Rpc, 600_000, true),
    ];
    for (name, kind, frames, fast_lane) in cases {
        let path = folder.path().join(format!("{kind:?}.pcap"));
        if !path.exists() {
            made::write(kind, frames, BufWriter::new(File::create(&path).expect("writable"))).expect("room for it");
        }
        let bytes = fs::metadata(&path).expect("it is there").len();
        for (unit, throughput) in [("frames", Throughput::Elements(frames)), ("bytes", Throughput::Bytes(bytes))] {
            let mut group = criterion.benchmark_group(format!("{name} in {unit}"));
            group.sample_size(10).throughput(throughput);
            group.bench_function("one thread", |bencher| bencher.iter(|| run(&path, 1, fast_lane)));
            group.bench_function("reading ahead", |bencher| bencher.iter(|| run(&path, 2, fast_lane)));
            group.finish();
        }
    }
}

fn run(path: &Path, threads: usize, fast_lane: bool) -> usize {
    let registry = Registry::built_in();
    let scan = Scan {
        scope: registry.scope(false),
        max_flows: MAX_FLOWS,
        threads,
        fast_lane,
        bytes_read: BytesRead::default(),
    };
    let scanned = scan.run(find(&[path.to_path_buf()]));
    report(&scanned.table, scanned.inputs, &registry).findings.len()
}

criterion_group!(benches, captures);
criterion_main!(benches);

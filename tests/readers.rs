//! The readers: every format gives the frames that were put in, and what libpcap gives (the oracle).

#![allow(clippy::cast_possible_truncation)] // lengths are small

mod forge;

use forge::packed::{bzip2, gzip, lz4, xz, zip, zipped_file, zstd};
use forge::{Forged, Pcapng, at};
use gapwatch::error::Error;
use gapwatch::report::{Input, Status};
use gapwatch::skip::Skip;
use gapwatch::source::capture_file::Record;
use gapwatch::source::{self, Options, ReadAhead};
use proptest::prelude::*;
use std::io::Cursor;

/// A frame as a reader gave it: time, link type, length on the wire, bytes; or why there was none.
type Read = Result<(u64, u32, u32, Vec<u8>), Skip>;

fn read(file: &[u8], read_ahead: &ReadAhead) -> (Vec<Read>, Input) {
    let options = Options { read_ahead: read_ahead.clone(), ..Options::default() };
    let capture =
        source::from_reader(Box::new(Cursor::new(file.to_vec())), "test".to_owned(), &options).expect("a capture");
    let mut frames = Vec::new();
    let input = capture.read(|record| {
        frames.push(match record {
            Record::Frame(frame, _) => Ok((frame.time.0, frame.link.0, frame.wire_len, frame.bytes.to_vec())),
            Record::Unreadable(skip) => Err(skip),
        });
    });
    assert_eq!(input.frames, frames.len() as u64);
    (frames, input)
}

fn sample() -> Vec<Forged> {
    (0..2000u32)
        .map(|n| {
            let len = (n * 7919 % 1500) as usize;
            let mut frame = at(1_700_000_000_000_000_000 + u64::from(n) * 1_234_567_000, vec![n as u8; len]);
            frame.wire_len += n % 3;
            frame
        })
        .collect()
}

fn expected(frames: &[Forged], link: u32) -> Vec<Read> {
    frames.iter().map(|frame| Ok((frame.time, link, frame.wire_len, frame.bytes.clone()))).collect()
}

#[test]
fn pcap_of_every_byte_order_and_clock() {
    let frames = sample();
    for (big_endian, nanoseconds) in [(false, false), (true, false), (false, true), (true, true)] {
        let file = forge::pcap(1, big_endian, nanoseconds, &frames);
        for read_ahead in [ReadAhead::Never, ReadAhead::Always] {
            let (read, input) = read(&file, &read_ahead);
            assert!(read == expected(&frames, 1), "big endian {big_endian}, nanoseconds {nanoseconds}");
            assert_eq!((input.status, input.format.as_str()), (Status::Complete, "pcap"));
        }
    }
}

#[test]
fn pcapng_with_sections_interfaces_clocks_and_blocks_nobody_knows() {
    let mut file = Vec::new();
    let mut wanted: Vec<Read> = Vec::new();
    for big_endian in [false, true] {
        let ng = Pcapng { big_endian };
        file.extend(ng.section());
        file.extend(ng.interface(1, 0, None));
        file.extend(ng.interface(113, 96, Some(9)));
        file.extend(ng.interface(101, 0, Some(0x8a)));
        file.extend(ng.shifted_interface(101, 0, Some(0), 1000));
        file.extend(ng.packet(0, 5_000_001, b"micro", 5));
        file.extend(ng.block(0x0bad, &vec![7; 700_000]));
        file.extend(ng.packet(1, 5_000_000_001, b"nano", 40));
        file.extend(ng.packet(2, 3 << 9, b"binary clock", 12));
        file.extend(ng.packet(3, 7, b"shifted", 7));
        file.extend(ng.simple_packet(b"no time", 7));
        file.extend(ng.packet(9, 1, b"nobody's", 8));
        file.extend(ng.block(9, b"__REALTIME_TIMESTAMP=1\n"));
        wanted.extend([
            Ok((5_000_001_000, 1, 5, b"micro".to_vec())),
            Err(Skip::NotAPacket), // a custom block: Wireshark numbers it
            Ok((5_000_000_001, 113, 40, b"nano".to_vec())),
            Ok((1_500_000_000, 101, 12, b"binary clock".to_vec())),
            Ok((1_007_000_000_000, 101, 7, b"shifted".to_vec())),
            Ok((0, 1, 7, b"no time".to_vec())),
            Err(Skip::NoInterface),
            Err(Skip::NotAPacket),
        ]);
    }
    let (read, input) = read(&file, &ReadAhead::Never);
    assert_eq!(read, wanted);
    assert_eq!(input.status, Status::Corrupt);
    let problem = input.problem.expect("a packet of no interface");
    assert!(problem.contains("a packet of interface 9, which was never described, at packet 7, byte"), "{problem}");
    assert_eq!(input.notes.get("frames without a time"), Some(&2));
}

#[test]
fn compressed_captures_of_several_members() {
    let frames = sample();
    let file = forge::pcap(1, false, true, &frames);
    let (a, b) = file.split_at(file.len() / 3);
    let cases = [
        ("pcap, gzip", [gzip(a), gzip(b)].concat()),
        ("pcap, zstd", [zstd(a), b"\x50\x2a\x4d\x18\x04\0\0\0skip".to_vec(), zstd(b)].concat()),
        ("pcap, lz4", [lz4(a), lz4(b)].concat()),
        ("pcap, zstd, gzip", gzip(&zstd(&file))),
        ("pcap, bzip2", [bzip2(a), bzip2(b)].concat()),
        ("pcap, xz", [xz(a, 1 << 20), vec![0; 8], xz(b, 64 << 20)].concat()),
        ("pcap, zip", zip(&[zipped_file("folder/", 0, 0, b""), zipped_file("a.pcap", 8, 0, &file)])),
        (
            "pcap, zip",
            zip(&[
                zipped_file("a.txt", 9, 0, b"hello, world"),
                zipped_file("b", 9, 0, &file),
                zipped_file("c", 0, 0, b"text"),
            ]),
        ),
        ("pcap, xz, zip", zip(&[zipped_file("a.pcap.xz", 0, 0, &xz(&file, 1 << 20))])),
    ];
    for (format, zipped) in cases {
        for read_ahead in [ReadAhead::Never, ReadAhead::Always] {
            let (read, input) = read(&zipped, &read_ahead);
            assert!(read == expected(&frames, 1), "{format}");
            assert_eq!(
                (input.status, input.bytes),
                (Status::Complete, zipped.len() as u64),
                "{format}: {:?}",
                input.problem
            );
            let compressions: std::collections::BTreeSet<&str> = input.format.split(", ").collect();
            assert_eq!(compressions, format.split(", ").collect(), "{format}");
        }
    }
    // Cut in the middle: everything before it is given.
    let zipped = gzip(&file);
    let (read, input) = read(&zipped[..zipped.len() / 2], &ReadAhead::Always);
    assert!(read.len() > 100 && read == expected(&frames, 1)[..read.len()]);
    assert_eq!(input.status, Status::Truncated, "{:?}", input.problem);
}

/// Wherever compressed data end too early, they are said to be cut, and never to be empty, corrupt or something else.
#[test]
fn compressed_captures_that_are_cut_are_truncated() {
    let file = forge::pcap(1, false, true, &sample()[..8]);
    let skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip".to_vec();
    let cases = [
        gzip(&file),
        zstd(&file),
        [skippable, zstd(&file)].concat(),
        [lz4(&file[..900]), lz4(&file[900..])].concat(),
        bzip2(&file),
        xz(&file, 1 << 20),
        zipped_file("a.pcap", 9, 0, &file),
        zipped_file("a.pcap", 0, 0, &file),
    ];
    for (case, zipped) in cases.iter().enumerate() {
        for cut in 4..zipped.len() {
            if (case, cut) == (2, 12) {
                continue; // a skippable frame alone is whole
            }
            let part = Box::new(Cursor::new(zipped[..cut].to_vec()));
            match source::from_reader(part, "part".to_owned(), &Options::default()) {
                Err(error) => {
                    assert!(
                        matches!(error, Error::Truncated { .. }),
                        "case {case}, {cut} of {}: {error}",
                        zipped.len()
                    );
                }
                Ok(capture) => {
                    let input = capture.read(|_| ());

                    assert_eq!(
                        input.status,
                        Status::Truncated,
                        "case {case}, {cut} of {}: {:?}",
                        zipped.len(),
                        input.problem
                    );
                }
            }
        }
    }
}

/// A pcap file of another age: the version, the length of the record header, and which length stands first.
struct Old {
    magic: u32,
    version: (u16, u16),
    link: u32,
    record_header: usize,
    swapped: bool,
    big_endian: bool,
}

impl Old {
    fn file(&self, frames: &[Forged]) -> Vec<u8> {
        let word = |value: u32| if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let half = |value: u16| if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut file = [&word(self.magic)[..], &half(self.version.0), &half(self.version.1)].concat();
        file.extend([0, 0, 2000, self.link].into_iter().flat_map(word));
        for frame in frames {
            let fraction = (frame.time % 1_000_000_000) as u32;
            let fraction =
                if self.version == (2, 2) && matches!(self.link, 6 | 9 | 15 | 24) { fraction } else { fraction / 1000 };
            let (captured, wire_len) = (frame.bytes.len() as u32, frame.wire_len);
            let lengths = if self.swapped { [wire_len, captured] } else { [captured, wire_len] };
            file.extend(
                [(frame.time / 1_000_000_000) as u32, fraction, lengths[0], lengths[1]].into_iter().flat_map(word),
            );
            file.extend(vec![0; self.record_header - 16]);
            file.extend(&frame.bytes);
        }
        file
    }
}

/// Magic, version, link type there and here, length of the record header, whether the length on the wire is first.
type Case = (u32, (u16, u16), u32, u32, usize, bool);

#[test]
fn pcap_of_every_age() {
    const MODIFIED: u32 = 0xa1b2_cd34;
    let cases: [Case; 14] = [
        (0xa1b2_c3d4, (2, 0), 1, 1, 16, true),
        (0xa1b2_c3d4, (2, 2), 1, 1, 16, true),
        (0xa1b2_c3d4, (2, 3), 1, 1, 16, true),
        (0xa1b2_c3d4, (2, 3), 1, 1, 16, false),
        (0xa1b2_c3d4, (543, 0), 1, 1, 16, true),
        (0xa1b2_c3d4, (2, 2), 6, 1, 16, false), // AIX, by interface types, and nanoseconds
        (0xa1b2_c3d4, (2, 2), 9, 6, 16, false),
        (0xa1b2_c3d4, (2, 2), 15, 10, 16, true),
        (0xa1b2_c3d4, (2, 2), 24, 0, 16, false),
        (0xa1b2_c3d4, (2, 4), 6, 6, 16, false),
        (MODIFIED, (2, 4), 1, 1, 24, false),
        (MODIFIED, (2, 4), 1, 1, 28, false),    // SuSE 6.3
        (0xa1b2_c3d4, (2, 4), 1, 1, 24, false), // Red Hat 6.1
        (0xa1b2_c3d4, (2, 4), 1, 1, 20, false), // Nokia
    ];
    let frames: Vec<Forged> = sample().into_iter().skip(1).take(300).collect();
    for (magic, version, link, wanted, record_header, swapped) in cases {
        for big_endian in [false, true] {
            let old = Old { magic, version, link, record_header, swapped, big_endian };
            for read_ahead in [ReadAhead::Never, ReadAhead::Always] {
                let (read, input) = read(&old.file(&frames), &read_ahead);
                let place = format!("{magic:x} {version:?}, link type {link}, {record_header}, swapped {swapped}");
                assert!(read == expected(&frames, wanted), "{place}: {:?}, {} read", input.problem, read.len());
                assert_eq!(input.status, Status::Complete, "{place}");
            }
            // One behind the other.
            let (read, input) = read(&[old.file(&frames[..9]), old.file(&frames[..9])].concat(), &ReadAhead::Never);
            if version.0 == 2 {
                assert!(
                    read == [expected(&frames[..9], wanted), expected(&frames[..9], wanted)].concat(),
                    "{:?}",
                    input.problem
                );
            }
        }
    }
}

#[test]
fn a_cut_file_gives_everything_before_the_cut() {
    let frames = &sample()[..20];
    let file = forge::pcap(1, false, false, frames);
    let complete: Vec<usize> = frames
        .iter()
        .scan(24, |at, frame| {
            *at += 16 + frame.bytes.len();
            Some(*at)
        })
        .collect();
    for cut in 24..file.len() {
        let (read, input) = read(&file[..cut], &ReadAhead::Never);
        let whole = complete.iter().take_while(|end| **end <= cut).count();
        assert_eq!(read.len(), whole, "cut at {cut}");
        let clean = cut == 24 || complete.contains(&cut);
        assert_eq!(input.status, if clean { Status::Complete } else { Status::Truncated }, "cut at {cut}");
        if !clean {
            let place = format!("packet {} at byte", whole + 1);
            assert!(input.problem.as_ref().is_some_and(|problem| problem.contains(&place)), "{:?}", input.problem);
        }
    }
}

#[test]
fn nonsense_lengths_are_corrupt_and_cost_nothing() {
    let frames = &sample()[..3];
    let mut file = forge::pcap(1, false, false, frames);
    file.extend([0; 8]);
    file.extend([0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0]);
    let (read_frames, input) = read(&file, &ReadAhead::Always);
    assert_eq!((read_frames.len(), input.status), (3, Status::Corrupt));
    assert!(input.problem.is_some_and(|problem| problem.contains("packet 4")));

    let ng = Pcapng { big_endian: false };
    let head = [ng.section(), ng.interface(1, 0, None), ng.packet(0, 1, b"one", 3)].concat();
    let huge = [6u32, 0xffff_fff0].iter().flat_map(|word| ng.word(*word)).chain([0; 40]).collect::<Vec<u8>>();
    let odd = [6u32, 33].iter().flat_map(|word| ng.word(*word)).chain([0; 40]).collect::<Vec<u8>>();
    let unknown = [0xbadu32, 0xffff_fff0].iter().flat_map(|word| ng.word(*word)).chain([0; 40]).collect::<Vec<u8>>();
    let mut caplen = ng.packet(0, 1, b"four", 4);
    caplen[20] = 200;
    let cases =
        [(huge, Status::Corrupt), (odd, Status::Corrupt), (unknown, Status::Truncated), (caplen, Status::Corrupt)];
    for (tail, status) in cases {
        let (read, input) = read(&[&head[..], &tail].concat(), &ReadAhead::Never);
        assert_eq!((read.len(), input.status), (1, status), "{:?}", input.problem);
    }
}

#[test]
fn files_joined_by_cat_are_read_on() {
    let frames = &sample()[..5];
    let files = [
        forge::pcap(1, false, false, frames),
        forge::pcap(101, true, true, frames),
        forge::pcap(1, false, true, frames),
    ];
    let (read, input) = read(&files.concat(), &ReadAhead::Never);
    let wanted = [expected(frames, 1), expected(frames, 101), expected(frames, 1)].concat();
    assert!(read == wanted, "{:?}", input.problem);
    let joined = input.notes.iter().find(|(note, _)| note.contains("joined")).map(|(_, times)| *times);
    assert_eq!((input.status, joined), (Status::Complete, Some(2)));
}

#[test]
fn odd_records_are_read_and_counted() {
    let mut frames = vec![at(5_000_000_000, vec![1; 60]), at(4_000_000_000, vec![2; 60]), at(6_000_000_000, vec![])];
    frames[0].wire_len = 10;
    let (read, input) = read(&forge::pcap(1, false, true, &frames), &ReadAhead::Never);
    assert_eq!(read.len(), 3);
    assert_eq!(read[0].as_ref().map(|frame| frame.2), Ok(60), "a frame is not shorter than what was captured of it");
    assert_eq!(input.notes.len(), 2, "{:?}", input.notes);
    assert_eq!(input.first.map(|time| time.0), Some(4_000_000_000));
    assert_eq!(input.last.map(|time| time.0), Some(6_000_000_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the bytes, reading ends, without panic.
    #[test]
    fn broken_captures_end(
        which in 0usize..12,
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let frames = &sample()[..6];
        let ng = Pcapng { big_endian: which == 3 };
        let mut file = match which {
            0 => forge::pcap(1, false, false, frames),
            1 => gzip(&forge::pcap(1, true, true, frames)),
            4 => zstd(&forge::pcap(1, true, true, frames)),
            5 => lz4(&forge::pcap(1, true, true, frames)),
            6 => bzip2(&forge::pcap(1, true, true, frames)),
            7 => xz(&forge::pcap(1, true, true, frames), 1 << 16),
            8 => zip(&[zipped_file("a", 9, 0, b"text"), zipped_file("b", 8, 0, &forge::pcap(1, true, true, frames))]),
            9 => zip(&[zipped_file("a", 0, 0, b"text"), zipped_file("b", 0, 0, &forge::pcap(1, true, true, frames))]),
            10 | 11 => {
                let (magic, version) = if which == 10 { (0xa1b2_cd34, (2, 4)) } else { (0xa1b2_c3d4, (2, 3)) };
                let record_header = if which == 10 { 28 } else { 16 };
                Old { magic, version, link: 1, record_header, swapped: which == 11, big_endian: false }.file(frames)
            }
            _ => {
                let packets = frames.iter().flat_map(|frame| ng.packet(0, frame.time, &frame.bytes, frame.wire_len));
                [ng.section(), ng.interface(1, 0, Some(9)), packets.collect()].concat()
            }
        };
        for (place, value) in noise {
            // Noise where it hurts: in the headers.
            let place = place.index(file.len().min(400));
            file[place] = value;
        }
        if let Ok(capture) = source::from_reader(Box::new(Cursor::new(file)), "noise".to_owned(), &Options::default()) {
            let mut count = 0u64;
            let input = capture.read(|_| count += 1);
            prop_assert_eq!(input.frames, count);
        }
    }
}

/// The oracle: libpcap reads the same frames, byte for byte, from every fixture and every kind of file that it can read.
#[cfg(feature = "live")]
#[test]
fn libpcap_reads_the_same_frames() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let frames = sample();
    let ng = Pcapng { big_endian: true };
    let packets = frames.iter().flat_map(|frame| ng.packet(0, frame.time, &frame.bytes, frame.wire_len));
    let mut files = vec![
        forge::pcap(1, false, false, &frames),
        forge::pcap(1, true, false, &frames),
        forge::pcap(113, false, true, &frames),
        [ng.section(), ng.interface(1, 262_144, Some(9)), packets.collect()].concat(),
    ];
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for entry in std::fs::read_dir(fixtures).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|suffix| suffix == "pcap" || suffix == "pcapng") {
            files.push(std::fs::read(path).expect("readable"));
        }
    }
    assert!(files.len() > 15);
    for (index, file) in files.iter().enumerate() {
        let path = folder.path().join("capture");
        std::fs::write(&path, file).expect("writable");
        let mut oracle =
            pcap::Capture::from_file_with_precision(&path, pcap::Precision::Nano).expect("libpcap reads it");
        let link = u32::try_from(oracle.get_datalink().0).expect("a number");
        let mut wanted: Vec<Read> = Vec::new();
        loop {
            match oracle.next_packet() {
                Ok(packet) => {
                    let seconds = u64::try_from(packet.header.ts.tv_sec).expect("after 1970");
                    // Opened with nanoseconds, the field of microseconds holds them.
                    let nanoseconds = u64::try_from(packet.header.ts.tv_usec).expect("positive");
                    wanted.push(Ok((
                        seconds * 1_000_000_000 + nanoseconds,
                        link,
                        packet.header.len,
                        packet.data.to_vec(),
                    )));
                }
                Err(pcap::Error::NoMorePackets) => break,
                Err(error) => panic!("file {index}: {error}"),
            }
        }
        let (read, _) = read(file, &ReadAhead::Always);
        assert!(read == wanted, "file {index} is read otherwise than by libpcap");
    }
}

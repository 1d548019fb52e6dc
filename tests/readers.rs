//! The readers: every format gives the frames that were put in, and what libpcap gives (the oracle).

#![allow(clippy::cast_possible_truncation)] // lengths are small

mod forge;

use forge::{Forged, Pcapng, at};
use gapwatch::error::Error;
use gapwatch::report::{Input, Status};
use gapwatch::skip::Skip;
use gapwatch::source::capture_file::Record;
use gapwatch::source::{self, Options, ReadAhead};
use proptest::prelude::*;
use std::io::{Cursor, Read as _, Write};

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

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn xz(bytes: &[u8], dictionary: u32) -> Vec<u8> {
    let mut options = lzma_rust2::XzOptions::with_preset(1);
    options.lzma_options.dict_size = dictionary;
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).expect("memory");
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A file in a zip archive; `how` is the method, or 9 for deflate with the sizes behind the data.
fn zipped_file(name: &str, how: u16, flags: u16, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    let data = if matches!(how, 8 | 9) { encoder.finish().expect("memory") } else { bytes.to_vec() };
    let sizes: Vec<u8> =
        [0, data.len() as u32, bytes.len() as u32].iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut file = b"PK\x03\x04\x14\0".to_vec();
    file.extend((if how == 9 { flags | 8 } else { flags }).to_le_bytes());
    file.extend((if how == 9 { 8 } else { how }).to_le_bytes());
    file.extend([0; 4]);
    file.extend(if how == 9 { vec![0; 12] } else { sizes.clone() });
    file.extend((name.len() as u16).to_le_bytes());
    file.extend([4, 0]);
    file.extend(name.as_bytes());
    file.extend([9, 9, 0, 0]); // an extra field
    file.extend(data);
    if how == 9 {
        file.extend([b"PK\x07\x08", &sizes[..]].concat());
    }
    file
}

/// An archive of such files; what stands at its end is not looked at.
fn zip(files: &[Vec<u8>]) -> Vec<u8> {
    [&files.concat()[..], b"PK\x01\x02 and so on PK\x05\x06"].concat()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
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

/// What a source says of bytes that are no capture, or not to the end.
fn said(file: &[u8]) -> String {
    match source::from_reader(Box::new(Cursor::new(file.to_vec())), "it".to_owned(), &Options::default()) {
        Err(error) => error.to_string(),
        Ok(capture) => {
            let input = capture.read(|_| ());
            format!("{}: {}", input.status.name(), input.problem.unwrap_or_default())
        }
    }
}

/// Every message that the sources can give, so that each is known to be printed, and reads well.
#[test]
fn every_error_message() {
    let frame = [at(1_700_000_000_000_000_000, vec![7; 60])];
    let pcap = forge::pcap(1, false, false, &frame);
    let ng = Pcapng { big_endian: false };
    let head = [ng.section(), ng.interface(1, 0, None)].concat();
    let with = |tail: &[u8]| [&head[..], tail].concat();
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let version_1 = [&pcap[..4], &[1, 0, 2, 0], &pcap[8..]].concat();
    let mut tar = vec![b'a'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    let many = (0..65_537).flat_map(|_| ng.interface(1, 0, None)).collect::<Vec<u8>>();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "it: the file is empty"),
        (gzip(b""), "it: what its gzip data hold is empty"),
        (
            vec![0x1f, 0x8b],
            "it: truncated: its 2 bytes are the beginning of a gzip file, and of nothing else; copy it anew",
        ),
        (gzip(&pcap)[..9].to_vec(), "it: truncated: its gzip data end before there is a capture; copy it anew"),
        (
            b"hello, world".to_vec(),
            "it: not a capture: text that begins with “hello, world”; gapwatch reads pcap and pcapng, also",
        ),
        (vec![1, 2, 3, 0xff], "it: not a capture: it begins with the bytes 01 02 03 ff;"),
        (gzip(b"hello"), "it: not a capture: inside gzip: text that begins with “hello”;"),
        (gzip(&gzip(&gzip(&pcap))), "inside gzip: compressed more than 2 times over; unpack it first;"),
        (b"snoop\0\0\0\0\0\0\x02".to_vec(), "a Solaris snoop capture"),
        (b"7z\xbc\xaf\x27\x1c".to_vec(), "a 7z archive; unpack it first"),
        (b"Rar!\x1a\x07".to_vec(), "a RAR archive; unpack it first"),
        (b"LZIP\x01".to_vec(), "an lzip file; unpack it first"),
        (b"\x1f\x9d\x90".to_vec(), "a file packed by `compress`; unpack it first"),
        (tar, "a tar archive; unpack it first"),
        (b"\x7fELF\x02".to_vec(), "an ELF executable"),
        (b"MZ\x90\0".to_vec(), "a Windows executable"),
        (b"%PDF-1.4".to_vec(), "a PDF document"),
        (b"\x89PNG\r\n".to_vec(), "a PNG picture"),
        (b"GMBU\0\x02".to_vec(), "a Microsoft Network Monitor capture"),
        (b"RTSS\0\x01".to_vec(), "a Network Monitor 1 capture"),
        (b"XCP\x001".to_vec(), "a Sniffer capture"),
        (b"TRSNIFF data    \x1a".to_vec(), "a Sniffer capture for DOS"),
        (b"PK\x05\x06\0\0".to_vec(), "a zip archive without files"),
        (zip(&[zipped_file("a.txt", 8, 0, b"hello")]), "it: not a capture: a zip archive without a capture in it;"),
        (
            zip(&[zipped_file("a.pcap", 8, 1, &pcap)]),
            "“a.pcap” in the zip archive is encrypted; unpack the archive first",
        ),
        (
            zip(&[zipped_file("a.pcap", 12, 0, &pcap)]),
            "“a.pcap” in the zip archive is packed in a way that is not read;",
        ),
        (
            zip(&[zipped_file("a", 8, 0, &pcap), zipped_file("b", 8, 0, &pcap)]),
            "failed: the zip archive holds another capture, “b”, which was not read; unpack the archive first, at packet 2, byte 100",
        ),
        (
            {
                let mut file = zipped_file("a.pcap", 0, 8, &pcap);
                file[14..26].fill(0);
                file
            },
            "“a.pcap” in the zip archive is stored without its size;",
        ),
        (
            xz(&pcap, 256 << 20),
            "it: cannot be read: the xz data want a dictionary of more than 128 MiB; unpack them first, with `xz -d`",
        ),
        (
            b"\x28\xb5\x2f\xfd\0\xa0\x01\0\0".to_vec(),
            "it: cannot be read: the zstd data want 1024 MiB of memory; unpack them first, with `zstd -d --long=31`",
        ),
        ([zstd(&pcap), b"\x50nonsense".to_vec()].concat(), "corrupt: no zstd frame begins here, at packet 2, byte 100"),
        (gzip(&pcap)[..gzip(&pcap).len() - 9].to_vec(), "truncated: the compressed data end too early, at packet"),
        (
            pcap[..20].to_vec(),
            "it: the file ends inside the file header before packet 1 at byte 0: 20 of 24 bytes are there",
        ),
        (version_1, "it: a pcap file of version 1.2, which nobody has described, at packet 1, byte 0"),
        (pcap[..30].to_vec(), "truncated: the file ends inside packet 1 at byte 24: 6 of 16 bytes are there"),
        (pcap[..50].to_vec(), "truncated: the file ends inside packet 1 at byte 24: 26 of 76 bytes are there"),
        (
            [&pcap[..], &words(&[1, 0, 262_145, 262_145])].concat(),
            "corrupt: a packet of 262145 bytes, more than any capture holds, at packet 2, byte 100",
        ),
        (with(&[1, 2, 3]), "truncated: the file ends inside the block before packet 1 at byte"),
        (with(&words(&[5, 13, 0])), "corrupt: a block that claims 13 bytes, at packet 1, byte 52"),
        (with(&words(&[6, 0x0010_0000, 0])), "corrupt: a block of type 6 that claims 1048576 bytes, at packet 1"),
        (
            with(&words(&[0x77, 100, 0])),
            "truncated: the file ends inside a block of type 119 before packet 1, 88 bytes short",
        ),
        (words(&[0x0a0d_0d0a, 28, 0x1234_5678]), "corrupt: a section header without byte order, at packet 1, byte 0"),
        (words(&[0x0a0d_0d0a, 27, 0x1a2b_3c4d]), "corrupt: a section header that claims 27 bytes, at packet 1, byte 0"),
        (words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d]), "truncated: the file ends inside a section header, 16 bytes short"),
        (
            with(&words(&[1, 40, 1])),
            "truncated: the file ends inside an interface description before packet 1 at byte 52: 12 of 40",
        ),
        (with(&words(&[1, 16, 1, 16])), "corrupt: an interface description that cannot be read, at packet 1, byte 52"),
        (with(&many), "corrupt: more interfaces than a capture can have, at packet 1, byte"),
        (with(&words(&[6, 16, 0, 16])), "corrupt: a packet block that cannot be read, at packet 1, byte 52"),
        (with(&words(&[2, 16, 0, 16])), "corrupt: a packet block without room for its header, at packet 1, byte 52"),
        (with(&words(&[3, 12, 12])), "corrupt: a packet block without room for its header, at packet 1, byte 52"),
        (
            with(&words(&[2, 32, 0, 0, 0, 60, 60, 32])),
            "corrupt: a packet of 60 bytes in a block of 32, at packet 1, byte 52",
        ),
        (
            with(&words(&[5, 40, 0])),
            "truncated: the file ends inside a statistics block before packet 1 at byte 52: 12 of 40",
        ),
        (
            with(&ng.packet(3, 1, b"x", 1)),
            "corrupt: a packet of interface 3, which was never described, at packet 1, byte 52",
        ),
    ];
    for (file, wanted) in cases {
        let said = said(&file);
        assert!(said.contains(wanted), "said: {said}\nwanted: {wanted}");
    }
    let failing = source::from_reader(Box::new(Failing), "it".to_owned(), &Options::default()).err().expect("it fails");
    assert_eq!(failing.to_string(), "it: cannot be read: the disk is on fire");
    let half = Box::new(Cursor::new(pcap.clone()).chain(Failing));
    let input = source::from_reader(half, "it".to_owned(), &Options::default()).expect("a capture").read(|_| ());
    assert_eq!(
        (input.status, input.problem.as_deref()),
        (Status::Failed, Some("the disk is on fire, at packet 2, byte 100"))
    );
}

/// A reader that fails.
struct Failing;

impl std::io::Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::new(std::io::ErrorKind::NotConnected, "the disk is on fire"))
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
        which in 0usize..4,
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let frames = &sample()[..6];
        let ng = Pcapng { big_endian: which == 3 };
        let mut file = match which {
            0 => forge::pcap(1, false, false, frames),
            1 => gzip(&forge::pcap(1, true, true, frames)),
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

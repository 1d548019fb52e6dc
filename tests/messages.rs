//! What the sources say of files that are no captures, or not to the end: every message, so that each is known to be printed.

mod forge;

use forge::packed::{gzip, xz, zip, zipped_file, zstd};
use forge::{Pcapng, at};
use gapwatch::report::Status;
use gapwatch::source::{self, Options};
use std::io::{Cursor, Read as _};

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
            zip(&[zipped_file("old/a.snoop", 8, 0, b"snoop\0\0\0"), zipped_file("b.txt", 8, 0, b"text")]),
            "it: cannot be read: “old/a.snoop” in the zip archive may be a capture, and is not read; unpack the archive first",
        ),
        (
            zip(&[zipped_file("a", 8, 0, &pcap), zipped_file("b.pcap.7z", 0, 0, b"7z\xbc\xaf")]),
            "failed: “b.pcap.7z” in the zip archive may be a capture, and is not read; unpack the archive first, at packet 2",
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

//! Where frames come from. An input is opened by its content, never by its name. Knows formats, and no protocol.

pub mod blocks;
pub mod capture_file;
#[cfg(all(feature = "live", unix))]
pub mod kernel_filter;
#[cfg(all(feature = "live", unix))]
pub mod live;
mod pcap;
mod pcapng;
#[cfg(feature = "cli")]
pub mod sockets;
mod unzip;
mod zip;

use crate::error::Error;
use capture_file::CaptureFile;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are looked at to recognise a format.
const MAGIC_LEN: usize = 12;
/// Bytes that are looked at to say what a file is that is no capture: a tar archive tells behind its first name.
const DESCRIBED_LEN: usize = 262;
/// Compressions inside one another that are opened.
const MAX_NESTING: usize = 2;

/// Bytes of all inputs as they were taken from the disk, for whoever shows progress.
pub type BytesRead = Arc<AtomicU64>;

/// How a source reads.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The place of the input in the report's list.
    pub input: u32,
    /// Whether another thread reads and unzips.
    pub read_ahead: ReadAhead,
    pub bytes_read: BytesRead,
}

/// When a source reads and unzips on a thread of its own.
#[derive(Clone, Debug, Default)]
pub enum ReadAhead {
    /// Blocks are read when they are wanted.
    #[default]
    Never,
    /// From the beginning on.
    Always,
    /// Once it shows that the threads that frames are left to have little to do; this counts the bytes of those. A thread
    /// more than there are processors, that only copies, would take its time from them, and what one processor copied
    /// another would have to fetch. What is to be unzipped is always read ahead.
    Spare(Arc<AtomicU64>),
}

/// Opens a capture: a file, or standard input for `-`.
///
/// # Errors
/// Says what was found there instead of a capture.
pub fn open(path: &Path, options: &Options) -> Result<CaptureFile, Error> {
    let name = path.display().to_string();
    if path.as_os_str() == "-" {
        return from_reader(Box::new(io::stdin()), name, options);
    }
    let failed = |source| Error::Open { name: name.clone(), source };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    from_reader(Box::new(file), name, options)
}

/// A capture from any reader.
///
/// # Errors
/// As [`open`].
pub fn from_reader(reader: Box<dyn Read + Send>, name: String, options: &Options) -> Result<CaptureFile, Error> {
    let own_bytes = BytesRead::default();
    let counters = [Arc::clone(&own_bytes), Arc::clone(&options.bytes_read)];
    let mut reader: Box<dyn Read + Send> = Box::new(Counted { reader, counters });
    let mut around: Vec<&str> = Vec::new();
    let (magic, reader) = loop {
        let (magic, whole) = peek(reader, MAGIC_LEN).map_err(|source| unread(&name, &around, source))?;
        match unzip::recognise(&magic) {
            Some(compression) if around.len() < MAX_NESTING => {
                reader = unzip::open(compression, whole);
                around.insert(0, compression);
            }
            _ => break (magic, whole),
        }
    };
    let inside = around.first().copied();
    if let Some(kind) = capture_file::recognise(&magic) {
        let format = [&[kind.name()], &around[..]].concat().join(", ");
        let read_ahead = match options.read_ahead.clone() {
            ReadAhead::Spare(_) if inside.is_some() => ReadAhead::Always,
            read_ahead => read_ahead,
        };
        let options = Options { read_ahead, ..options.clone() };
        return CaptureFile::new(reader, name, format, kind, own_bytes, options);
    }
    if magic.is_empty() && inside != Some("zip") {
        let what =
            inside.map_or_else(|| "the file".to_owned(), |compression| format!("what its {compression} data hold"));
        return Err(Error::Empty { name, what });
    }
    if let Some(format) = begins_as(&magic) {
        let len = magic.len();
        let problem = format!("its {len} bytes are the beginning of a {format} file, and of nothing else");
        return Err(Error::Truncated { name, problem });
    }
    let (magic, _) = peek(reader, DESCRIBED_LEN).map_err(|source| unread(&name, &around, source))?;
    let (found, perhaps) = if magic.is_empty() {
        ("a zip archive without a capture in it".to_owned(), false)
    } else {
        let place = inside.map_or_else(String::new, |compression| format!("inside {compression}: "));
        let (found, perhaps) = describe(&magic);
        (format!("{place}{found}"), perhaps)
    };
    let perhaps = perhaps || names_a_capture(&name);
    Err(Error::NotACapture { name, found, perhaps })
}

/// Why the first bytes could not be had.
fn unread(name: &str, around: &[&str], source: io::Error) -> Error {
    let name = name.to_owned();
    match around.first() {
        Some(compression) if source.kind() == io::ErrorKind::UnexpectedEof => {
            Error::Truncated { name, problem: format!("its {compression} data end before there is a capture") }
        }
        _ => Error::Read { name, source },
    }
}

/// The first bytes, and a reader that gives them again.
fn peek(mut reader: Box<dyn Read + Send>, len: usize) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut magic = Vec::with_capacity(len);
    (&mut reader).take(len as u64).read_to_end(&mut magic)?;
    let again = io::Cursor::new(magic.clone());
    Ok((magic, Box::new(again.chain(reader))))
}

/// The format of which this is less than the magic bytes. One byte says nothing.
fn begins_as(magic: &[u8]) -> Option<&'static str> {
    let captures = capture_file::MAGIC.iter().map(|(start, kind)| (&start[..], kind.name()));
    let mut formats = captures.chain(unzip::MAGIC).filter(|(start, _)| magic.len() > 1 && magic.len() < start.len());
    formats.find(|(start, _)| start.starts_with(magic)).map(|(_, name)| name)
}

/// Whether a file is called as captures are: `x.pcap`, `x.pcap0` as `tcpdump -C` names them, and packed.
pub(crate) fn names_a_capture(name: &str) -> bool {
    const PACKED: [&str; 12] =
        [".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".7z", ".rar", ".tar", ".lz", ".lzma", ".z"];
    let name = name.to_ascii_lowercase();
    let mut stem = name.as_str();
    while let Some(inner) = PACKED.iter().find_map(|suffix| stem.strip_suffix(suffix)) {
        stem = inner;
    }
    let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    [".pcap", ".pcapng", ".cap", ".ntar", ".snoop"].iter().any(|suffix| stem.ends_with(suffix))
}

/// What a file that is no capture seems to be, for the error message; and whether it may hold one all the same.
fn describe(magic: &[u8]) -> (String, bool) {
    let known: [(&[u8], &str, bool); 14] = [
        (b"snoop\0\0\0", "a Solaris snoop capture", true),
        (b"\x7fELF", "an ELF executable", false),
        (b"MZ", "a Windows executable", false),
        (b"7z\xbc\xaf", "a 7z archive; unpack it first", true),
        (b"Rar!", "a RAR archive; unpack it first", true),
        (b"LZIP", "an lzip file; unpack it first", true),
        (b"\x1f\x9d", "a file packed by `compress`; unpack it first", true),
        (b"%PDF", "a PDF document", false),
        (b"\x89PNG", "a PNG picture", false),
        (b"GMBU", "a Microsoft Network Monitor capture", true),
        (b"RTSS", "a Network Monitor 1 capture", true),
        (b"XCP\0", "a Sniffer capture", true),
        (b"TRSNIFF data", "a Sniffer capture for DOS", true),
        (b"PK\x05\x06", "a zip archive without files", false),
    ];
    if let Some((_, what, perhaps)) = known.iter().find(|(start, ..)| magic.starts_with(start)) {
        return ((*what).to_owned(), *perhaps);
    }
    if magic.get(257..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return ("a tar archive; unpack it first".to_owned(), true);
    }
    if unzip::recognise(magic).is_some() {
        return (format!("compressed more than {MAX_NESTING} times over; unpack it first"), true);
    }
    let magic = &magic[..magic.len().min(MAGIC_LEN)];
    let bytes: Vec<String> = magic.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let text = if magic.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        format!("text that begins with “{}”", String::from_utf8_lossy(magic).escape_debug())
    } else {
        format!("it begins with the bytes {}", bytes.join(" "))
    };
    (text, false)
}

/// Counts what passes through.
struct Counted {
    reader: Box<dyn Read + Send>,
    counters: [BytesRead; 2],
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        for counter in &self.counters {
            counter.fetch_add(read as u64, Ordering::Relaxed);
        }
        Ok(read)
    }
}

/// The SHA-256 of a file as it lies on the disk, in hexadecimal; `None` for standard input and what cannot be read again.
#[must_use]
pub fn sha256(path: &Path) -> Option<String> {
    use sha2::{Digest, Sha256};
    if path.as_os_str() == "-" {
        return None;
    }
    let mut file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|data| data.is_file()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => break,
            len => hash.update(&buffer[..len]),
        }
    }
    Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

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
pub mod unzip;

use crate::error::Error;
use capture_file::CaptureFile;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are looked at to recognise a format.
const MAGIC_LEN: usize = 12;
/// Compressions inside compressions that are opened.
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
    let mut format = String::new();
    for _ in 0..=MAX_NESTING {
        let (magic, whole) = peek(reader).map_err(|source| Error::Read { name: name.clone(), source })?;
        reader = whole;
        if magic.is_empty() {
            return Err(Error::Empty { name });
        }
        if let Some((compression, unzipped)) = unzip::open(&magic, &mut reader) {
            reader = unzipped
                .map_err(|error| Error::BadHeader { name: name.clone(), problem: format!("{compression}: {error}") })?;
            format = format!(", {compression}{format}");
            continue;
        }
        let Some(kind) = capture_file::recognise(&magic) else { break };
        let is_zipped = !format.is_empty();
        let format = format!("{}{format}", kind.name());
        let read_ahead = match options.read_ahead.clone() {
            ReadAhead::Spare(_) if is_zipped => ReadAhead::Always,
            read_ahead => read_ahead,
        };
        let options = Options { read_ahead, ..options.clone() };
        return CaptureFile::new(reader, name, format, kind, own_bytes, options);
    }
    let (magic, _) = peek(reader).map_err(|source| Error::Read { name: name.clone(), source })?;
    let inside = format.strip_prefix(", ").map_or_else(String::new, |zip| format!("inside {zip}: "));
    Err(Error::NotACapture { name, found: format!("{inside}{}", describe(&magic)) })
}

/// The first bytes, and a reader that gives them again.
fn peek(mut reader: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut magic = Vec::with_capacity(MAGIC_LEN);
    (&mut reader).take(MAGIC_LEN as u64).read_to_end(&mut magic)?;
    let again = io::Cursor::new(magic.clone());
    Ok((magic, Box::new(again.chain(reader))))
}

/// What a file that is no capture seems to be, for the error message.
fn describe(magic: &[u8]) -> String {
    let known: [(&[u8], &str); 12] = [
        (b"snoop\0\0\0", "a Solaris snoop capture"),
        (b"\x7fELF", "an ELF executable"),
        (b"MZ", "a Windows executable"),
        (b"PK\x03\x04", "a zip archive; unpack it first"),
        (b"BZh", "a bzip2 file; unpack it first"),
        (b"\xfd7zXZ", "an xz file; unpack it first"),
        (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
        (b"%PDF", "a PDF document"),
        (b"\x89PNG", "a PNG picture"),
        (b"GMBU", "a Microsoft Network Monitor capture"),
        (b"RTSS", "a Network Monitor 1 capture"),
        (b"XCP\0", "a Sniffer capture"),
    ];
    if let Some((_, what)) = known.iter().find(|(start, _)| magic.starts_with(start)) {
        return (*what).to_owned();
    }
    let bytes: Vec<String> = magic.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    if magic.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        format!("text that begins with “{}”", String::from_utf8_lossy(magic).escape_debug())
    } else {
        format!("it begins with the bytes {}", bytes.join(" "))
    }
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

//! Compression around a capture: gzip of several members, zstd of several frames, lz4, bzip2, xz. Streams; never holds a
//! whole file, and says of data that end too early that they do.

use super::zip;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::FrameDecoderError;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is read at once from the compressed side.
const CHUNK: usize = 128 * 1024;
/// The largest dictionary of an xz file that is unzipped, in KiB: twice that of `xz -9`, which has the largest of all its
/// presets. It is taken from the memory as a whole.
const MAX_XZ_DICTIONARY: u32 = 128 * 1024;

pub(super) type Reader = Box<dyn Read + Send>;

/// How such files begin, and what they are called.
pub(super) const MAGIC: [(&[u8], &str); 6] = [
    (&[0x1f, 0x8b, 8], "gzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"PK\x03\x04", "zip"),
];

/// The name of the compression, where the magic bytes are those of one.
pub(super) fn recognise(magic: &[u8]) -> Option<&'static str> {
    if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] = magic {
        return Some("zstd"); // a skippable frame
    }
    MAGIC.iter().find(|(start, _)| magic.starts_with(start)).map(|(_, name)| *name)
}

/// What is inside a file that is compressed in this way.
pub(super) fn open(compression: &str, reader: Reader) -> Reader {
    let ended = Arc::new(AtomicBool::new(false));
    let source = Watched { source: BufReader::with_capacity(CHUNK, reader), ended: Arc::clone(&ended), bytes: 0 };
    let inner: Reader = match compression {
        "gzip" => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        "zstd" => Box::new(Zstd { source: Some(source), frame: None }),
        "lz4" => Box::new(Lz4 { decoder: lz4_flex::frame::FrameDecoder::new(source), inside: false, before: 0 }),
        "bzip2" => Box::new(bzip2::bufread::MultiBzDecoder::new(source)),
        "xz" => Box::new(lzma_rust2::XzReader::new_mem_limit(source, true, MAX_XZ_DICTIONARY + XZ_OVERHEAD)),
        _ => Box::new(zip::Zip::new(source)),
    };
    Box::new(Unzipped { inner: Some(inner), ended })
}

/// What the decoder needs beside its dictionary, in KiB, well rounded up.
const XZ_OVERHEAD: u32 = 1024;

/// Sets the errors of all decoders right: data that end too early are told from data that are wrong, and a decoder that has
/// failed is asked no more.
struct Unzipped {
    inner: Option<Reader>,
    ended: Arc<AtomicBool>,
}

impl Read for Unzipped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(inner) = &mut self.inner else { return Ok(0) };
        let error = match inner.read(buffer) {
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => error,
        };
        self.inner = None;
        Err(match error.kind() {
            ErrorKind::OutOfMemory => io::Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the xz data want a dictionary of more than {} MiB; unpack them first, with `xz -d`",
                    MAX_XZ_DICTIONARY / 1024
                ),
            ),
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other
                if self.ended.load(Ordering::Relaxed) =>
            {
                io::Error::new(ErrorKind::UnexpectedEof, "the compressed data end too early")
            }
            _ => error,
        })
    }
}

/// The compressed side: knows whether more was wanted of it than there is, and how much was taken.
pub(super) struct Watched {
    source: BufReader<Reader>,
    ended: Arc<AtomicBool>,
    bytes: u64,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bytes += read as u64;
        if read == 0 && !buffer.is_empty() {
            self.ended.store(true, Ordering::Relaxed);
        }
        Ok(read)
    }
}

impl BufRead for Watched {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.source.fill_buf()?;
        if bytes.is_empty() {
            self.ended.store(true, Ordering::Relaxed);
        }
        Ok(bytes)
    }

    fn consume(&mut self, len: usize) {
        self.bytes += len as u64;
        self.source.consume(len);
    }
}

impl Watched {
    /// Whether nothing is left; no error if so.
    pub fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.source.fill_buf()?.is_empty())
    }

    fn too_short(&self) -> io::Error {
        self.ended.store(true, Ordering::Relaxed);
        ErrorKind::UnexpectedEof.into()
    }

    /// Moves on by so many bytes.
    pub fn pass_over(&mut self, len: u64) -> io::Result<()> {
        let passed = io::copy(&mut (&mut self.source).take(len), &mut io::sink())?;
        if passed < len { Err(self.too_short()) } else { Ok(()) }
    }
}

/// Frame after frame, skippable ones left out (RFC 8878, sections 3.1.1 and 3.1.2).
struct Zstd {
    source: Option<Watched>,
    frame: Option<Box<StreamingDecoder<Watched, ruzstd::decoding::FrameDecoder>>>,
}

impl Read for Zstd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.source = self.frame.take().map(|frame| frame.into_inner());
            }
            let Some(mut source) = self.source.take() else { return Ok(0) };
            if source.is_at_end()? {
                return Ok(0);
            }
            let mut head = [0; 8];
            if let [0x50..=0x5f, ..] = source.source.fill_buf()? {
                source.read_exact(&mut head)?;
                let [0x50..=0x5f, 0x2a, 0x4d, 0x18, length @ ..] = head else {
                    return Err(io::Error::new(ErrorKind::InvalidData, "no zstd frame begins here"));
                };
                source.pass_over(u32::from_le_bytes(length).into())?;
                self.source = Some(source);
                continue;
            }
            let frame = StreamingDecoder::new(source).map_err(|error| match error {
                FrameDecoderError::WindowSizeTooBig { requested, .. } => io::Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the zstd data want {} MiB of memory; unpack them first, with `zstd -d --long=31`",
                        requested >> 20
                    ),
                ),
                error => io::Error::new(ErrorKind::InvalidData, error.to_string()),
            })?;
            self.frame = Some(Box::new(frame));
        }
    }
}

/// Frame after frame, as `lz4` writes them and `cat` joins them.
struct Lz4 {
    decoder: lz4_flex::frame::FrameDecoder<Watched>,
    /// Whether a frame has given something, and has not ended.
    inside: bool,
    /// Bytes that were taken when the last frame ended.
    before: u64,
}

impl Read for Lz4 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                self.inside = true;
                return Ok(read);
            }
            // The decoder gives nothing at the end of a frame, and where the data end, be it in the middle of one.
            let source = self.decoder.get_ref();
            if source.ended.load(Ordering::Relaxed) {
                let whole = !self.inside && source.bytes == self.before;
                return if whole { Ok(0) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            (self.inside, self.before) = (false, source.bytes);
        }
    }
}

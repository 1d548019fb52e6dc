//! Compression around a capture: gzip of several members, zstd of several frames, lz4. Streams; never holds a whole file.

use ruzstd::decoding::StreamingDecoder;
use std::io::{self, BufRead, BufReader, Read};

/// What is read at once from the compressed side.
const CHUNK: usize = 128 * 1024;

type Reader = Box<dyn Read + Send>;

/// The name of the compression and what is inside, where the magic bytes are those of one.
pub fn open(magic: &[u8], reader: &mut Reader) -> Option<(&'static str, io::Result<Reader>)> {
    let mut take = || BufReader::with_capacity(CHUNK, std::mem::replace(reader, Box::new(io::empty())));
    match magic {
        [0x1f, 0x8b, 8, ..] => Some(("gzip", Ok(Box::new(flate2::bufread::MultiGzDecoder::new(take()))))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Some(("zstd", Ok(Box::new(Zstd::new(take())))))
        }
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(("lz4", Ok(Box::new(Lz4::new(take()))))),
        _ => None,
    }
}

/// Frame after frame, skippable ones left out (RFC 8878, sections 3.1.1 and 3.1.2).
struct Zstd {
    source: Option<BufReader<Reader>>,
    frame: Option<Box<StreamingDecoder<BufReader<Reader>, ruzstd::decoding::FrameDecoder>>>,
}

impl Zstd {
    fn new(source: BufReader<Reader>) -> Self {
        Zstd { source: Some(source), frame: None }
    }
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
            let head = BufRead::fill_buf(&mut source)?;
            if head.is_empty() {
                return Ok(0);
            }
            if let Some(length) = skippable(&mut source)? {
                io::copy(&mut (&mut source).take(length), &mut io::sink())?;
                self.source = Some(source);
                continue;
            }
            let frame = StreamingDecoder::new(source)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            self.frame = Some(Box::new(frame));
        }
    }
}

/// The length of a skippable frame, its header taken; `None` and nothing taken where there is none.
fn skippable(source: &mut BufReader<Reader>) -> io::Result<Option<u64>> {
    let head = BufRead::fill_buf(source)?;
    let [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] = head else { return Ok(None) };
    let mut header = [0; 8];
    source.read_exact(&mut header)?;
    Ok(Some(u64::from(u32::from_le_bytes([header[4], header[5], header[6], header[7]]))))
}

/// Frame after frame, as `lz4` writes them and `cat` joins them.
struct Lz4 {
    decoder: lz4_flex::frame::FrameDecoder<BufReader<Reader>>,
    /// The decoder gives nothing at the end of a frame; twice nothing is the end of the file.
    at_frame_end: bool,
}

impl Lz4 {
    fn new(source: BufReader<Reader>) -> Self {
        Lz4 { decoder: lz4_flex::frame::FrameDecoder::new(source), at_frame_end: false }
    }
}

impl Read for Lz4 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                self.at_frame_end = false;
                return Ok(read);
            }
            if self.at_frame_end {
                return Ok(0);
            }
            self.at_frame_end = true;
        }
    }
}

//! A zip archive as a stream, by its local headers (APPNOTE.TXT 6.3, section 4.3.7): the capture in it, and a word about every
//! other. Never seeks, so that it reads from a pipe as well; never holds a whole file.

use super::unzip::{self, Watched};
use super::{MAGIC_LEN, capture_file, describe, names_a_capture};
use std::io::{self, ErrorKind, Read};

/// Files in an archive that are looked at.
const MAX_FILES: usize = 100_000;
/// The longest name that is told in a message, in bytes.
const MAX_NAME: usize = 256;

const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
/// Before the sizes behind a file whose header did not know them; may be left out.
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Gives what is in the archive's one capture. An archive without one gives nothing.
pub(super) struct Zip {
    at: At,
    /// The capture was given.
    given: bool,
    /// The first file that may be or hold a capture, and is not read.
    missed: Option<String>,
}

enum At {
    /// Before a header.
    Between(Watched),
    /// In a file, its first bytes given back first.
    Inside(io::Chain<io::Cursor<Vec<u8>>, File>),
    End,
}

/// A file in the archive, unpacked.
enum File {
    Stored(io::Take<Watched>),
    Deflated {
        data: Box<flate2::bufread::DeflateDecoder<Watched>>,
        /// Whether its sizes stand behind it, and take eight bytes each.
        sizes_behind: Option<bool>,
    },
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            File::Stored(data) => {
                let read = data.read(buffer)?;
                if read == 0 && data.limit() > 0 && !buffer.is_empty() {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                Ok(read)
            }
            File::Deflated { data, .. } => data.read(buffer),
        }
    }
}

impl File {
    /// What lies behind the file; it was read to its end.
    fn behind(self) -> io::Result<Watched> {
        match self {
            File::Stored(data) => Ok(data.into_inner()),
            File::Deflated { data, sizes_behind } => {
                let mut source = data.into_inner();
                if let Some(large) = sizes_behind {
                    let size = if large { 16 } else { 8 };
                    let mut first = [0; 4];
                    source.read_exact(&mut first)?;
                    // The checksum follows, or this was it.
                    source.pass_over(if first == DESCRIPTOR { 4 + size } else { size })?;
                }
                Ok(source)
            }
        }
    }
}

fn unsupported(problem: String) -> io::Error {
    io::Error::new(ErrorKind::Unsupported, problem)
}

impl Zip {
    pub fn new(source: Watched) -> Self {
        Zip { at: At::Between(source), given: false, missed: None }
    }

    /// Finds the next capture; whether there is one.
    fn next_capture(&mut self) -> io::Result<bool> {
        for _ in 0..MAX_FILES {
            let At::Between(source) = std::mem::replace(&mut self.at, At::End) else { return Ok(false) };
            let Some((name, mut file)) = header(source)? else {
                return self.missed.take().map_or(Ok(false), |name| {
                    Err(unsupported(format!(
                        "“{name}” in the zip archive may be a capture, and is not read; unpack the archive first"
                    )))
                });
            };
            let mut first = Vec::with_capacity(MAGIC_LEN);
            (&mut file).take(MAGIC_LEN as u64).read_to_end(&mut first)?;
            if capture_file::recognise(&first).is_none() && unzip::recognise(&first).is_none() {
                io::copy(&mut file, &mut io::sink())?;
                if self.missed.is_none() && (names_a_capture(&name) || describe(&first).1) {
                    self.missed = Some(name);
                }
                self.at = At::Between(file.behind()?);
                continue;
            }
            if self.given {
                return Err(unsupported(format!(
                    "the zip archive holds another capture, “{name}”, which was not read; unpack the archive first"
                )));
            }
            self.given = true;
            self.at = At::Inside(io::Cursor::new(first).chain(file));
            return Ok(true);
        }
        Err(unsupported(format!("the zip archive holds more than {MAX_FILES} files; unpack it first")))
    }
}

impl Read for Zip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let At::Inside(file) = &mut self.at {
                let read = file.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                if let At::Inside(file) = std::mem::replace(&mut self.at, At::End) {
                    self.at = At::Between(file.into_inner().1.behind()?);
                }
            }
            if !self.next_capture()? {
                return Ok(0);
            }
        }
    }
}

/// The next file that is one, and its name; `None` where the list at the end of the archive begins.
fn header(mut source: Watched) -> io::Result<Option<(String, File)>> {
    if source.is_at_end()? {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let mut magic = [0; 4];
    source.read_exact(&mut magic)?;
    if magic != LOCAL_HEADER {
        return Ok(None);
    }
    let mut header = [0; 26];
    source.read_exact(&mut header)?;
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let (flags, method, name_len, extra_len) = (half(2), half(4), half(22), half(24));
    let packed = u32::from_le_bytes([header[14], header[15], header[16], header[17]]);
    let mut name = vec![0; MAX_NAME.min(name_len.into())];
    source.read_exact(&mut name)?;
    source.pass_over(u64::from(name_len) - name.len() as u64)?;
    let name = String::from_utf8_lossy(&name).into_owned();
    let mut extra = (&mut source).take(extra_len.into());
    let large = sizes_of_eight_bytes(&mut extra)?;
    io::copy(&mut extra, &mut io::sink())?;
    let sizes_behind = (flags & 8 != 0).then_some(large.is_some());
    let wrong = match method {
        _ if flags & 1 != 0 => "is encrypted",
        STORED if sizes_behind.is_some() && packed == 0 && !name.ends_with('/') => "is stored without its size",
        STORED | DEFLATED => "",
        _ => "is packed in a way that is not read",
    };
    if !wrong.is_empty() {
        return Err(unsupported(format!("“{name}” in the zip archive {wrong}; unpack the archive first")));
    }
    let packed = if packed == u32::MAX { large.flatten().unwrap_or(packed.into()) } else { packed.into() };
    let file = match method {
        STORED => File::Stored(source.take(packed)),
        _ => File::Deflated { data: Box::new(flate2::bufread::DeflateDecoder::new(source)), sizes_behind },
    };
    Ok(Some((name, file)))
}

/// The packed size in the extra field for large files (section 4.5.3), where there is such a field.
#[allow(clippy::option_option)] // whether there is a field, and whether it has the size
fn sizes_of_eight_bytes(extra: &mut impl Read) -> io::Result<Option<Option<u64>>> {
    loop {
        let mut head = [0; 4];
        let mut read = 0;
        while read < head.len() {
            match extra.read(&mut head[read..])? {
                0 => return Ok(None),
                more => read += more,
            }
        }
        let length = u64::from(u16::from_le_bytes([head[2], head[3]]));
        if head[..2] == [1, 0] {
            let mut sizes = [0; 16];
            if length < 16 {
                return Ok(Some(None));
            }
            extra.read_exact(&mut sizes)?;
            return Ok(Some(sizes.last_chunk().map(|size| u64::from_le_bytes(*size))));
        }
        io::copy(&mut extra.by_ref().take(length), &mut io::sink())?;
    }
}

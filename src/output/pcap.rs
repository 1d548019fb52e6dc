//! Frames as they were, in pcap files with nanoseconds, from one to the next when a size is reached. Judges nothing.

use crate::frame::{Frame, LinkType};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The magic number of files with nanoseconds (draft-ietf-opsawg-pcap, section 4).
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const SNAP_LEN: u32 = 262_144;
/// Bytes of a file without frames.
const HEADER: u64 = 24;

/// Says whether an open file may be written over.
pub type Allowed = Box<dyn Fn(&File) -> io::Result<()> + Send>;

/// A row of files: NAME, then NAME.1, NAME.2 …; after the last the first is written again.
pub struct Files {
    path: PathBuf,
    link: LinkType,
    /// Bytes after which the next file begins; 0 for never.
    size: u64,
    count: u32,
    number: u32,
    written: u64,
    file: BufWriter<File>,
    allowed: Allowed,
}

impl Files {
    /// Opens the first file. Each is asked for by `allowed` once it is open, and before anything in it is touched.
    ///
    /// # Errors
    /// It cannot be written, or must not.
    pub fn create(path: &Path, link: LinkType, size: u64, count: u32, allowed: Allowed) -> io::Result<Self> {
        let count = count.max(1);
        // What an earlier watch kept is not written over while there is another name.
        let taken = |number: u32| {
            std::fs::metadata(numbered(path, number)).is_ok_and(|file| file.is_file() && file.len() > HEADER)
        };
        let number = (0..count).find(|number| !taken(*number)).unwrap_or(0);
        let file = begin(&numbered(path, number), link, &allowed)?;
        Ok(Files { path: path.to_owned(), link, size, count, number, written: 0, file, allowed })
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// The disk is full, or the next file cannot be opened.
    pub fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.append(frame).map_err(|error| named(&numbered(&self.path, self.number), &error))
    }

    fn append(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let len = u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX);
        if self.size > 0 && self.written > 0 && self.written + u64::from(len) > self.size {
            self.file.flush()?;
            self.number = (self.number + 1) % self.count;
            self.file = begin(&numbered(&self.path, self.number), self.link, &self.allowed)?;
            self.written = 0;
        }
        let (seconds, nanoseconds) = (frame.time.0 / 1_000_000_000, frame.time.0 % 1_000_000_000);
        let words =
            [u32::try_from(seconds).unwrap_or(u32::MAX), u32::try_from(nanoseconds).unwrap_or(0), len, frame.wire_len];
        for word in words {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(frame.bytes)?;
        self.written += 16 + u64::from(len);
        Ok(())
    }

    /// # Errors
    /// The disk is full.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| named(&numbered(&self.path, self.number), &error))
    }

    /// The file that is written now.
    #[must_use]
    pub fn current(&self) -> PathBuf {
        numbered(&self.path, self.number)
    }
}

/// An error with the file that it is about.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn begin(path: &Path, link: LinkType, allowed: &Allowed) -> io::Result<BufWriter<File>> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    // Frames are for whoever watches, and nobody else.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    allowed(&file)?;
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    let mut file = BufWriter::new(file);
    file.write_all(&NANOSECONDS.to_le_bytes())?;
    file.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    file.write_all(&SNAP_LEN.to_le_bytes())?;
    file.write_all(&link.0.to_le_bytes())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameRef, Timestamp};

    #[test]
    fn a_file_that_must_not_be_written_over_is_left_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kept.pcap");
        std::fs::write(folder.path().join("kept.pcap.1"), "evidence").expect("writable");
        let evidence: Allowed = Box::new(|file| match file.metadata()?.len() {
            8 => Err(io::Error::other("evidence")),
            _ => Ok(()),
        });
        let mut files = Files::create(&path, LinkType(1), 100, 2, evidence).expect("writable");
        let at = FrameRef::new(0, 1);
        let frame = Frame { time: Timestamp(1), link: LinkType(1), wire_len: 60, bytes: &[0; 60], at, interface: 0 };
        files.write(&frame).expect("room");
        let refused = files.write(&frame).expect_err("the next file is evidence");
        assert!(refused.to_string().contains("kept.pcap.1: evidence"), "{refused}");
        assert_eq!(std::fs::read(folder.path().join("kept.pcap.1")).expect("readable"), b"evidence");
    }

    #[test]
    fn files_follow_each_other_and_the_first_comes_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kept.pcap");
        let mut files = Files::create(&path, LinkType(1), 100, 2, Box::new(|_| Ok(()))).expect("writable");
        for number in 1..=5u64 {
            let bytes = &[u8::try_from(number).expect("small"); 60];
            let at = FrameRef::new(0, number);
            let frame = Frame { time: Timestamp(number), link: LinkType(1), wire_len: 60, bytes, at, interface: 0 };
            files.write(&frame).expect("room");
        }
        files.flush().expect("room");
        let payload = |name: &str| std::fs::read(folder.path().join(name)).expect("it is there")[24 + 16];
        // One frame a file: the fifth is in the first file again, the fourth in the second.
        assert_eq!((payload("kept.pcap"), payload("kept.pcap.1")), (5, 4));
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 2);
    }
}

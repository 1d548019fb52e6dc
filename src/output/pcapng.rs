//! Frames as they were, in a pcapng file (draft-ietf-opsawg-pcapng): each with its interface, its time in nanoseconds and a
//! comment. Judges nothing.

use crate::frame::{Frame, LinkType};
use std::io::{self, Write};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// Options: of any block a comment, of a section the program, of an interface its name, what it is, and its clock.
const END: u16 = 0;
const COMMENT: u16 = 1;
const PROGRAM: u16 = 4;
const NAME: u16 = 2;
const DESCRIPTION: u16 = 3;
const RESOLUTION: u16 = 9;
/// Bytes of an option: its length has sixteen bits, and is padded to four.
const MAX_OPTION: usize = 65_532;

/// A file that is being written.
pub struct File<W> {
    writer: W,
    interfaces: u32,
}

impl<W: Write> File<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// What the writer says.
    pub fn begin(mut writer: W) -> io::Result<Self> {
        let mut body = BYTE_ORDER.to_le_bytes().to_vec();
        body.extend([1, 0, 0, 0]); // version 1.0
        body.extend([0xff; 8]); // the section's length is not told
        text(&mut body, PROGRAM, concat!("gapwatch ", env!("CARGO_PKG_VERSION")));
        option(&mut body, END, &[]);
        block(&mut writer, SECTION_HEADER, &body)?;
        Ok(File { writer, interfaces: 0 })
    }

    /// Adds an interface; frames name it by the number that this gives.
    ///
    /// # Errors
    /// What the writer says.
    pub fn interface(&mut self, link: LinkType, name: &str, description: &str) -> io::Result<u32> {
        let mut body = u16::try_from(link.0).unwrap_or(u16::MAX).to_le_bytes().to_vec();
        body.extend([0; 6]); // reserved, and no snap length
        if !name.is_empty() {
            text(&mut body, NAME, name);
        }
        text(&mut body, DESCRIPTION, description);
        option(&mut body, RESOLUTION, &[9]);
        option(&mut body, END, &[]);
        block(&mut self.writer, INTERFACE, &body)?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// What the writer says.
    pub fn frame(&mut self, interface: u32, frame: &Frame<'_>, comment: &str) -> io::Result<()> {
        let captured = u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX);
        let mut body = Vec::with_capacity(frame.bytes.len() + comment.len() + 40);
        body.extend(interface.to_le_bytes());
        // The upper half of the time first, each half in the file's own order.
        body.extend(u32::try_from(frame.time.0 >> 32).unwrap_or(0).to_le_bytes());
        body.extend(&frame.time.0.to_le_bytes()[..4]);
        body.extend(captured.to_le_bytes());
        body.extend(frame.wire_len.to_le_bytes());
        body.extend(frame.bytes);
        pad(&mut body);
        text(&mut body, COMMENT, comment);
        option(&mut body, END, &[]);
        block(&mut self.writer, ENHANCED_PACKET, &body)
    }

    /// # Errors
    /// The disk is full.
    pub fn finish(mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn block(writer: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let len = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    writer.write_all(&kind.to_le_bytes())?;
    writer.write_all(&len)?;
    writer.write_all(body)?;
    writer.write_all(&len)
}

/// A text, cut between two characters where it is longer than an option can be.
fn text(body: &mut Vec<u8>, code: u16, text: &str) {
    let end = (0..=text.len().min(MAX_OPTION)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    option(body, code, &text.as_bytes()[..end]);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

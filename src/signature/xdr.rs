//! Reading XDR (RFC 4506): big-endian words and padded opaque data, from bytes that may end anywhere.

/// A place in the bytes; every read moves it or gives `None`.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// An unsigned integer (RFC 4506, section 4.2).
    pub fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        Some(u32::from_be_bytes(*word))
    }

    /// Fixed-length opaque data with its padding (section 4.9).
    pub fn fixed(&mut self, len: usize) -> Option<&'a [u8]> {
        let padded = len.checked_next_multiple_of(4)?;
        let data = self.bytes.get(..len)?;
        self.bytes = self.bytes.get(padded..)?;
        Some(data)
    }

    /// Variable-length opaque data or a string of at most `max` bytes (sections 4.10 and 4.11).
    pub fn opaque(&mut self, max: usize) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let len = usize::try_from(ahead.word()?).ok().filter(|&len| len <= max)?;
        let data = ahead.fixed(len)?;
        *self = ahead;
        Some(data)
    }

    /// The same, where its padding is zeros, as it has to be: numbers that are read as a string seldom have that.
    pub fn padded(&mut self, max: usize) -> Option<&'a [u8]> {
        let before = *self;
        let data = self.opaque(max)?;
        let read = &before.bytes[4..before.bytes.len() - self.bytes.len()];
        if read[data.len()..].iter().any(|byte| *byte != 0) {
            *self = before;
            return None;
        }
        Some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_padded_data_are_read_and_nothing_beyond_the_end() {
        let mut reader = Reader::new(&[0, 0, 0, 7, 0, 0, 0, 3, b'a', b'b', b'c', 0, 0, 0, 0, 9]);
        assert_eq!(reader.word(), Some(7));
        assert_eq!(reader.opaque(255), Some(&b"abc"[..]));
        assert_eq!(reader.word(), Some(9));
        assert_eq!(reader.word(), None);
        let mut long = Reader::new(&[0xff, 0xff, 0xff, 0xff]);
        assert_eq!(long.opaque(usize::MAX), None);
        assert_eq!(long.rest().len(), 4, "a failed read does not move");
        let mut odd = Reader::new(&[0, 0, 0, 1, 0, 0, 1, 0xa4]);
        assert_eq!((odd.padded(255), odd.rest().len()), (None, 8), "numbers");
        assert_eq!(odd.opaque(255), Some(&[0][..]));
    }
}

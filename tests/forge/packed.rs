//! Compressions and archives around captures. Knows nothing of captures.

use std::io::Write;

/// One member.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[must_use]
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[must_use]
pub fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[must_use]
pub fn xz(bytes: &[u8], dictionary: u32) -> Vec<u8> {
    let mut options = lzma_rust2::XzOptions::with_preset(1);
    options.lzma_options.dict_size = dictionary;
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).expect("memory");
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A file in a zip archive; `how` is the method, or 9 for deflate with the sizes behind the data.
#[must_use]
pub fn zipped_file(name: &str, how: u16, flags: u16, bytes: &[u8]) -> Vec<u8> {
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
#[must_use]
pub fn zip(files: &[Vec<u8>]) -> Vec<u8> {
    [&files.concat()[..], b"PK\x01\x02 and so on PK\x05\x06"].concat()
}

#[must_use]
pub fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

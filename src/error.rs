//! What can go wrong outside the core, in typed form: what failed, on which input, and what to do.

use std::io;
use thiserror::Error;

/// An input that gave nothing at all. One that failed half-way is no error but a report with that status.
#[derive(Debug, Error)]
pub enum Error {
    #[error("{name}: cannot be opened: {source}")]
    Open { name: String, source: io::Error },
    #[error("{name}: cannot be read: {source}")]
    Read { name: String, source: io::Error },
    #[error("{name}: {what} is empty")]
    Empty { name: String, what: String },
    #[error("{name}: truncated: {problem}; copy it anew from where it came from")]
    Truncated { name: String, problem: String },
    #[error(
        "{name}: not a capture: {found}; gapwatch reads pcap and pcapng, also inside gzip, zstd, lz4, bzip2, xz and zip"
    )]
    NotACapture {
        name: String,
        found: String,
        /// Whether it may be or hold a capture all the same, of a kind that is not read.
        perhaps: bool,
    },
    #[error("{name}: {problem}")]
    BadHeader { name: String, problem: String },
    /// It was open, and went down or away; or it could not be opened.
    #[error("{problem}")]
    Interface { problem: String },
    #[error("{name}: no such interface; {nearest} (gapwatch live -D lists them)")]
    NoInterface { name: String, nearest: String },
    #[error("{interface}: no permission to capture")]
    Permission { interface: String },
    #[error("filter “{expression}”: {problem}")]
    Filter { expression: String, problem: String },
    #[error("{name}: no captures in this folder ({files} looked at, recognised by their content)")]
    NoCaptures { name: String, files: String },
    #[error("{name}: not entered: folders in folders in folders, {depth} deep; name it by itself")]
    TooDeep { name: String, depth: usize },
}

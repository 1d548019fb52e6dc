//! What a signature is, and the list of them. A signature sees one payload and keeps nothing; it knows no flow.
//!
//! To add one: a file beside its neighbours in `signature/`, and its name in [`ALL`].

pub mod arguments;
pub mod certificate;
pub mod credential;
pub mod executable;
pub mod exploit;
pub mod http;
pub mod mount;
pub mod netinfo;
pub mod nfs;
pub mod nis;
pub mod password;
pub mod pattern;
pub mod portmap;
pub mod protocol;
pub mod read_again;
pub mod rpc;
pub mod secret;
pub mod shell;
pub mod ssh;
pub mod texture;
pub mod tls;
pub mod xdr;

use crate::class::{Class, Weight};
use crate::port::Transport;

/// The payload of one packet, or the first bytes of a stream put together.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    pub transport: Transport,
    /// As captured.
    pub bytes: &'a [u8],
    /// As sent; larger than `bytes` where the capture cut it.
    pub wire_len: usize,
}

impl<'a> Payload<'a> {
    /// A payload that was captured in full.
    #[must_use]
    pub const fn whole(transport: Transport, bytes: &'a [u8]) -> Self {
        Payload { transport, bytes, wire_len: bytes.len() }
    }
}

/// Which side of a conversation sends such a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
    Either,
}

/// What a signature says of itself, wherever it came from: the list below, the patterns, or a user's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Stable, as evidence names it.
    pub id: &'static str,
    /// A short lower-case name of what speaks; empty where the signature is about content, not protocol.
    pub protocol: &'static str,
    pub class: Class,
    pub weight: Weight,
    /// A MITRE ATT&CK technique, where one fits.
    pub attack: Option<&'static str>,
    pub sender: Sender,
}

/// How bytes on the wire show what speaks.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Stable, as evidence names it.
    pub id: &'static str,
    /// A short lower-case name of what speaks; empty where the signature is about content, not protocol.
    pub protocol: &'static str,
    /// In words, for `gapwatch explain`.
    pub about: &'static str,
    pub class: Class,
    pub weight: Weight,
    /// A MITRE ATT&CK technique, where one fits.
    pub attack: Option<&'static str>,
    pub sender: Sender,
    /// What it saw, in words or as a name from the payload; `None` where this is not it.
    pub see: fn(&Payload<'_>) -> Option<String>,
    /// Payloads it must accept.
    pub hits: &'static [(Transport, &'static [u8])],
    /// Payloads it must refuse.
    pub misses: &'static [(Transport, &'static [u8])],
}

impl Signature {
    #[must_use]
    pub const fn label(&self) -> Label {
        let Signature { id, protocol, class, weight, attack, sender, .. } = *self;
        Label { id, protocol, class, weight, attack, sender }
    }
}

/// Every signature. The place in this list is the signature's number in a table.
pub const ALL: &[&Signature] = &[
    &rpc::CALL,
    &rpc::REPLY,
    &tls::CLIENT,
    &tls::SERVER,
    &certificate::CERTIFICATE,
    &certificate::DEFAULT,
    &ssh::BANNER,
    &http::REQUEST,
    &http::RESPONSE,
    &http::STAGER,
    &http::INJECTION,
    &credential::CLEAR,
    &shell::IDENTITY,
    &shell::SYSTEM,
    &shell::ACCOUNTS,
    &shell::BANNER,
    &shell::PROMPT,
    &shell::BARE_PROMPT,
    &shell::COMMAND,
    &executable::IMAGE,
    &executable::SCRIPT,
];

/// How many at the head of [`ALL`] have features of their own in a flow and are not run with the rest.
pub const STRUCTURED: usize = 2;

/// The longest piece of a payload that a signature quotes, in bytes.
pub const MAX_QUOTE: usize = 80;

/// A piece of a payload as text, cut to [`MAX_QUOTE`]. Outputs make it harmless.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_QUOTE)]).into_owned()
}

/// The first line, without its end.
#[must_use]
pub fn first_line(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end])
}

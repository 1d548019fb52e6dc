//! What rules and reports read of one direction of a conversation. Judges nothing.

use crate::flow::RemoteCalls;
use crate::frame::Stamp;
use crate::port::Transport;
use crate::signature::texture::Texture;
use crate::table::Gathered;
use std::borrow::Cow;

/// The fewest seconds that say anything of a period.
const MIN_BEATS: usize = 6;

/// The features of a direction that rules and reports read.
#[derive(Clone, Debug)]
pub struct Traffic<'a> {
    pub packets: u64,
    pub bytes: u64,
    pub payload_packets: u64,
    pub payload_bytes: u64,
    pub missing_bytes: u64,
    pub syn: u64,
    pub syn_ack: u64,
    pub rst: u64,
    pub fin: u64,
    pub odd_flags: u64,
    /// Whether its sequence numbers show that it sent nothing.
    pub sent_nothing: bool,
    /// Bytes of the other side that it acknowledged, whether the capture has them or not.
    pub acknowledged: u32,
    /// Whether it sent any packet with the ACK flag.
    pub acknowledges: bool,
    /// ICMP messages from here that nobody listens.
    pub refusals: u64,
    /// The sequence number of its last packet.
    pub last_sequence: u32,
    /// The earliest FIN or RST.
    pub closed: Option<Stamp>,
    pub first: Option<Stamp>,
    pub last: Option<Stamp>,
    pub first_payload: Option<Stamp>,
    /// The first seconds with payload, where there are enough to tell a period.
    pub beats: Vec<u32>,
    /// Different payloads among the first ones that were kept, or different RPC calls.
    pub different: usize,
    /// What its first bytes are like, where nobody knows what they are. Boxed, because most are known.
    pub texture: Option<Box<Texture>>,
    /// Boxed, because most conversations have none.
    pub remote_calls: Option<Cow<'a, Box<RemoteCalls>>>,
    /// Identifications of datagrams of which later fragments were gathered.
    pub gathered: Vec<u32>,
    /// RPC messages that began inside a segment and were borne out by the other direction.
    pub resynchronised: u64,
    /// Whether it began with something else before it spoke RPC.
    pub preamble: bool,
    /// RPC messages inside another protocol.
    pub enveloped: Option<Enveloped>,
}

/// RPC messages of a direction before each of which other bytes stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enveloped {
    pub messages: u64,
    /// Program and version of the first call, where there is one.
    pub called: Option<(u32, u32)>,
    pub first: Stamp,
}

impl Traffic<'_> {
    /// What is counted of it; what its bytes show comes after.
    #[must_use]
    pub(super) fn of(gathered: &Gathered<'_>, side: usize) -> Self {
        let (headers, half) = (&gathered.headers[side], &gathered.halves[side]);
        let calls = half.remote_calls.as_deref().map_or(0, |calls| calls.calls.len());
        debug_assert!(gathered.key.transport == Transport::Tcp || headers.syn == 0);
        Traffic {
            packets: headers.packets,
            bytes: headers.bytes,
            payload_packets: headers.payload_packets,
            payload_bytes: headers.payload_bytes,
            missing_bytes: half.missing_bytes,
            syn: headers.syn,
            syn_ack: headers.syn_ack,
            rst: headers.rst,
            fin: headers.fin,
            odd_flags: headers.odd_flags,
            sent_nothing: headers.sent_nothing(),
            acknowledged: headers.acknowledged_bytes(),
            acknowledges: headers.acknowledges(),
            refusals: gathered.refusals[side],
            last_sequence: headers.last_sequence,
            closed: headers.closed,
            first: headers.first,
            last: headers.last,
            first_payload: half.first_payload,
            beats: Some(half.beats.seconds()).filter(|beats| beats.len() >= MIN_BEATS).unwrap_or_default().to_vec(),
            different: half.opening.chunks().len().max(calls),
            texture: None,
            remote_calls: None,
            gathered: gathered.fragments[side].clone(),
            resynchronised: 0,
            preamble: false,
            enveloped: None,
        }
    }

    /// Payload bytes that are in the capture.
    #[must_use]
    pub fn captured_payload(&self) -> u64 {
        self.payload_bytes - self.missing_bytes
    }
}

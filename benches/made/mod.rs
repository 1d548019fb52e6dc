//! The capture that the benchmarks read: frames of 350 bytes on average between many hosts, all of it from one formula, so
//! that every machine measures the same bytes.

use std::collections::HashMap;
use std::io::{self, Write};

/// Which frames are in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One in 5,000.
    Sparse,
    /// All, on a handful of services.
    Dense,
    /// All, and every one an RPC call or its reply.
    Rpc,
}

const CONVERSATIONS: u64 = 4096;
const SPARSENESS: u64 = 5000;

/// Bijective mixing, so that neighbours look unrelated.
fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 31)).wrapping_mul(0x7fb5_d329_728e_a185);
    let value = (value ^ (value >> 27)).wrapping_mul(0x81da_def4_bc2d_d44d);
    value ^ (value >> 33)
}

/// Writes a pcap file of `frames` frames.
///
/// # Errors
/// What the writer says.
#[allow(clippy::cast_possible_truncation)] // cut to the width of their fields on purpose
pub fn write(kind: Kind, frames: u64, mut writer: impl Write) -> io::Result<()> {
    let mut header = Vec::new();
    header.extend(0xa1b2_c3d4u32.to_le_bytes());
    header.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    header.extend(262_144u32.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    writer.write_all(&header)?;
    // What each direction of a conversation has sent: its bytes follow each other, from a number of its own.
    let mut sent: HashMap<(u64, u16, bool), u32> = HashMap::new();
    let noise: Vec<u8> = (0..2048).map(|n| mixed(n) as u8).collect();
    for number in 0..frames {
        let conversation = mixed(number) % CONVERSATIONS;
        let port = match kind {
            Kind::Sparse if number % SPARSENESS == 0 => 817,
            Kind::Sparse => [443, 80, 53, 3389, 22][(conversation % 5) as usize],
            Kind::Dense | Kind::Rpc => [817, 722, 930, 4, 26][(conversation % 5) as usize],
        };
        // 54 bytes of headers and 0 to 591 of payload: 350 on average.
        let mut payload = noise[..(mixed(number + 1) % 592) as usize].to_vec();
        let reply = kind == Kind::Rpc && number % 2 == 1;
        if kind == Kind::Rpc {
            let words: &[u32] = if reply {
                &[(number / 2) as u32, 1, 0, 0, 0, 0]
            } else {
                &[(number / 2) as u32, 0, 2, 100_003, 3, 1, 0, 0, 0, 0]
            };
            let message: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).chain(payload.drain(..)).collect();
            payload = [&(0x8000_0000 | message.len() as u32).to_be_bytes()[..], &message].concat();
        }
        let conversation = if kind == Kind::Rpc { number / 2 % CONVERSATIONS } else { conversation };
        let port = if kind == Kind::Rpc { 817 } else { port };
        let client = [10, 0, (conversation >> 6) as u8, (conversation & 63) as u8 + 1];
        let server = [10, 1, 0, (conversation % 50) as u8 + 1];
        let client_port = 20_000 + (mixed(conversation) % 40_000) as u16;
        let ends =
            if reply { [(server, port), (client, client_port)] } else { [(client, client_port), (server, port)] };
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        frame.extend((40 + payload.len() as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        frame.extend(ends[0].0);
        frame.extend(ends[1].0);
        frame.extend(ends[0].1.to_be_bytes());
        frame.extend(ends[1].1.to_be_bytes());
        let sequence = sent
            .entry((conversation, port, reply))
            .or_insert_with(|| mixed(conversation * 2 + u64::from(reply)).rotate_left(17) as u32);
        frame.extend(sequence.to_be_bytes());
        *sequence = sequence.wrapping_add(payload.len() as u32);
        frame.extend([0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(payload);
        let micros = number * 20;
        writer.write_all(&(1_700_000_000 + (micros / 1_000_000) as u32).to_le_bytes())?;
        writer.write_all(&((micros % 1_000_000) as u32).to_le_bytes())?;
        writer.write_all(&(frame.len() as u32).to_le_bytes())?;
        writer.write_all(&(frame.len() as u32).to_le_bytes())?;
        writer.write_all(&frame)?;
    }
    writer.flush()
}

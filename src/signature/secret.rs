//! What is secret in bytes that a report quotes: passwords, keys and tokens, by the words or the layout around them. The one
//! place that knows; it judges nothing.
//!
//! To add one: an entry of `WORDS` where words stand around it, of `typed.rs` where it is a program's option, a function like
//! `ldap_bind` where it is a layout.

mod typed;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use std::ops::Range;
use std::sync::LazyLock;

/// What stands for a byte of a secret.
const MASK: u8 = b'*';

/// Words around a secret, which is the group `s` (or `t` or `u`, by its quotation marks). Without Unicode, in any case, several lines. `^` is the beginning of a line or of
/// a quotation.
const WORDS: &[&str] = &[
    // HTTP, SIP, RTSP and whatever else has their header fields (RFC 9110, section 11; RFC 6265).
    r"\b(?:proxy-)?authorization: *(?:basic|digest|bearer|ntlm|negotiate|token|apikey|aws4-hmac-sha256)? *(?<s>[^\r\n]+)",
    r"\b(?:set-)?cookie: *(?<s>[^\r\n]+)",
    r"\bx-(?:api-key|auth-token|access-token|vault-token|csrf-token): *(?<s>[^\r\n]+)",
    // FTP and POP3 (RFC 959, RFC 1939), IRC, NNTP (RFC 4643), SMTP and ManageSieve (RFC 4954, RFC 5804), POP's APOP.
    r"^(?:authinfo )?pass[ \t]+(?<s>[^\r\n]+)",
    r"^apop \S+ (?<s>\S+)",
    r#"^(?:auth|authenticate) "?(?:plain|login|cram-md5|xoauth2|oauthbearer)"? "?(?<s>[^\r\n"]+)"#,
    r"^oper \S+ (?<s>\S+)",
    r"\bidentify (?<s>[^\r\n]+)",
    // IMAP (RFC 9051, section 6.2), with its literals.
    r#"^[!-~]{1,20} login (?:"[^"]*"|[^\s{]\S*) (?<s>[^\r\n]+(?:\r\n[^\r\n]+)?)"#,
    r"^[!-~]{1,20} login (?<s>\{\d+\+?\}\r\n.*)",
    r"^[!-~]{1,20} authenticate \S+ (?<s>[^\r\n]+)",
    // Redis, inline and as an array (RESP).
    r"^auth (?<s>[^\r\n]+)",
    r"^\$4\r\nauth\r\n(?<s>(?:\$\d+\r\n[^\r\n]*\r\n)+)",
    r"\bhello \d auth \S+ (?<s>\S+)",
    r"\b(?:requirepass|masterauth)(?: |\r\n\$\d+\r\n)(?<s>\S+)",
    r"\bsetuser [^\r\n]*?>(?<s>\S+)",
    r"^\$\d+\r\n>(?<s>[^\r\n]+)",
    // Consoles of servers for games and voices.
    r"^login \S+ (?<s>\S+)",
    r#"\brcon "?(?<s>[^\s"]+)"#,
    // XMPP's SASL (RFC 6120, section 6.4), WS-Security, and its like in JSON.
    r"<auth [^>]*>(?<s>[^<]+)",
    r"<(?:[a-z0-9]+:)?(?:password|passwd|pwd|secret|token)\b[^>]*>(?<s>[^<]+)",
    r#""payload" *: *"(?<s>[^"]+)"#,
    // Databases, as statements; PowerShell.
    r#"\bidentified by +(?:password +)?['"](?<s>[^'"]+)"#,
    r#"\bpassword +['"](?<s>[^'"]+)"#,
    r#"\bconvertto-securestring +(?:-string +)?['"]?(?<s>[^'"\s]+)"#,
    // Names and values: forms, queries, JSON, configuration, environments; a quoted value goes to its quotation mark.
    r#"(?:password|passwd|passphrase|passcode|pwd|secret|token|api_?key|access_?key|psk|sessionid)["']? *(?:=>|=|:) *(?:password\( *)?(?:"(?<s>[^"\r\n]+)|'(?<t>[^'\r\n]+)|(?<u>[^&\s"',;}<)]+))"#,
    r#"["'{,&? \r\n]pass["']? *(?:=>|=|:) *(?:"(?<s>[^"\r\n]+)|'(?<t>[^'\r\n]+)|(?<u>[^&\s"',;}<)]+))"#,
    r#"[?&][a-z0-9_.-]*pas(?:s|swd|sword)?=(?<s>[^&\s"]+)"#,
    r#"[?&](?:pw|key|auth|sid)=(?<s>[^&\s"]+)"#,
    r"--?(?:pass(?:word|wd|phrase)?|token|secret|api-?key)[= ]+(?<s>[^\s-]\S*)",
    // User and password before a host (RFC 3986, section 3.2.1).
    r"://[^/\s:@]*:(?<s>[^\s/]+)@",
    // Typed, and handed on.
    r#"\becho +(?:-[ne]+ +)*['"]?[a-z0-9_.-]+:(?<s>[^\s'"|]+)['"]? *\| *chpasswd"#,
    r#"\bchpasswd *<<< *['"]?[a-z0-9_.-]+:(?<s>[^\s'"]+)"#,
    r#"\becho +(?:-[ne]+ +)*['"]?(?<s>[^\s'"|]+)['"]? *\| *(?:sudo -S|passwd\b|su\b)"#,
    // Hashed passwords of Unix (crypt(5)): whoever has one has all the time there is.
    r#"\$(?:1|2[abxy]?|5|6|7|y|gy|md5|sha1|argon2[id]{1,2}|scrypt|apr1)\$(?<s>[^:\s'"]+)"#,
    // rexec (4.2BSD): a port, a user, a password, a command, each with a zero byte behind it.
    r"\A\d{0,5}\x00[!-~]{1,32}\x00(?<s>[!-~]{1,64})\x00[ -~]+\x00",
    // SASL PLAIN inside binary protocols such as AMQP (RFC 4616): a user and a password behind zero bytes.
    r"PLAIN\x00{1,3}.\x00[!-~]{1,64}\x00(?<s>[!-~]+)",
];

/// How [`WORDS`] are read: in any case, `.` for any byte, and `^` also behind an opening quotation mark.
fn expression(words: &str) -> String {
    let line = r"(?:\A|[\r\n]|\xe2\x80\x9c)";
    let words = words.strip_prefix('^').map_or_else(|| words.to_owned(), |rest| format!("{line}{rest}"));
    format!("(?i-u)(?s-m){words}")
}

static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    let all = WORDS.iter().map(|words| expression(words));
    RegexSetBuilder::new(all).unicode(false).build().unwrap_or_else(|_| RegexSet::empty()) // a test sees that it is sound
});

static EACH: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    WORDS.iter().filter_map(|words| RegexBuilder::new(&expression(words)).unicode(false).build().ok()).collect()
});

/// Where a secret is in bytes that begin with its layout.
type Layout = fn(&[u8]) -> Option<Range<usize>>;

const LAYOUTS: &[Layout] = &[ldap_bind, postgres_password, mqtt_connect, mysql_login, socks_login, snmp];

/// Where secrets are in bytes that begin a message, or in text that quotes some.
#[must_use]
pub fn find(bytes: &[u8]) -> Vec<Range<usize>> {
    let by_words = SET.matches(bytes).into_iter().filter_map(|place| EACH.get(place)).flat_map(|regex| {
        regex.captures_iter(bytes).filter_map(|captures| {
            ["s", "t", "u"].iter().find_map(|name| captures.name(name)).map(|found| found.range())
        })
    });
    by_words.chain(LAYOUTS.iter().filter_map(|layout| layout(bytes))).chain(typed::find(bytes)).collect()
}

/// The bytes with every secret masked, each of its bytes by one asterisk.
#[must_use]
pub fn masked(bytes: &[u8]) -> Vec<u8> {
    let mut shown = bytes.to_vec();
    for secret in find(bytes) {
        let end = secret.end.min(shown.len());
        shown[secret.start.min(end)..end].fill(MASK);
    }
    shown
}

/// A text with every secret masked by three asterisks; `None` where there is none.
#[must_use]
pub fn masked_text(text: &str) -> Option<String> {
    let mut secrets = find(text.as_bytes());
    secrets.sort_by_key(|secret| (secret.start, secret.end));
    let mut shown = String::new();
    let mut at = 0;
    for secret in secrets {
        // Quotations end with their mark, and characters are whole.
        let end = text
            .get(secret.start..secret.end)
            .and_then(|found| found.find('”'))
            .map_or(secret.end, |end| secret.start + end);
        let (Some(before), true) = (text.get(at..secret.start.max(at)), end > at.max(secret.start)) else { continue };
        shown.push_str(before);
        shown.push_str("***");
        at = end;
    }
    let rest = text.get(at..)?;
    (at > 0).then(|| shown + rest)
}

/// A BER length (X.690, section 8.1.3) of up to four bytes, and how many bytes state it.
fn ber_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((first.into(), 1));
    }
    let count = usize::from(first & 0x7f);
    let octets = bytes.get(1..=count).filter(|_| (1..=4).contains(&count))?;
    Some((octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), 1 + count))
}

/// What a BER value of this tag holds, from `at` on: from where, and how long it says that it is.
fn ber(bytes: &[u8], at: usize, tag: u8) -> Option<(usize, usize)> {
    (*bytes.get(at)? == tag).then_some(())?;
    let (length, stated) = ber_length(bytes.get(at + 1..)?)?;
    Some((at + 1 + stated, length))
}

/// LDAP's simple bind (RFC 4511, section 4.2): the password behind the name.
fn ldap_bind(bytes: &[u8]) -> Option<Range<usize>> {
    let (at, _) = ber(bytes, 0, 0x30)?;
    let (at, length) = ber(bytes, at, 0x02)?;
    let (at, _) = ber(bytes, at + length, 0x60)?;
    let (at, length) = ber(bytes, at, 0x02)?;
    let (at, length) = ber(bytes, at + length, 0x04)?;
    let (at, length) = ber(bytes, at.checked_add(length)?, 0x80)?;
    Some(at..at.checked_add(length)?)
}

/// SNMP's community (RFC 1901, RFC 3416): version 1 or 2c, then the word that lets in.
fn snmp(bytes: &[u8]) -> Option<Range<usize>> {
    let (at, _) = ber(bytes, 0, 0x30)?;
    let (at, length) = ber(bytes, at, 0x02)?;
    let version = *bytes.get(at).filter(|_| length == 1)?;
    let (at, length) = ber(bytes, at + 1, 0x04).filter(|_| version <= 1)?;
    let end = at.checked_add(length)?;
    // A request or an answer follows.
    bytes.get(end).is_none_or(|tag| (0xa0..=0xa8).contains(tag)).then_some(at..end)
}

/// `PostgreSQL`'s `PasswordMessage` (protocol 3, section 55.7).
fn postgres_password(bytes: &[u8]) -> Option<Range<usize>> {
    let (head, rest) = bytes.split_first_chunk::<5>()?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    (head[0] == b'p' && length == rest.len() + 4 && rest.last() == Some(&0)).then_some(5..bytes.len())
}

/// MQTT's CONNECT (version 3.1.1, section 3.1; version 5): with the password flag the last field is the password.
fn mqtt_connect(bytes: &[u8]) -> Option<Range<usize>> {
    let name = memchr::memmem::find(&bytes[..bytes.len().min(8)], b"\0\x04MQTT")?;
    let flags = *bytes.get(name + 7)?;
    if bytes[0] != 0x10 || flags & 0xc0 != 0xc0 {
        return None;
    }
    // Client, will's topic and message, user: each behind its length. In version 5 properties stand before them.
    let mut at = name + 10;
    if bytes.get(name + 6) == Some(&5) {
        at += 1 + usize::from(*bytes.get(at)?);
    }
    let fields = 2 + if flags & 0x04 == 0 { 0 } else { 2 };
    for _ in 0..fields {
        let length = bytes.get(at..)?.first_chunk::<2>().map(|two| u16::from_be_bytes(*two))?;
        at += 2 + usize::from(length);
    }
    (at + 2 <= bytes.len()).then_some(at + 2..bytes.len())
}

/// `MySQL`'s handshake response (protocol 4.1): what proves the password stands behind the user's name.
fn mysql_login(bytes: &[u8]) -> Option<Range<usize>> {
    let head = bytes.first_chunk::<36>()?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
    let is_response =
        head[3] == 1 && length + 4 == bytes.len() && head[5] & 0x02 != 0 && head[13..36].iter().all(|byte| *byte == 0);
    let user = is_response.then(|| memchr::memchr(0, &bytes[36..]))??;
    let at = 36 + user + 1;
    let proof = usize::from(*bytes.get(at)?);
    Some(at + 1..(at + 1 + proof).min(bytes.len()))
}

/// SOCKS 5's user and password (RFC 1929, section 2).
fn socks_login(bytes: &[u8]) -> Option<Range<usize>> {
    let &[1, user, ..] = bytes else { return None };
    let at = 2 + usize::from(user);
    let length = usize::from(*bytes.get(at)?);
    let text = bytes.get(2..at)?.iter().chain(bytes.get(at + 1..)?).all(|byte| (0x20..0x7f).contains(byte));
    (user > 0 && length > 0 && at + 1 + length == bytes.len() && text).then_some(at + 1..bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_is_sound_and_has_its_group() {
        assert_eq!(EACH.len(), WORDS.len());
        assert_eq!(SET.len(), WORDS.len());
        assert!(EACH.iter().all(|regex| regex.capture_names().flatten().any(|name| name == "s")));
    }

    #[test]
    fn no_secret_is_left() {
        let said: &[&[u8]] = &[
            b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic hunter2\r\n\r\n",
            b"GET / HTTP/1.1\r\nauthorization: Digest username=\"a\", response=\"hunter2\"\r\n\r\n",
            b"REGISTER sip:a SIP/2.0\r\nProxy-Authorization: Digest response=\"hunter2\"\r\n\r\n",
            b"GET / HTTP/1.1\r\nCookie: session=hunter2\r\n\r\n",
            b"GET / HTTP/1.1\r\nX-Api-Key: hunter2\r\n\r\n",
            b"GET /login?user=a&password=hunter2 HTTP/1.1\r\n",
            b"POST /a HTTP/1.1\r\n\r\n{\"user\":\"a\",\"password\":\"hunter2\"}",
            b"USER a\r\nPASS hunter2\r\n",
            b"AUTHINFO PASS hunter2\r\n",
            b"sshpass -p hunter2 ssh -p 2222 root@h\n",
            b"mysql -uroot -phunter2 -P3306 shop\n",
            b"redis-cli -a hunter2 -h h -p 6379\n",
            b"ldapsearch -w hunter2 -h h -p 389\n",
            b"curl -u a:hunter2 http://h/ --proxy-user q:r\n",
            b"curl --user 'a:b hunter2' http://h/\n",
            b"net use Z: \\\\h\\c$ /user:bob hunter2\r\n",
            b"net use Z: \\\\h\\c$ hunter2 /user:bob\r\n",
            b"net user bob hunter2 /add\r\n",
            b"GET /cgi?loginuse=admin&loginpas=hunter2 HTTP/1.0\r\n",
            b"GET /cgi?userpass=hunter2 HTTP/1.0\r\n",
            b"wget http://bob:p@hunter2@host/\n",
            b"{\"password\": \"ab hunter2\"}",
            b"PASSWORD='ab hunter2'\n",
            b"CONNECT {\"verbose\":false,\"user\":\"a\",\"pass\":\"hunter2\"}\r\n",
            b"{\"password\" : \"hunter2\"}",
            b"password = hunter2\n",
            b"SET PASSWORD = PASSWORD('hunter2')",
            b"a-1 LOGIN {3+}\r\nbob {7+}\r\nhunter2\r\n",
            b"OPER admin hunter2\r\n",
            b"PRIVMSG NickServ :IDENTIFY hunter2\r\n",
            b"ACL SETUSER bob on >hunter2 ~* +@all\r\n",
            b"login serveradmin hunter2\n",
            b"\xff\xff\xff\xffrcon hunter2 status",
            b"<wsse:Password Type=\"#PasswordText\">hunter2</wsse:Password>",
            b"PASS\thunter2\r\n",
            b"cmdkey /add:h /user:bob /pass:hunter2\r\n",
            b"psexec \\\\h -u bob -p hunter2 cmd\r\n",
            b"hydra -l bob -p hunter2 ssh://h\n",
            b"lftp -u bob,hunter2 ftp://h\n",
            b"mount -t cifs //h/c /mnt -o user=bob,pass=hunter2,vers=1.0\n",
            b"vault login --token hunter2\n",
            b"echo -e \"hunter2\" | passwd --stdin bob\n",
            b"chpasswd <<< 'bob:hunter2'\n",
            b"ConvertTo-SecureString 'hunter2' -AsPlainText -Force\r\n",
            b"AUTH PLAIN hunter2\r\n",
            b"AUTH LOGIN hunter2\r\n",
            b"a1 LOGIN alice hunter2\r\n",
            b"a1 LOGIN \"alice b\" \"hunter2\"\r\n",
            b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n",
            b"*3\r\n$4\r\nauth\r\n$1\r\na\r\n$7\r\nhunter2\r\n",
            b"AUTH hunter2\r\n",
            b"CONFIG SET requirepass hunter2\r\n",
            b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>hunter2</auth>",
            b"ALTER USER a WITH PASSWORD 'hunter2';",
            b"CREATE USER a IDENTIFIED BY 'hunter2';",
            b"mysql -u root -phunter2 -e 'show tables'\n",
            b"mysql -uroot --password=hunter2\n",
            b"sshpass -p hunter2 ssh root@10.0.0.1\n",
            b"curl -u alice:hunter2 http://10.0.0.1/\n",
            b"wget http://alice:hunter2@10.0.0.1/a\n",
            b"smbclient //a/b -U alice%hunter2\n",
            b"net use \\\\a\\b /user:dom\\alice hunter2\r\n",
            b"redis-cli -a hunter2 info\n",
            b"ldapsearch -x -D cn=a -w hunter2\n",
            b"xfreerdp /u:a /p:hunter2 /v:b\n",
            b"export PGPASSWORD=hunter2\n",
            b"MYSQL_PWD=hunter2 mysql\n",
            b"echo 'root:hunter2' | chpasswd\n",
            b"echo hunter2 | sudo -S id\n",
            b"openssl enc -aes256 -passin pass:hunter2\n",
            b"root:$6$hunter2:19000:0:99999:7:::\n",
            b"0\0alice\0hunter2\0id\0",
            b"PLAIN\0\0\0\x0e\0alice\0hunter2",
            b"\x30\x1b\x02\x01\x01\x60\x16\x02\x01\x03\x04\x08cn=alice\x80\x07hunter2",
            b"p\0\0\0\x0chunter2\0",
            b"\x10\x1b\0\x04MQTT\x04\xc2\0\x3c\0\x02id\0\x02me\0\x07hunter2",
            b"\x01\x05alice\x07hunter2",
            b"\x30\x2a\x02\x01\x01\x04\x07hunter2\xa0\x1c",
            b"\x4a\0\0\x01\x85\xa6\xff\x01\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0root\0\x07hunter2shop\0mysql_native_password\0ab",
        ];
        for bytes in said {
            let shown = masked(bytes);
            assert_eq!(shown.len(), bytes.len());
            assert!(memchr::memmem::find(&shown, b"hunter2").is_none(), "{}", String::from_utf8_lossy(&shown));
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        let said: &[&[u8]] = &[
            b"GET /pass/word HTTP/1.1\r\nHost: password.example.test\r\nAccept: */*\r\n\r\n",
            b"PASSWORD\r\n",
            b"220 please log in with your password\r\n",
            b"mkdir -p /tmp/a/b\n",
            b"cp -p a b; ls -la\n",
            b"net user guest /active:yes && net localgroup administrators guest /add\r\n",
            b"net use\r\n",
            b"mysql -u root -p shop\n",
            b"ssh -p 2222 root@10.0.0.1\n",
            b"a password was asked for, and none was given",
            b"uid=0(root) gid=0(root) groups=0(root)\n",
            b"root:x:0:0:root:/root:/bin/bash\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0",
            b"*2\r\n$4\r\nECHO\r\n$4\r\nAUTH\r\n",
        ];
        for bytes in said {
            assert_eq!(masked(bytes), *bytes, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn quotations_keep_their_marks() {
        let told = "the client sent “mysql -u root -phunter2”, and 2 more such";
        assert_eq!(masked_text(told).as_deref(), Some("the client sent “mysql -u root -p***”, and 2 more such"));
        assert_eq!(masked_text("the client sent “id”, and 1 more such"), None);
        let told = "the client sent AUTH with a password, as Redis takes it";
        assert_eq!(masked_text(told), None);
        assert_eq!(masked_text("the client sent PASS, as FTP, POP3 and IRC send a password"), None);
        assert_eq!(masked_text("the client sent LOGIN of alice with a password"), None);
    }
}

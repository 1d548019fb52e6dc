//! Secrets in commands that are typed: which option of which program takes one. Reads words as a shell does; runs nothing.

use std::ops::Range;

/// How an option takes its secret.
#[derive(Clone, Copy)]
enum Takes {
    /// Glued to it: `-psecret`.
    Glued(&'static str),
    /// In the next word: `-a secret`.
    Next(&'static str),
    /// Either way.
    Either(&'static str),
    /// In the next word, behind its first colon, percent sign or comma: `-u user:secret`.
    Behind(&'static str, u8),
    /// From there on in the same word, wherever that stands: `/pass:secret`, `pass=secret`.
    Within(&'static str),
}

use Takes::{Behind, Either, Glued, Next, Within};

/// Programs with the options that take a secret, as their manuals have them.
const PROGRAMS: &[(&[&str], &[Takes])] = &[
    (&["mysql", "mysqldump", "mysqladmin", "mysqlimport", "mariadb", "mariadb-dump"], &[Glued("-p")]),
    (&["7z", "7za", "7zr", "rar", "unrar"], &[Glued("-p"), Glued("-hp")]),
    (&["sshpass", "rdesktop", "useradd", "usermod", "hydra", "medusa", "ncrack"], &[Either("-p")]),
    (&["psexec", "psexec.exe", "psexec64", "psexec64.exe", "wmic", "winexe"], &[Next("-p"), Within("/password:")]),
    (&["redis-cli"], &[Next("-a")]),
    (
        &["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami", "ldappasswd"],
        &[Either("-w"), Next("-s"), Next("-a")],
    ),
    (&["zip"], &[Next("-P")]),
    (&["unzip"], &[Either("-P")]),
    (&["plink", "pscp", "psftp", "putty", "plink.exe", "pscp.exe"], &[Next("-pw")]),
    (&["xfreerdp", "wfreerdp", "xfreerdp3"], &[Within("/p:"), Within("/password:")]),
    (&["mongo", "mongosh", "mongodump"], &[Next("-p")]),
    (&["sqlcmd", "bcp", "isql", "tsql"], &[Either("-P")]),
    (&["snmpget", "snmpwalk", "snmpset", "snmpbulkwalk"], &[Either("-c"), Next("-A"), Next("-X")]),
    (
        &["curl"],
        &[Behind("-u", b':'), Behind("--user", b':'), Behind("-U", b':'), Behind("--proxy-user", b':'), Within("-u")],
    ),
    (&["smbclient", "rpcclient", "smbmap", "net"], &[Behind("-U", b'%')]),
    (&["lftp"], &[Behind("-u", b',')]),
    (&["cmdkey", "cmdkey.exe"], &[Within("/pass:")]),
    (&["mount", "mount.cifs"], &[Within("pass="), Within("password=")]),
    (&["openssl"], &[Within("pass:")]),
];
/// A command line is looked at up to here.
const MAX_LINE: usize = 1024;

/// Where secrets are in the commands of some bytes.
pub(super) fn find(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    // Each line and each command in it begins anew; so does a quotation.
    for command in bytes.split(|byte| b"\r\n\0;|&`(".contains(byte)) {
        read(&command[..command.len().min(MAX_LINE)], at, &mut found);
        at += command.len() + 1;
    }
    found
}

fn read(command: &[u8], at: usize, found: &mut Vec<Range<usize>>) {
    let words = words(command);
    let text = |word: &Range<usize>| &command[word.clone()];
    let mut push = |from: usize, to: usize| {
        if from < to {
            found.push(at + from..at + to);
        }
    };
    for (place, word) in words.iter().enumerate() {
        let name = text(word);
        let name = name.iter().rposition(|byte| b"/\\\x9c\"'".contains(byte)).map_or(name, |slash| &name[slash + 1..]);
        let rest = &words[place + 1..];
        let is_net = name.eq_ignore_ascii_case(b"net") || name.eq_ignore_ascii_case(b"net.exe");
        if let Some(secret) = is_net.then(|| net(rest, &text)).flatten() {
            push(secret.start, secret.end);
        }
        let Some((_, options)) =
            PROGRAMS.iter().find(|(names, _)| names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name)))
        else {
            continue;
        };
        for (number, word) in rest.iter().enumerate() {
            let next = rest.get(number + 1);
            for option in *options {
                let found = match *option {
                    Glued(option) => glued(text(word), option).map(|skip| word.start + skip..word.end),
                    Next(option) => next.filter(|_| text(word) == option.as_bytes()).cloned(),
                    Either(option) => match text(word) == option.as_bytes() {
                        true => next.cloned(),
                        false => glued(text(word), option).map(|skip| word.start + skip..word.end),
                    },
                    Behind(option, mark) => next.filter(|_| text(word) == option.as_bytes()).and_then(|next| {
                        let skip = memchr::memchr(mark, text(next))? + 1;
                        Some(next.start + skip..next.end)
                    }),
                    Within("-u") => glued(text(word), "-u").and_then(|_| {
                        let skip = memchr::memchr(b':', text(word))? + 1;
                        Some(word.start + skip..word.end)
                    }),
                    Within(mark) => memchr::memmem::find(text(word), mark.as_bytes()).map(|skip| {
                        let from = word.start + skip + mark.len();
                        let end = memchr::memchr(b',', &command[from..word.end]).map_or(word.end, |end| from + end);
                        from..end
                    }),
                };
                if let Some(secret) = found {
                    push(secret.start, secret.end);
                }
            }
        }
    }
}

/// The bytes of an option before the secret that is glued to it; not a longer option.
fn glued(word: &[u8], option: &str) -> Option<usize> {
    let rest = word.strip_prefix(option.as_bytes())?;
    (!rest.is_empty() && !rest.starts_with(b"-")).then_some(option.len())
}

/// Windows' `net use` and `net user`: the word that is neither a device, a share, a name nor an option.
fn net<'a>(words: &[Range<usize>], text: &impl Fn(&Range<usize>) -> &'a [u8]) -> Option<Range<usize>> {
    let (verb, rest) = words.split_first()?;
    let plain = rest.iter().filter(|word| !text(word).starts_with(b"/") && !text(word).is_empty());
    let secret = match text(verb).to_ascii_lowercase().as_slice() {
        b"use" => plain.clone().find(|word| {
            let is_device = text(word).len() == 2 && text(word).ends_with(b":");
            !is_device && !text(word).starts_with(b"\\\\") && text(word) != b"*"
        }),
        b"user" => plain.clone().nth(1),
        _ => None,
    }?;
    (text(secret) != b"*").then(|| secret.clone())
}

/// The words of a command; of a quoted one what lies between the quotation marks, also where only a part of it is quoted.
fn words(command: &[u8]) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut at = 0;
    while at < command.len() {
        let Some(skip) = command[at..].iter().position(|byte| !byte.is_ascii_whitespace()) else { break };
        let start = at + skip;
        let (mut end, mut quoted) = (start, None);
        while let Some(byte) = command.get(end) {
            match quoted {
                Some(mark) if *byte == mark => quoted = None,
                None if matches!(byte, b'"' | b'\'') => quoted = Some(*byte),
                None if byte.is_ascii_whitespace() => break,
                _ => {}
            }
            end += 1;
        }
        words.push(start..end);
        at = end + 1;
    }
    words
}

//! Interactive shells in clear text: what they print, and what people type into them. Looks at the ends of a message,
//! never at the middle, so a web page about UNIX is no shell.

use super::{Payload, Sender, Signature, first_line, quote};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// A prompt stands at the end of a message; no more than this many bytes of it are read.
const MAX_PROMPT: usize = 160;
/// Bytes of a message in which the answer of `id` may begin, after the echo of the command.
const IDENTITY_WITHIN: usize = 256;
/// Somebody who types sends short lines; what is pasted is longer, and hides in base64.
const MAX_COMMAND: usize = 1400;

/// Commands that look around a system, in lower case; alone on a line.
const COMMANDS: [&[u8]; 32] = [
    b"id",
    b"whoami",
    b"uname -a",
    b"hostname",
    b"pwd",
    b"ls",
    b"ls -la",
    b"ls -al",
    b"ls -l",
    b"ps",
    b"ps aux",
    b"ps -ef",
    b"netstat -an",
    b"netstat -ano",
    b"ifconfig",
    b"ip a",
    b"ip addr",
    b"ipconfig",
    b"ipconfig /all",
    b"systeminfo",
    b"tasklist",
    b"dir",
    b"ver",
    b"w",
    b"env",
    b"set",
    b"sudo -l",
    b"crontab -l",
    b"history",
    b"mount",
    b"df -h",
    b"getuid",
];
/// And what follows them may be anything.
const COMMAND_PREFIXES: [&[u8]; 28] = [
    b"cat ",
    b"ls -",
    b"ls /",
    b"cd /",
    b"cd c:\\",
    b"dir c:\\",
    b"type c:\\",
    b"wget http",
    b"wget -",
    b"curl http",
    b"curl -",
    b"chmod ",
    b"/bin/",
    b"powershell",
    b"cmd.exe",
    b"cmd /c",
    b"python -c",
    b"python3 -c",
    b"certutil ",
    b"bitsadmin ",
    b"echo open ",
    b"whoami /",
    b"net user ",
    b"net localgroup ",
    b"reg query ",
    b"schtasks ",
    b"nc -e ",
    b"find / ",
];

/// Text of a message that is no HTTP; shells have no framing.
fn text<'a>(payload: &Payload<'a>) -> Option<&'a [u8]> {
    (!payload.bytes.is_empty() && !payload.bytes.starts_with(b"HTTP/")).then_some(payload.bytes)
}

/// `uid=0(root) gid=0(root)`, at the start of a line that is the first or follows an echoed command.
fn identity(payload: &Payload<'_>) -> Option<String> {
    let bytes = text(payload)?;
    let head = &bytes[..bytes.len().min(IDENTITY_WITHIN)];
    memchr::memchr_iter(b'=', head).take(4).find_map(|equals| {
        let at = head[..equals].ends_with(b"uid").then(|| equals - 3)?;
        if at > 0 && head[at - 1] != b'\n' {
            return None;
        }
        let rest = &head[at + 4..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let after = &rest[digits..];
        let close = memchr::memchr(b')', &after[..after.len().min(64)])?;
        let matches = digits > 0 && after.first() == Some(&b'(') && after[close..].starts_with(b") gid=");
        matches.then(|| quote(first_line(&head[at..])))
    })
}

/// The answer to `uname -a`, or what a Windows shell says of its system.
fn system(payload: &Payload<'_>) -> Option<String> {
    let line = first_line(text(payload).filter(|bytes| matches!(bytes[0], b'L' | b'F' | b'D' | b'S'))?);
    let is_uname = [&b"Linux "[..], b"FreeBSD ", b"Darwin ", b"SunOS "].iter().any(|name| line.starts_with(name))
        && line.iter().filter(|&&byte| byte == b' ').count() >= 5
        && memchr::memchr(b'.', line).is_some()
        && line.iter().all(|&byte| (0x20..0x7f).contains(&byte));
    is_uname.then(|| quote(line))
}

/// The first line of `/etc/passwd` or `/etc/shadow`.
fn accounts(payload: &Payload<'_>) -> Option<String> {
    let bytes = text(payload).filter(|bytes| bytes.starts_with(b"root:"))?;
    let line = first_line(bytes);
    let is_root = line.iter().filter(|&&byte| byte == b':').count() >= 6;
    is_root.then(|| quote(line))
}

/// What a shell says when it starts without a terminal, or when it is Windows's.
fn banner(payload: &Payload<'_>) -> Option<String> {
    let bytes = text(payload).filter(|bytes| matches!(bytes[0], b'M' | b'W' | b'b' | b's' | b'/'))?;
    let head = &bytes[..bytes.len().min(256)];
    [
        &b"Microsoft Windows [Version "[..],
        b"Microsoft(R) Windows",
        b"Windows PowerShell\r\nCopyright",
        b"bash: cannot set terminal process group",
        b"bash: no job control in this shell",
        b"sh: can't access tty; job control turned off",
        b"sh: 0: can't access tty; job control turned off",
        b"sh: no job control in this shell",
    ]
    .into_iter()
    .find(|banner| {
        head.starts_with(banner) || (head.starts_with(b"/bin/") && memchr::memmem::find(head, banner).is_some())
    })
    .map(|_| quote(first_line(bytes)))
}

/// A prompt at the end of a message: `user@host:dir$ `, `[user@host dir]# `, `bash-5.2$ `, `C:\dir>`, `PS C:\>`,
/// `meterpreter >`; also coloured, titled, and behind what frameworks put before it.
fn prompt(payload: &Payload<'_>) -> Option<String> {
    let line = last_line(payload)?;
    let line = line.trim_ascii_end();
    let (&mark, name) = line.split_last()?;
    let is_prompt = match mark {
        b'$' | b'#' => {
            let name = match name.split_first() {
                // A virtual environment of Python's.
                Some((b'(', rest)) => rest.splitn(2, |&byte| byte == b')').nth(1).unwrap_or(name).trim_ascii_start(),
                _ => name,
            };
            is_named(name) || is_versioned(name) || name == KALI
        }
        b'>' => {
            let name = name.strip_prefix(b"*Evil-WinRM* ").unwrap_or(name);
            // A session on another host: `[host]: PS C:\>`.
            let name = match name.first() {
                Some(b'[') => memchr::memmem::find(name, b"]: PS ").map_or(name, |at| &name[at + 3..]),
                _ => name,
            };
            let path = name.strip_prefix(b"PS ");
            let drive = |path: &[u8]| matches!(path, [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic());
            let place = |path: &[u8]| {
                drive(path) || path.starts_with(b"/") || path.starts_with(b"HK") || path.starts_with(b"\\\\")
            };
            let plain = !name.iter().any(|byte| b"<>\"|?\0".contains(byte));
            let tool = matches!(name.trim_ascii_end(), b"meterpreter" | b"msf6" | b"msf5" | b"sliver" | b"havoc");
            tool || (plain && (drive(name) || path.is_some_and(place)))
        }
        _ => false,
    };
    is_prompt.then(|| quote(line))
}

/// What Kali's prompt has before its mark: two lines drawn.
const KALI: &[u8] = "└─".as_bytes();

/// `user@host:dir`, `user@host dir` and `[user@host dir]`: the place is one word.
fn is_named(name: &[u8]) -> bool {
    let inside = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]")).unwrap_or(name).trim_ascii_end();
    let Some(at) = memchr::memchr(b'@', inside) else { return false };
    let (user, rest) = (&inside[..at], &inside[at + 1..]);
    let host = rest.iter().position(|&byte| byte == b':' || byte == b' ').unwrap_or(rest.len());
    let place = rest.get(host + 1..).unwrap_or_default();
    let bracketed = inside.len() < name.len();
    let path = matches!(place.first(), Some(b'~' | b'/')) || (bracketed && is_word(place));
    is_word(user) && is_word(&rest[..host]) && path && !place.contains(&b' ')
}

fn is_versioned(name: &[u8]) -> bool {
    [&b"sh-"[..], b"bash-", b"ksh-"].iter().any(|shell| {
        name.strip_prefix(*shell).is_some_and(|version| {
            version.first().is_some_and(u8::is_ascii_digit) && version.iter().all(|b| b.is_ascii_digit() || *b == b'.')
        })
    })
}

/// The last line of a message without the terminal's control sequences, where it may be a prompt.
fn last_line(payload: &Payload<'_>) -> Option<Vec<u8>> {
    let bytes = text(payload)?;
    let bytes = &bytes[..=bytes.iter().rposition(|byte| *byte != 0)?];
    let tail = &bytes[bytes.len().saturating_sub(MAX_PROMPT)..];
    // Almost every message ends otherwise: look at its last byte before anything else.
    if !matches!(tail.trim_ascii_end().last()?, b'$' | b'#' | b'>' | b'%' | b'm' | b'K' | b'n' | b'h' | b'l') {
        return None;
    }
    let line = tail.rsplit(|&byte| byte == b'\n').next()?;
    Some(without_escapes(line))
}

/// A prompt that is only a mark, or a place and a mark, with the space behind it: `$ `, `# `, `/ # `, `host% `.
fn bare_prompt(payload: &Payload<'_>) -> Option<String> {
    let line = last_line(payload)?;
    let name = line.strip_suffix(b"$ ").or_else(|| line.strip_suffix(b"# ")).or_else(|| line.strip_suffix(b"% "));
    let shell = matches!(&line[..], b"shell> " | b"SHELL> " | b"cmd> " | b"Shell> ");
    let place = |name: &[u8]| {
        let name = name.strip_suffix(b" ").unwrap_or(name);
        name.is_empty() || (matches!(name[0], b'/' | b'~') && !name.contains(&b' ')) || is_word(name)
    };
    (shell || name.is_some_and(place)).then(|| quote(&line))
}

fn is_word(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.len() <= 64
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-$\\".contains(byte))
}

/// Drops the terminal's control sequences that prompts are coloured and titled with (ECMA-48).
fn without_escapes(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match (byte, tail) {
            (0x1b, [b'[', tail @ ..]) => {
                let end = tail.iter().position(|byte| (0x40..0x7f).contains(byte)).map_or(tail.len(), |end| end + 1);
                &tail[end..]
            }
            // Ends with a bell, or with the escape of ST.
            (0x1b, [b']', tail @ ..]) => {
                let end = tail.iter().position(|&byte| byte == 0x07 || byte == 0x1b);
                let end = end.map_or(tail.len(), |end| end + 1 + usize::from(tail[end..].starts_with(b"\x1b\\")));
                &tail[end..]
            }
            _ => {
                plain.push(byte);
                tail
            }
        };
    }
    plain
}

/// One line that is a command people type when they find themselves in a shell.
fn command(payload: &Payload<'_>) -> Option<String> {
    let bytes = text(payload).filter(|bytes| bytes.len() <= MAX_COMMAND)?;
    if !bytes[0].is_ascii_alphabetic() && bytes[0] != b'/' {
        return None;
    }
    let line = bytes.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line))?;
    if line.contains(&b'\n') {
        return None;
    }
    let lower = line.to_ascii_lowercase();
    let known = COMMANDS.contains(&&lower[..]) || COMMAND_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    known.then(|| quote(line))
}

pub const IDENTITY: Signature = Signature {
    id: "shell.identity",
    protocol: "shell",
    about: "The answer of the UNIX command id (uid=0(root) gid=0(root) …) at the start of a line.",
    class: Class::Suspicious,
    weight: Weight::DECISIVE,
    attack: Some("T1059.004"),
    sender: Sender::Either,
    see: identity,
    hits: &[
        (Transport::Tcp, b"uid=0(root) gid=0(root) groups=0(root)\n"),
        (Transport::Tcp, b"id\r\nuid=33(www-data) gid=33(www-data)\r\n$ "),
    ],
    misses: &[
        (Transport::Tcp, b"HTTP/1.0 200 OK\r\n\r\nuid=0(root) gid=0(root)\n"),
        (Transport::Tcp, b"user uid=0(root) gid=0(root)"),
        (Transport::Tcp, b"uid=0 gid=0"),
    ],
};

pub const SYSTEM: Signature = Signature {
    id: "shell.system",
    protocol: "shell",
    about: "The answer of the UNIX command uname -a at the start of a message.",
    class: Class::Suspicious,
    weight: Weight::MODERATE,
    attack: Some("T1059.004"),
    sender: Sender::Either,
    see: system,
    hits: &[(Transport::Tcp, b"Linux host 6.1.0-18-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 x86_64 GNU/Linux\n")],
    misses: &[(Transport::Tcp, b"Linux\n"), (Transport::Tcp, b"Linux is a kernel that many people use every day\n")],
};

pub const ACCOUNTS: Signature = Signature {
    id: "shell.accounts",
    protocol: "shell",
    about: "The first line of /etc/passwd or /etc/shadow at the start of a message.",
    class: Class::Suspicious,
    weight: Weight::STRONG,
    attack: Some("T1003.008"),
    sender: Sender::Either,
    see: accounts,
    hits: &[(Transport::Tcp, b"root:x:0:0:root:/root:/bin/bash\nbin:x:1:1::/:/bin/false\n")],
    misses: &[(Transport::Tcp, b"root: x\n"), (Transport::Tcp, b"user root:x:0:0:root:/root:/bin/sh\n")],
};

pub const BANNER: Signature = Signature {
    id: "shell.banner",
    protocol: "shell",
    about: "What a shell prints when it starts on a connection instead of a terminal, or the first line of a Windows shell.",
    class: Class::Suspicious,
    weight: Weight::DECISIVE,
    attack: Some("T1059"),
    sender: Sender::Either,
    see: banner,
    hits: &[
        (Transport::Tcp, b"bash: cannot set terminal process group (812): Inappropriate ioctl for device\n"),
        (Transport::Tcp, b"/bin/sh: 0: can't access tty; job control turned off\n# "),
        (Transport::Tcp, b"Microsoft Windows [Version 10.0.19045.3803]\r\n(c) Microsoft Corporation."),
    ],
    misses: &[(Transport::Tcp, b"Microsoft Windows is a system\r\n"), (Transport::Tcp, b"Welcome to bash\n")],
};

pub const PROMPT: Signature = Signature {
    id: "shell.prompt",
    protocol: "shell",
    about: "A shell prompt at the end of a message: user@host:dir$, [user@host dir]#, bash-5.2$, C:\\dir>, PS C:\\dir> \
or meterpreter >. Strong where it comes again, moderate where it was seen once.",
    class: Class::Suspicious,
    weight: Weight::STRONG,
    attack: Some("T1059"),
    sender: Sender::Either,
    see: prompt,
    hits: &[
        (Transport::Tcp, b"root@victim:~# "),
        (Transport::Tcp, b"\x1b]0;a@b: /\x07\x1b[01;32ma@b\x1b[00m:\x1b[01;34m/\x1b[00m$ "),
        (Transport::Tcp, b"[web@host html]$ "),
        (Transport::Tcp, b"total 0\nbash-5.2$ "),
        (Transport::Tcp, b"\r\nC:\\Windows\\system32>"),
        (Transport::Tcp, b"PS C:\\Users\\me> "),
        (Transport::Tcp, b"(venv) root@web:~# "),
        (Transport::Tcp, "┌──(kali㉿kali)-[~]\n└─# ".as_bytes()),
        (Transport::Tcp, b"*Evil-WinRM* PS C:\\Users\\me> "),
        (Transport::Tcp, b"[srv01]: PS C:\\> "),
        (Transport::Tcp, b"\x1b]0;a\x1b\\root@h:/# \x1b[K"),
        (Transport::Udp, b"meterpreter > "),
    ],
    misses: &[
        (Transport::Tcp, b"220 mail@host.test ready $"),
        (Transport::Tcp, b"price: 10$ "),
        (Transport::Tcp, b"<a@b.test>"),
        (Transport::Tcp, b"# "),
        (Transport::Tcp, b"FTP> "),
        (Transport::Tcp, b"bob@example.com: total 100$"),
        (Transport::Tcp, b"alice@work: see issue #"),
        (Transport::Tcp, b"bob@host is typing $ "),
    ],
};

pub const COMMAND: Signature = Signature {
    id: "shell.command",
    protocol: "shell",
    about: "A message that is one line, and that line a command for looking around in a system. A hint alone, moderate for three different ones: \
people type such lines into harmless consoles too.",
    class: Class::Suspicious,
    weight: Weight::HINT,
    attack: Some("T1059"),
    sender: Sender::Either,
    see: command,
    hits: &[
        (Transport::Tcp, b"id\n"),
        (Transport::Tcp, b"cat /etc/passwd\r\n"),
        (Transport::Tcp, b"ipconfig /all\r\n"),
    ],
    misses: &[
        (Transport::Tcp, b"id"),
        (Transport::Tcp, b"identify yourself\n"),
        (Transport::Tcp, b"PING\r\n"),
        (Transport::Tcp, b"id est\n"),
    ],
};

pub const BARE_PROMPT: Signature = Signature {
    id: "shell.bare-prompt",
    protocol: "shell",
    about: "A message that ends with no more than a prompt's mark: $, #, /dir #, host% or shell>, each with its space. A hint; moderate where \
such prompts come again and are answered, strong where they are by known commands.",
    class: Class::Suspicious,
    weight: Weight::HINT,
    attack: Some("T1059"),
    sender: Sender::Either,
    see: bare_prompt,
    hits: &[
        (Transport::Tcp, b"$ "),
        (Transport::Tcp, b"total 0\n# "),
        (Transport::Tcp, b"/ # "),
        (Transport::Tcp, b"shell> "),
    ],
    misses: &[(Transport::Tcp, b"price in $"), (Transport::Tcp, b"mysql> "), (Transport::Tcp, b"10 of 100 % ")],
};

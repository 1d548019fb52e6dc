//! This machine's own sockets and who holds them, and what its rpcbind says of them. Judges nothing.

use crate::port::Transport;
use crate::signature::portmap::{Binding, PORTMAPPER, Question};
use listeners::{Protocol, SocketState};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How long rpcbind on this host may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// The largest answer of a portmapper that fits a datagram.
const MAX_ANSWER: usize = 65_507;

/// Processes that are listed of one socket: a server that forks may have thousands.
const MAX_PROCESSES: usize = 64;

/// A socket that waits for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Held {
    pub transport: Transport,
    pub address: IpAddr,
    pub port: u16,
    pub holder: Holder,
    /// Whose socket it is, where the system says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Those that share it, by number; the first 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<Process>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub processes_more: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What is known of who holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    Found,
    /// Another user's process: root would see it.
    Hidden,
    /// No process has it: the kernel serves it itself, as NFS and lockd.
    Kernel,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Process {
    pub pid: u32,
    pub name: String,
    pub executable: String,
    /// As whom it runs, which need not be whose the socket is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The systemd unit or the container that it belongs to, where that can be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

impl Held {
    fn add(&mut self, process: Process) {
        if let Err(at) = self.processes.binary_search_by_key(&process.pid, |known| known.pid) {
            self.processes.insert(at, process);
        }
    }

    /// Whether a portmapper's word is about this socket: its port, and an address that reaches it. `is_local` says whether an
    /// address is one of this host's.
    #[must_use]
    pub fn is_meant_by(&self, binding: &Binding, is_local: impl Fn(IpAddr) -> bool) -> bool {
        if binding.port != self.port || binding.transport != self.transport {
            return false;
        }
        // A socket on every IPv6 address may serve IPv4 as well, where it was not told otherwise.
        let serves_v4 = self.address.is_ipv4() || self.address.is_unspecified();
        match binding.address {
            _ if binding.only_v6 => self.address.is_ipv6(),
            None => serves_v4,
            Some(IpAddr::V4(address)) if address.is_unspecified() => serves_v4,
            Some(IpAddr::V6(address)) if address.is_unspecified() => self.address.is_ipv6(),
            Some(address) if address == self.address => true,
            Some(address) => {
                let family = address.is_ipv4() == self.address.is_ipv4();
                self.address.is_unspecified() && family && is_local(address)
            }
        }
    }

    /// How exactly this socket is the one that answers at an address: the least is the best, `None` is not at all.
    #[must_use]
    pub fn answers_at(&self, address: IpAddr) -> Option<u8> {
        match self.address {
            own if own == address => Some(0),
            own if own.is_unspecified() && own.is_ipv4() == address.is_ipv4() => Some(1),
            IpAddr::V6(own) if own.is_unspecified() && address.is_ipv4() => Some(2),
            _ => None,
        }
    }
}

/// Whether an address is one of this host's: then a socket can be bound to it.
#[must_use]
pub fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Every socket that waits, by transport, port and address.
///
/// # Errors
/// What the system says, in words.
pub fn held() -> Result<Vec<Held>, String> {
    let listeners = listeners::get_all().map_err(|error| error.to_string())?;
    let mut found: BTreeMap<(Transport, u16, IpAddr), Held> = BTreeMap::new();
    let listed = kernel_list();
    let complete = !listed.is_empty();
    let mut inodes = BTreeMap::new();
    for Listed { transport, address, user, inode } in listed {
        inodes.insert(inode, (transport, address.port(), address.ip()));
        let holder = if sees_all() { Holder::Kernel } else { Holder::Hidden };
        let held = Held {
            transport,
            address: address.ip(),
            port: address.port(),
            holder,
            user,
            processes: Vec::new(),
            processes_more: 0,
        };
        found.insert((transport, address.port(), address.ip()), held);
    }
    for listener in listeners {
        let transport = match listener.protocol {
            Protocol::TCP if listener.state == SocketState::Listen => Transport::Tcp,
            Protocol::TCP => continue,
            Protocol::UDP => Transport::Udp,
        };
        let (address, port) = (listener.socket.ip(), listener.socket.port());
        // Where the kernel's list is there, a UDP socket that is not in it has a peer: it waits for nobody else.
        if transport == Transport::Udp && complete && !found.contains_key(&(transport, port, address)) {
            continue;
        }
        let process = Process {
            pid: listener.process.pid,
            unit: unit(listener.process.pid),
            user: user_of(listener.process.pid),
            name: listener.process.name,
            executable: listener.process.path,
        };
        let held = found.entry((transport, port, address)).or_insert_with(|| Held {
            transport,
            address,
            port,
            holder: Holder::Found,
            user: None,
            processes: Vec::new(),
            processes_more: 0,
        });
        held.holder = Holder::Found;
        held.add(process);
    }
    for (inode, pid) in sharers() {
        let Some(held) = inodes.get(&inode).and_then(|key| found.get_mut(key)) else { continue };
        if held.processes.iter().any(|known| known.pid == pid) {
            continue;
        }
        held.holder = Holder::Found;
        if held.processes.len() >= MAX_PROCESSES {
            held.processes_more += 1;
        } else if let Some(process) = process(pid) {
            held.add(process);
        }
    }
    Ok(found.into_values().collect())
}

/// Whether every process of this host can be looked into (Linux): with the right to (`CAP_SYS_PTRACE`), and out of the
/// namespace that all others are in, not from inside a container.
fn sees_all() -> bool {
    /// The bit of `CAP_SYS_PTRACE` (linux/capability.h).
    const PTRACE: u32 = 19;
    /// The first namespace of processes (`PROC_PID_INIT_INO` in Linux's `proc_ns.h`).
    const FIRST: &str = "pid:[4026531836]";
    let rights = status_field("self", "CapEff:").and_then(|rights| u64::from_str_radix(&rights, 16).ok());
    let namespace = fs::read_link("/proc/self/ns/pid").ok();
    rights.is_some_and(|rights| rights >> PTRACE & 1 == 1) && namespace.is_some_and(|path| path.as_os_str() == FIRST)
}

/// A field of a process's status (Linux, proc(5)).
fn status_field(process: &str, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

/// As whom a process runs: its effective user.
fn user_of(pid: u32) -> Option<String> {
    let ids = status_field(&pid.to_string(), "Uid:")?;
    ids.split_whitespace().nth(1).map(user)
}

/// A line of the kernel's list.
struct Listed {
    transport: Transport,
    address: SocketAddr,
    user: Option<String>,
    inode: u64,
}

/// What the kernel lists (Linux, proc(5)), with the user of each: also what no process of ours may be seen to hold.
fn kernel_list() -> Vec<Listed> {
    let mut list = Vec::new();
    for (file, transport) in
        [("tcp", Transport::Tcp), ("tcp6", Transport::Tcp), ("udp", Transport::Udp), ("udp6", Transport::Udp)]
    {
        let text = fs::read_to_string(format!("/proc/net/{file}")).unwrap_or_default();
        list.extend(text.lines().skip(1).filter_map(|line| kernel_line(line, transport)));
    }
    list
}

fn kernel_line(line: &str, transport: Transport) -> Option<Listed> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    // A TCP socket that listens is in state 0A, a UDP socket without a peer in state 07.
    let waits = if transport == Transport::Tcp { "0A" } else { "07" };
    if *fields.get(3)? != waits {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Words of 32 bits in the byte order of the machine.
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    let inode = fields.get(9).and_then(|inode| inode.parse().ok()).unwrap_or(0);
    Some(Listed { transport, address: SocketAddr::new(address, port), user: fields.get(7).map(|uid| user(uid)), inode })
}

/// Every process that holds a socket, by the socket's inode (Linux): a server that forks shares its socket, and the list of
/// listeners has one process of each.
fn sharers() -> Vec<(u64, u32)> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let sockets = |pid: u32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        descriptors.filter_map(move |descriptor| {
            let link = fs::read_link(descriptor.path()).ok()?;
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
            Some((inode, pid))
        })
    };
    pids.flat_map(sockets).collect()
}

/// A process by its number (Linux).
fn process(pid: u32) -> Option<Process> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned();
    let executable = fs::read_link(format!("/proc/{pid}/exe")).map(|path| path.display().to_string());
    Some(Process { pid, name, executable: executable.unwrap_or_default(), user: user_of(pid), unit: unit(pid) })
}

/// The name behind a number, where the system's list of users has it.
fn user(uid: &str) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2) == Some(&uid)).then(|| fields[0].to_owned())
    });
    name.unwrap_or_else(|| uid.to_owned())
}

/// The systemd unit or container of a process, by its control group.
fn unit(pid: u32) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let parts = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).flat_map(|path| path.split('/'));
    let telling = |part: &&str| {
        [".service", ".socket", ".scope"].iter().any(|suffix| part.ends_with(suffix))
            || ["docker", "podman", "lxc", "kubepods", "machine"].iter().any(|word| part.contains(word))
    };
    // The innermost is the last.
    parts.filter(telling).fold(None, |_, part| Some(part.to_owned()))
}

/// How many other network namespaces processes of this host live in: their sockets are not listed here. `None` without the
/// right to look.
#[must_use]
pub fn other_namespaces() -> Option<usize> {
    if !sees_all() {
        return None;
    }
    let own = fs::read_link("/proc/self/ns/net").ok();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path().join("ns/net")).ok());
    links.filter(|link| Some(link) != own.as_ref()).collect::<BTreeSet<_>>().len().into()
}

/// What rpcbind on this host has registered, by both of its lists: version 2 knows IPv4 only, version 4 IPv6 as well
/// (RFC 1833, `PMAPPROC_DUMP` and `RPCBPROC_DUMP`). `None` where nobody answers on the loopback.
#[must_use]
pub fn registered() -> Option<Vec<Binding>> {
    let old = ask(2, &Question::Dump);
    // Who does not know the first will not know the second.
    let new = old.as_ref().and_then(|_| ask(4, &Question::DumpAddresses));
    let mut bindings = old?;
    for binding in new.unwrap_or_default() {
        let same = |known: &Binding| {
            (known.program, known.version, known.transport, known.port)
                == (binding.program, binding.version, binding.transport, binding.port)
        };
        if !bindings.iter().any(same) {
            bindings.push(binding);
        }
    }
    Some(bindings)
}

/// Asks the portmapper of this version for its whole list, which is procedure 4 in all of them.
fn ask(version: u32, question: &Question) -> Option<Vec<Binding>> {
    const XID: [u8; 4] = *b"gapw";
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    socket.connect((Ipv4Addr::LOCALHOST, 111)).ok()?;
    // xid, call, RPC version 2, program, version, procedure, no credential, no verifier.
    let words: [u32; 9] = [0, 2, PORTMAPPER, version, 4, 0, 0, 0, 0];
    let call: Vec<u8> = XID.into_iter().chain(words.iter().flat_map(|word| word.to_be_bytes())).collect();
    socket.send(&call).ok()?;
    let mut answer = vec![0; MAX_ANSWER];
    let len = socket.recv(&mut answer).ok()?;
    // xid, reply, accepted, a verifier of eight bytes, success; then the list.
    let result = answer.get(..len)?.strip_prefix(&XID)?.strip_prefix(&[0, 0, 0, 1, 0, 0, 0, 0])?.get(12..)?;
    Some(question.learn(result, Transport::Udp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_means_the_sockets_that_it_reaches() {
        let held = |address: &str| Held {
            transport: Transport::Udp,
            address: address.parse().expect("an address"),
            port: 817,
            holder: Holder::Kernel,
            user: None,
            processes: Vec::new(),
            processes_more: 0,
        };
        let binding = |address: Option<&str>, only_v6| Binding {
            program: 100_004,
            version: 2,
            transport: Transport::Udp,
            address: address.map(|address| address.parse().expect("an address")),
            port: 817,
            only_v6,
            domain: None,
        };
        let meant =
            |socket: &str, of: Binding| held(socket).is_meant_by(&of, |address| address == Ipv4Addr::new(10, 0, 0, 5));
        assert!(meant("10.0.0.5", binding(None, false)));
        assert!(meant("0.0.0.0", binding(Some("0.0.0.0"), false)) && meant("::", binding(Some("0.0.0.0"), false)));
        assert!(meant("10.0.0.5", binding(Some("10.0.0.5"), false)));
        assert!(meant("0.0.0.0", binding(Some("10.0.0.5"), false)));
        // Another host's address, another family, another address.
        assert!(!meant("0.0.0.0", binding(Some("10.9.9.9"), false)));
        assert!(!meant("::1", binding(Some("0.0.0.0"), false)) && !meant("::", binding(Some("10.0.0.5"), false)));
        assert!(!meant("127.0.0.1", binding(Some("10.0.0.5"), false)));
        assert!(!meant("127.0.0.1", binding(None, true)));
        assert!(meant("::", binding(None, true)));
    }

    #[test]
    fn the_socket_that_is_most_exact_answers() {
        let address: IpAddr = "10.0.0.5".parse().expect("an address");
        let held = |address: &str| Held {
            transport: Transport::Tcp,
            address: address.parse().expect("an address"),
            port: 813,
            holder: Holder::Found,
            user: None,
            processes: Vec::new(),
            processes_more: 0,
        };
        let rank = |own: &str| held(own).answers_at(address);
        assert_eq!(["10.0.0.5", "0.0.0.0", "::", "10.0.0.6"].map(rank), [Some(0), Some(1), Some(2), None]);
        assert_eq!(held("0.0.0.0").answers_at("::1".parse().expect("an address")), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_kernel_are_read() {
        let line =
            "   0: 0100007F:0331 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100";
        let Listed { address, user, inode, .. } = kernel_line(line, Transport::Tcp).expect("a socket");
        assert_eq!((address.to_string().as_str(), user.is_some(), inode), ("127.0.0.1:817", true, 1));
        assert!(kernel_line(&line.replace(" 0A ", " 01 "), Transport::Tcp).is_none());
        let line =
            "  1: 00000000000000000000000001000000:0334 00000000000000000000000000000000:0000 07 0:0 0:0 0 1000 0 1 2";
        assert_eq!(kernel_line(line, Transport::Udp).expect("a socket").address.to_string(), "[::1]:820");
    }
}

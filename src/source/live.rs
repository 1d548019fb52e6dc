//! An interface as a source of frames, through libpcap: opened before rights are given up, read in batches, and its losses
//! told apart. Knows no flow.

use super::kernel_filter;
use crate::error::Error;
use crate::frame::{Frame, FrameRef, LinkType, Timestamp};
use crate::port::Scope;
use pcap::{Active, Capture, Device, Linktype, Precision};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::time::Duration;

/// Packets of one batch at most: between two, clocks and signals are looked at.
const BATCH: usize = 4096;
/// How long libpcap may hold packets back to hand over many at once, in milliseconds.
const HOLD_BACK: i32 = 100;

/// How to open an interface.
#[derive(Clone, Debug)]
pub struct Options {
    pub interface: String,
    pub snap_len: i32,
    /// The kernel's buffer, in MiB.
    pub buffer: i32,
    pub promiscuous: bool,
    pub immediate: bool,
    /// An expression of the user's, empty for none.
    pub expression: String,
    /// Whether the kernel drops what is out of scope.
    pub kernel_filter: bool,
}

/// Packets that were lost before gapwatch saw them, since the interface was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The kernel's buffer was full.
    pub kernel: u64,
    /// The interface or its driver had no room.
    pub interface: u64,
}

/// An open interface.
pub struct Live {
    capture: Capture<Active>,
    link: LinkType,
    nanoseconds: bool,
    number: u64,
    kernel_filter: bool,
    /// What the name stands for, where the system tells: a name may change while it is watched.
    index: Option<u32>,
    name: String,
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    Packets(usize),
    /// Nothing came in time.
    Quiet,
}

impl Live {
    /// Opens an interface and installs the filters.
    ///
    /// # Errors
    /// No such interface (with the nearest name), no right to capture (with what to do), or a filter that libpcap refuses.
    pub fn open(options: &Options, scope: &Scope) -> Result<Self, Error> {
        let name = options.interface.as_str();
        let open = |precision| -> Result<Capture<Active>, pcap::Error> {
            Capture::from_device(name)?
                .snaplen(options.snap_len)
                .buffer_size(options.buffer.saturating_mul(1 << 20))
                .promisc(options.promiscuous)
                .immediate_mode(options.immediate)
                .timeout(HOLD_BACK)
                .precision(precision)
                .open()
        };
        // Not every interface gives nanoseconds.
        let (mut capture, nanoseconds) = match open(Precision::Nano) {
            Ok(capture) => (capture, true),
            Err(pcap::Error::PcapError(text)) if text.contains("precision") => {
                (open(Precision::Micro).map_err(|error| failed(name, &error))?, false)
            }
            Err(error) => return Err(failed(name, &error)),
        };
        let users = Some(options.expression.clone()).filter(|text| !text.trim().is_empty());
        // A filter of the user's that looks behind a tag is not joined: the kernel refuses what libpcap makes of both.
        let joined = options.kernel_filter && !users.as_deref().is_some_and(looks_behind_tags);
        let own = joined.then(|| kernel_filter::expression(scope));
        let filter = match (users, own) {
            (Some(users), Some(own)) => {
                // The user's first for itself, so that an error speaks of what was typed.
                capture
                    .compile(&users, true)
                    .map_err(|error| Error::Filter { expression: users.clone(), problem: error.to_string() })?;
                Some(format!("({users}) and ({own})"))
            }
            (users, own) => users.or(own),
        };
        if let Some(expression) = filter {
            capture.filter(&expression, true).map_err(|error| Error::Filter {
                expression: shortened(&options.expression),
                problem: error.to_string(),
            })?;
        }
        let Linktype(link) = capture.get_datalink();
        let link = LinkType(u32::try_from(link).unwrap_or(u32::MAX));
        let capture = capture.setnonblock().map_err(|error| failed(name, &error))?;
        let index = index_of(name);
        Ok(Live { capture, link, nanoseconds, number: 0, kernel_filter: joined, index, name: name.to_owned() })
    }

    /// Whether the kernel drops what is plainly out of scope.
    #[must_use]
    pub fn kernel_filter(&self) -> bool {
        self.kernel_filter
    }

    /// The interface's new name, where it has got one since it was opened or since this was asked last.
    pub fn renamed(&mut self) -> Option<String> {
        let now = name_of(self.index?)?;
        let changed = now != self.name;
        self.name.clone_from(&now);
        changed.then_some(now)
    }

    #[must_use]
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Packets seen so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.number
    }

    /// Hands over the packets that are there, or waits for some.
    ///
    /// # Errors
    /// The interface went down or away.
    pub fn batch(&mut self, wait: Duration, mut take: impl FnMut(Frame<'_>)) -> Result<Batch, Error> {
        let (link, nanoseconds) = (self.link, self.nanoseconds);
        let number = &mut self.number;
        let handed = self.capture.dispatch(Some(BATCH), |packet| {
            *number += 1;
            let seconds = u64::try_from(packet.header.ts.tv_sec).unwrap_or(0);
            let fraction = u64::try_from(packet.header.ts.tv_usec).unwrap_or(0);
            let nanos = if nanoseconds { fraction } else { fraction * 1000 };
            let time = Timestamp(seconds.saturating_mul(1_000_000_000).saturating_add(nanos));
            let at = FrameRef::new(0, *number);
            take(Frame { time, link, wire_len: packet.header.len, bytes: packet.data, at, interface: 0 });
        });
        match handed {
            Ok(0) => {}
            Ok(packets) => return Ok(Batch::Packets(packets)),
            Err(error) => return Err(Error::Interface { problem: error.to_string() }),
        }
        let timeout = Timespec { tv_sec: wait.as_secs().try_into().unwrap_or(1), tv_nsec: wait.subsec_nanos().into() };
        // A signal ends the wait early, which is what it is for.
        let mut waited = [PollFd::new(&self.capture, PollFlags::IN)];
        let _ = poll(&mut waited, Some(&timeout));
        if waited[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            return Err(Error::Interface { problem: "the interface went down or away".to_owned() });
        }
        Ok(Batch::Quiet)
    }

    /// What was lost since the interface was opened; nothing where the system does not say.
    pub fn losses(&mut self) -> Losses {
        self.capture.stats().map_or(Losses::default(), |stats| Losses {
            kernel: u64::from(stats.dropped),
            interface: u64::from(stats.if_dropped),
        })
    }
}

/// An interface of this machine, for `-D`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub description: String,
    pub addresses: Vec<String>,
    pub state: &'static str,
}

/// The interfaces that can be captured on.
///
/// # Errors
/// What libpcap says.
pub fn interfaces() -> Result<Vec<Interface>, Error> {
    let devices = Device::list().map_err(|error| Error::Interface { problem: error.to_string() })?;
    let interface = |device: Device| Interface {
        state: match (device.flags.is_up(), device.flags.is_running()) {
            (true, true) => "up",
            (true, false) => "up, no carrier",
            _ => "down",
        },
        addresses: device.addresses.iter().map(|address| address.addr.to_string()).collect(),
        description: device.desc.unwrap_or_default(),
        name: device.name,
    };
    Ok(devices.into_iter().map(interface).collect())
}

fn failed(name: &str, error: &pcap::Error) -> Error {
    let problem = error.to_string();
    let lower = problem.to_lowercase();
    if lower.contains("permission") || lower.contains("not permitted") || lower.contains("cap_net_raw") {
        return Error::Permission { interface: name.to_owned() };
    }
    if lower.contains("no such device") || lower.contains("doesn't exist") || lower.contains("no such") {
        let names: Vec<String> = interfaces().unwrap_or_default().into_iter().map(|interface| interface.name).collect();
        return Error::NoInterface { name: name.to_owned(), nearest: nearest(name, &names) };
    }
    Error::Interface { problem: format!("{name}: {problem}") }
}

/// The name that takes the fewest changes, and all where none is near.
fn nearest(name: &str, names: &[String]) -> String {
    let best = names.iter().min_by_key(|other| distance(name, other));
    match best {
        Some(best) if distance(name, best) <= 2 => format!("{best} is meant, perhaps"),
        _ => format!("there are {}", names.join(", ")),
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

/// Words of pcap-filter(7) after which the rest of an expression looks further inside.
fn looks_behind_tags(expression: &str) -> bool {
    const WORDS: [&str; 6] = ["vlan", "mpls", "pppoed", "pppoes", "geneve", "vxlan"];
    expression.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| WORDS.contains(&word))
}

#[cfg(target_os = "linux")]
fn index_of(name: &str) -> Option<u32> {
    rustix::net::netdevice::name_to_index(any_socket()?, name).ok()
}

#[cfg(target_os = "linux")]
fn name_of(index: u32) -> Option<String> {
    rustix::net::netdevice::index_to_name(any_socket()?, index).ok()
}

/// The kernel answers questions about interfaces through any socket.
#[cfg(target_os = "linux")]
fn any_socket() -> Option<std::os::fd::OwnedFd> {
    rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None).ok()
}

#[cfg(not(target_os = "linux"))]
fn index_of(_: &str) -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
fn name_of(_: u32) -> Option<String> {
    None
}

fn shortened(expression: &str) -> String {
    if expression.trim().is_empty() { "gapwatch's own".to_owned() } else { expression.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_interface_is_named() {
        let names = ["eth0", "lo", "any"].map(ToOwned::to_owned);
        assert_eq!(nearest("eht0", &names), "eth0 is meant, perhaps");
        assert_eq!(nearest("wireless", &names), "there are eth0, lo, any");
    }
}

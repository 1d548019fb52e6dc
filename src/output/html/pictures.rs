//! The pictures of the page, as places and sizes that the template draws (SVG). Knows no colour.

use crate::class::Class;
use crate::finding::{BUCKETS, Finding, Kind};
use crate::output::words;
use crate::port::{Transport, WELL_KNOWN_END};
use crate::registry::{Registry, Status};
use crate::report::Report;
use crate::words::count;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Cells in a row of the map, and what one takes.
const MAP_ROW: u16 = 32;
const CELL: u16 = 10;
/// Findings that have a row in the timeline.
const MAX_ROWS: usize = 24;
/// Clients, and services, in the picture of who talks to whom.
const MAX_ENDS: usize = 20;
/// What a row takes, in units of the picture.
const ROW: usize = 18;
/// The width of the bar of bytes.
const BAR: u64 = 400;

pub struct Map {
    pub size: u16,
    pub layers: Vec<Layer>,
    pub hits: Vec<Hit>,
}

/// All ports of a kind, as one path of squares.
pub struct Layer {
    pub name: &'static str,
    pub path: String,
}

pub struct Hit {
    pub x: u16,
    pub y: u16,
    pub class: &'static str,
    pub finding: usize,
    pub title: String,
}

impl Map {
    pub fn of(report: &Report, registry: &Registry) -> Self {
        let place = |port: u16| (port % MAP_ROW * CELL, port / MAP_ROW * CELL);
        // A port that nobody holds over one of the transports is a gap.
        let kind = |port: u16| {
            let of = |transport| registry.status(transport, port).unwrap_or(Status::Assigned);
            let statuses = Transport::ALL.map(of);
            [Status::Unassigned, Status::Reserved].into_iter().find(|kind| statuses.contains(kind))
        };
        let layer = |status: Status| {
            let mut path = String::new();
            for port in (0..WELL_KNOWN_END).filter(|port| kind(*port).unwrap_or(Status::Assigned) == status) {
                let (x, y) = place(port);
                let _ = write!(path, "M{x} {y}h9v9h-9z");
            }
            Layer { name: status.name(), path }
        };
        // Of several findings on a port the first in the report's order gives the colour.
        let mut hits: BTreeMap<u16, (usize, &Finding, usize)> = BTreeMap::new();
        for (index, finding) in report.findings.iter().enumerate() {
            if let (Kind::Service, Some(port @ 0..WELL_KNOWN_END)) = (finding.kind, finding.port) {
                hits.entry(port).and_modify(|(_, _, more)| *more += 1).or_insert((index, finding, 0));
            }
        }
        let hit = |(port, (index, finding, more)): (u16, (usize, &Finding, usize))| {
            let (x, y) = place(port);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let title = format!("{}: {}{more}", words::who(finding), finding.class);
            Hit { x, y, class: finding.class.name(), finding: index, title }
        };
        Map {
            size: MAP_ROW * CELL - 1,
            layers: [Status::Assigned, Status::Reserved, Status::Unassigned].map(layer).into(),
            hits: hits.into_iter().map(hit).collect(),
        }
    }
}

pub struct ClassTotal {
    pub name: &'static str,
    pub findings: String,
    pub bytes: String,
    pub x: u64,
    pub width: u64,
}

impl ClassTotal {
    pub fn all(report: &Report) -> Vec<Self> {
        let bytes = |class: Class| -> u64 {
            let listed = report.findings.iter().filter(|finding| finding.class == class).map(|finding| finding.bytes);
            let folded = report.folded.iter().filter(|line| line.class == class).map(|line| line.bytes);
            listed.chain(folded).sum()
        };
        let all: u64 = [Class::Suspicious, Class::LegacyRpc, Class::Custom].map(bytes).iter().sum();
        let mut x = 0;
        let classes = [Class::Suspicious, Class::LegacyRpc, Class::Custom].map(|class| {
            let bytes = bytes(class);
            let share = u128::from(bytes) * u128::from(BAR) / u128::from(all.max(1));
            // What is there is seen, however little it is.
            let width = u64::try_from(share).unwrap_or(BAR).max(u64::from(bytes > 0) * 2);
            let total = ClassTotal {
                name: class.name(),
                findings: count(report.number(|_, of, _| of == class), "finding"),
                bytes: words::bytes(bytes),
                x,
                width: width.min(BAR - x.min(BAR)),
            };
            x += total.width;
            total
        });
        classes.into()
    }
}

pub struct Timeline {
    pub rows: Vec<TimelineRow>,
    pub height: usize,
    pub from: String,
    pub to: String,
    pub more: usize,
}

pub struct TimelineRow {
    pub finding: usize,
    pub label: String,
    pub class: &'static str,
    pub y: usize,
    pub bars: Vec<Bar>,
}

pub struct Bar {
    pub x: String,
    pub height: usize,
    pub title: String,
}

impl Timeline {
    pub fn of(report: &Report) -> Self {
        let shown = report.findings.iter().enumerate().filter(|(_, finding)| finding.timeline.iter().any(|n| *n > 0));
        let (total, mut rows) = (shown.clone().count(), Vec::new());
        for (row, (index, finding)) in shown.take(MAX_ROWS).enumerate() {
            let most = finding.timeline.iter().copied().max().unwrap_or(1).max(1) as usize;
            let bars = finding.timeline.iter().enumerate().filter(|(_, starts)| **starts > 0);
            let bar = |(part, starts): (usize, &u32)| {
                // Thousandths of a unit, as SVG has no fractions of its own.
                let x = 150_000 + part * 249_000 / BUCKETS;
                Bar {
                    x: format!("{}.{:03}", x / 1000, x % 1000),
                    height: 2 + *starts as usize * 10 / most,
                    title: format!("{} began", count(*starts as usize, "connection")),
                }
            };
            rows.push(TimelineRow {
                finding: index,
                label: cut(&words::who(finding)),
                class: finding.class.name(),
                y: row * ROW,
                bars: bars.map(bar).collect(),
            });
        }
        let time = |time: Option<crate::frame::Timestamp>| time.map(words::day_and_second).unwrap_or_default();
        Timeline {
            height: rows.len() * ROW + 14,
            more: total - rows.len(),
            rows,
            from: time(report.totals.first),
            to: time(report.totals.last),
        }
    }
}

pub struct Talk {
    pub clients: Vec<End>,
    pub services: Vec<End>,
    pub lines: Vec<TalkLine>,
    pub height: usize,
    pub more: String,
}

pub struct End {
    pub label: String,
    pub y: usize,
    pub finding: usize,
}

pub struct TalkLine {
    pub class: &'static str,
    pub from: usize,
    pub to: usize,
    pub width: String,
    pub title: String,
}

impl Talk {
    /// Clients by address, services in the report's order.
    pub fn of(report: &Report) -> Self {
        let services: Vec<(usize, &Finding)> =
            report.findings.iter().enumerate().filter(|(_, finding)| finding.kind == Kind::Service).collect();
        let mut talk: BTreeMap<(usize, IpAddr), u64> = BTreeMap::new();
        for (index, finding) in services.iter().take(MAX_ENDS) {
            for flow in &finding.flows {
                let bytes = flow.to_server.bytes + flow.to_client.bytes;
                *talk.entry((*index, flow.client.address)).or_default() += bytes;
            }
        }
        let mut by_client: BTreeMap<IpAddr, u64> = BTreeMap::new();
        for ((_, client), bytes) in &talk {
            *by_client.entry(*client).or_default() += bytes;
        }
        // The busiest where there are too many, shown by address.
        let all_clients = by_client.len();
        let mut clients: Vec<(u64, IpAddr)> = by_client.into_iter().map(|(client, bytes)| (bytes, client)).collect();
        clients.sort_unstable_by_key(|(bytes, client)| (std::cmp::Reverse(*bytes), *client));
        clients.truncate(MAX_ENDS);
        let mut clients: Vec<IpAddr> = clients.into_iter().map(|(_, client)| client).collect();
        clients.sort_unstable();
        let shown = &services[..services.len().min(MAX_ENDS)];
        let rows = clients.len().max(shown.len());
        let y = |place: usize, of: usize| (2 * place + 1) * rows * ROW / (2 * of.max(1));
        let mut lines = Vec::new();
        for ((index, client), bytes) in &talk {
            let (Ok(from), Some(to)) = (clients.binary_search(client), shown.iter().position(|(i, _)| i == index))
            else {
                continue;
            };
            let finding = &report.findings[*index];
            let listed = if finding.flows_total > finding.flows.len() { " in the flows that are listed" } else { "" };
            lines.push(TalkLine {
                class: finding.class.name(),
                from: y(from, clients.len()),
                to: y(to, shown.len()),
                // By the number of digits: from one to a few units.
                width: format!(
                    "{}.{}",
                    1 + bytes.checked_ilog10().unwrap_or(0) / 2,
                    bytes.checked_ilog10().unwrap_or(0) % 2 * 5
                ),
                title: format!("{client} → {}: {}{listed}", words::who(finding), words::bytes(*bytes)),
            });
        }
        let mut more = Vec::new();
        // Services that are not shown have clients of their own, which are not counted.
        for (number, noun) in
            [(all_clients - clients.len(), "more client"), (services.len() - shown.len(), "more service")]
        {
            if number > 0 {
                more.push(count(number, noun));
            }
        }
        let more = if more.is_empty() { String::new() } else { format!("{} not shown here.", more.join(" and ")) };
        Talk {
            clients: clients
                .iter()
                .enumerate()
                .map(|(place, client)| End { label: cut(&client.to_string()), y: y(place, clients.len()), finding: 0 })
                .collect(),
            services: shown
                .iter()
                .enumerate()
                .map(|(place, (index, finding))| End {
                    label: cut(&words::who(finding)),
                    y: y(place, shown.len()),
                    finding: *index,
                })
                .collect(),
            lines,
            height: rows * ROW,
            more,
        }
    }
}

/// What fits beside a picture.
fn cut(text: &str) -> String {
    const MOST: usize = 24;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}

//! IANA's own CSV file reshaped into the table: quoted line feeds, port ranges, rows without a transport. Reads bytes,
//! opens nothing.

use super::{Registry, Status};
use crate::port::{Transport, WELL_KNOWN_END};
use std::fmt::Write as _;
use thiserror::Error;

/// A registry with fewer assigned well-known pairs was cut off: there have been more than 1,300 for decades.
const MIN_ASSIGNED: usize = 500;

/// Why a file is not IANA's registry.
#[derive(Debug, Error)]
pub enum ImportError {
    #[error("not a CSV file: {0}")]
    Csv(#[from] csv::Error),
    #[error("no column “{0}”: this is not IANA's service-names-port-numbers.csv")]
    NoColumn(&'static str),
    #[error(
        "only {0} well-known (port, transport) pairs are assigned in it, and there must be at least {MIN_ASSIGNED}: \
the file is cut off; download it again"
    )]
    Truncated(usize),
    #[error("its rows do not make a table: {0}")]
    Table(#[from] super::BadRow),
}

/// What the table keeps of one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    status: Status,
    kind: &'static str,
    names: Vec<String>,
    description: String,
    since: String,
    remark: &'static str,
}

impl Pair {
    /// A pair for which the registry has no row: nobody holds it.
    fn absent() -> Self {
        Pair {
            status: Status::Unassigned,
            kind: "absent",
            names: Vec::new(),
            description: String::new(),
            since: String::new(),
            remark: "",
        }
    }
}

/// Makes the table from the CSV file's bytes.
///
/// # Errors
/// Refuses what is no such file, and one that was cut off.
pub fn from_csv(bytes: &[u8]) -> Result<Registry, ImportError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let headers = reader.headers()?.clone();
    let find = |name: &'static str| {
        headers.iter().position(|header| header.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
    };
    let need = |name: &'static str| find(name).ok_or(ImportError::NoColumn(name));
    let (name, port, transport, description) =
        (need("Service Name")?, need("Port Number")?, need("Transport Protocol")?, need("Description")?);
    let (registered, modified) = (find("Registration Date"), find("Modification Date"));
    // The column was renamed between 2018 and 2024.
    let unauthorised = find("Unauthorized Use Reported").or_else(|| find("Known Unauthorized Uses"));

    let mut pairs = vec![Pair::absent(); 2 * usize::from(WELL_KNOWN_END)];
    let mut newest = String::new();
    for row in reader.records() {
        let row = row?;
        let field = |column: Option<usize>| column.and_then(|column| row.get(column)).unwrap_or_default().trim();
        let since = [field(modified), field(registered)].into_iter().find(|date| !date.is_empty()).unwrap_or_default();
        let Some((first, last)) = range(field(Some(port))) else { continue };
        if since > newest.as_str() && is_date(since) {
            since.clone_into(&mut newest);
        }
        let pair = Pair {
            since: since.to_owned(),
            remark: if field(unauthorised).is_empty() { "" } else { "unauthorised use" },
            ..classify(field(Some(name)), field(Some(description)))
        };
        for at in Transport::ALL {
            let wanted = field(Some(transport));
            if wanted.is_empty() || wanted.eq_ignore_ascii_case(at.name()) {
                (first..=last).for_each(|port| add(&mut pairs[place(at, port)], &pair));
            }
        }
    }
    let assigned = pairs.iter().filter(|pair| pair.status == Status::Assigned).count();
    if assigned < MIN_ASSIGNED {
        return Err(ImportError::Truncated(assigned));
    }
    Ok(Registry::read(render(&pairs, &newest))?)
}

fn place(transport: Transport, port: u16) -> usize {
    usize::from(port) * 2 + transport as usize
}

/// `817` or `811-827`, as far as it is well-known.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<u16>().ok()?);
    (first < WELL_KNOWN_END).then(|| (first, last.min(WELL_KNOWN_END - 1)))
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() })
}

/// What a row says. Its description tells unassigned and reserved pairs; a row with a name is assigned whatever else it says.
fn classify(name: &str, description: &str) -> Pair {
    // Tabs and line feeds would break the table.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let starts = |start: &str| description.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    let (status, kind) = match () {
        () if !name.is_empty() => (Status::Assigned, "named"),
        () if starts("unassigned") => (Status::Unassigned, "explicit"),
        () if starts("de-registered") => (Status::Unassigned, "de-registered"),
        () if starts("removed") => (Status::Unassigned, "removed"),
        () if starts("possibly used") => (Status::Unassigned, "remark"),
        () if starts("reserved") => (Status::Reserved, "reserved"),
        () => (Status::Assigned, "private"),
    };
    let assigned = status == Status::Assigned;
    Pair {
        status,
        kind,
        names: if name.is_empty() { Vec::new() } else { vec![words(name).replace('|', "/")] },
        description: if assigned { words(description) } else { String::new() },
        ..Pair::absent()
    }
}

/// Adds a row to what is known of a pair: further rows of an assigned pair are other names.
fn add(known: &mut Pair, row: &Pair) {
    if known.status == Status::Assigned && row.status == Status::Assigned {
        known.names.extend(row.names.iter().filter(|name| !known.names.contains(name)).cloned().collect::<Vec<_>>());
    } else if known.kind == "absent" || row.status == Status::Assigned {
        *known = row.clone();
    }
}

/// The table's text: one row for both transports where they agree, one for a run of ports that nobody has.
fn render(pairs: &[Pair], date: &str) -> String {
    let mut rows: Vec<(u16, u16, &str, &Pair)> = Vec::new();
    for port in 0..WELL_KNOWN_END {
        let (tcp, udp) = (&pairs[place(Transport::Tcp, port)], &pairs[place(Transport::Udp, port)]);
        if tcp != udp {
            rows.extend([(port, port, "tcp", tcp), (port, port, "udp", udp)]);
            continue;
        }
        match rows.last_mut() {
            Some((_, last, "*", known)) if *known == tcp && tcp.status != Status::Assigned && *last + 1 == port => {
                *last = port;
            }
            _ => rows.push((port, port, "*", tcp)),
        }
    }
    let mut text = format!(
        "# Well-known ports per transport, after IANA's Service Name and Transport Protocol Port Number Registry (CC0).\n\
         # date\t{date}\n# ports\ttransport\tstatus\tkind\tnames\tdescription\tsince\tremark\n"
    );
    for (first, last, transport, pair) in rows {
        let ports = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let _ = writeln!(
            text,
            "{ports}\t{transport}\t{}\t{}\t{}\t{}\t{}\t{}",
            pair.status,
            pair.kind,
            pair.names.join("|"),
            pair.description,
            pair.since,
            pair.remark
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Service Name,Port Number,Transport Protocol,Description,Assignee,Contact,Registration Date,\
Modification Date,Reference,Service Code,Unauthorized Use Reported,Assignment Notes\n";

    /// Enough assigned rows, then the rows of the test.
    fn csv(rows: &str) -> String {
        let assigned: String =
            (1..400).map(|port| format!("name{port},{port},,Service {port},,,2001-02-03,,,,,\n")).collect();
        format!("{HEADER}{assigned}{rows}")
    }

    #[test]
    fn ranges_blank_transports_and_quoted_line_feeds_are_read() {
        let rows = ",811-827,,\"Unassigned\n[a second line, with a comma]\",,,,,,,,\n\
            pana,716,udp,PANA Messages,,,,2026-02-13,,,,\n\
            ,1011-1020,,Reserved,,,,,,,,\n\
            ,796,,Unassigned,,,,,,,Unauthorized Use Known on port 796,\n\
            http,900,tcp,First,,,,,,,,\nwww,900,tcp,Second,,,,,,,,\n\
            dns-sd-only,,tcp,no port,,,,,,,,\nhigh,5000-6000,tcp,not well-known,,,,,,,,\n";
        let registry = from_csv(csv(rows).as_bytes()).expect("a good file");
        let status = |transport, port| registry.status(transport, port).expect("well-known");
        assert_eq!(status(Transport::Tcp, 817), Status::Unassigned);
        assert_eq!(registry.entry(Transport::Udp, 817).map(|entry| entry.kind), Some("explicit"));
        assert_eq!(status(Transport::Udp, 716), Status::Assigned);
        assert_eq!(registry.entry(Transport::Tcp, 716).map(|entry| entry.kind), Some("absent"));
        assert_eq!(status(Transport::Tcp, 1015), Status::Reserved);
        assert_eq!(registry.entry(Transport::Tcp, 796).map(|entry| entry.remark), Some("unauthorised use"));
        assert_eq!(registry.entry(Transport::Tcp, 900).map(|entry| entry.names), Some("http|www"));
        assert_eq!(registry.date(), "2026-02-13");
    }

    #[test]
    fn a_cut_file_and_a_foreign_one_are_refused() {
        let cut = format!("{HEADER}tcpmux,1,tcp,TCP Port Service Multiplexer,,,,,,,,\n");
        assert!(matches!(from_csv(cut.as_bytes()), Err(ImportError::Truncated(1))));
        assert!(matches!(from_csv(b"a,b\n1,2\n"), Err(ImportError::NoColumn(_))));
    }

    #[test]
    fn the_built_in_table_is_written_as_an_import_would_write_it() {
        let registry = Registry::built_in();
        let mut pairs = vec![Pair::absent(); 2048];
        for port in 0..WELL_KNOWN_END {
            for transport in Transport::ALL {
                let entry = registry.entry(transport, port).expect("every pair has a row");
                let keep =
                    |text: &str, of: [&'static str; 8]| of.into_iter().find(|known| *known == text).unwrap_or("?");
                pairs[place(transport, port)] = Pair {
                    status: entry.status,
                    kind: keep(
                        entry.kind,
                        ["named", "private", "explicit", "de-registered", "removed", "absent", "remark", "reserved"],
                    ),
                    names: entry.names.split('|').filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect(),
                    description: entry.description.to_owned(),
                    since: entry.since.to_owned(),
                    remark: keep(entry.remark, ["", "unauthorised use", "", "", "", "", "", ""]),
                };
            }
        }
        assert_eq!(render(&pairs, registry.date()), registry.text());
    }
}

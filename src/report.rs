//! The report: the one value that every output renders (`gapwatch.report/1`). Plain data; knows no output.

mod bounds;
mod fold;

use crate::baseline::Baseline;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::State;
use crate::finding::{Finding, Kind};
use crate::frame::Timestamp;
use crate::judge;
use crate::policy;
use crate::port::{PortSet, Scope, Transport};
use crate::registry::Registry;
use crate::skip::Skip;
use crate::table::FlowTable;
use crate::words::ranges;
use serde::Serialize;
use std::collections::BTreeMap;

pub use crate::saved::SCHEMA;
pub use bounds::Cut;
pub use fold::Folded;

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Report {
    pub schema: &'static str,
    /// The version of the program that made it.
    pub gapwatch: &'static str,
    pub inputs: Vec<Input>,
    pub registry: RegistryNote,
    pub scope: ScopeNote,
    pub totals: TotalsNote,
    /// What the site's policy did; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyNote>,
    pub findings: Vec<Finding>,
    /// Findings of no weight that came in thousands, and those for which there was no room, told together; absent as a rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folded: Vec<Folded>,
    /// What is not listed, because the report would be too large; absent as a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// Files in folders that are no captures; for whoever reads the report, and not for programs.
    #[serde(skip)]
    pub left_out: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// How an input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Complete,
    /// It ends in the middle of a record.
    Truncated,
    /// A record contradicts the format; what lies behind it was not read.
    Corrupt,
    /// Reading failed on the way.
    Failed,
    /// It gave nothing at all.
    Unreadable,
}

impl Status {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Status::Complete => "complete",
            Status::Truncated => "truncated",
            Status::Corrupt => "corrupt",
            Status::Failed => "failed",
            Status::Unreadable => "unreadable",
        }
    }
}

/// One capture that was read.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Input {
    pub name: String,
    /// `pcap`, `pcapng`, with the compression around it.
    pub format: String,
    pub status: Status,
    /// What is wrong, and where: packet and byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    pub frames: u64,
    /// Of the file as it lies on the disk.
    pub bytes: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Oddities that were read over: what, and how often.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<&'static str, u64>,
    /// Of an interface: whether the kernel dropped what is plainly out of scope, so that it was not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_filter: Option<bool>,
    /// Of an interface: the expression of the user's that chose the packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Of the file as it lies on the disk, in hexadecimal; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Names of its interfaces, in the order of the file; for whoever copies frames.
    #[serde(skip)]
    pub interfaces: Vec<String>,
}

impl Input {
    /// An input that could not be opened as a capture.
    #[must_use]
    pub fn unreadable(name: String, error: &impl std::fmt::Display) -> Self {
        let problem = error.to_string();
        let problem = problem.strip_prefix(&format!("{name}: ")).map_or(problem.clone(), ToOwned::to_owned);
        Input {
            name,
            format: String::new(),
            status: Status::Unreadable,
            problem: Some(problem),
            frames: 0,
            bytes: 0,
            first: None,
            last: None,
            notes: BTreeMap::new(),
            kernel_filter: None,
            filter: None,
            sha256: None,
            interfaces: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct RegistryNote {
    pub date: String,
    pub unassigned: usize,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct ScopeNote {
    pub tcp_ports: usize,
    pub udp_ports: usize,
    /// The ports in ranges, as `--ports` takes them.
    pub tcp: String,
    pub udp: String,
    /// What ports these are, where they are not the unassigned ones: for a sentence, “no service on …”.
    #[serde(skip)]
    pub named: Option<String>,
}

/// Ports in a sentence, where they are not those that the registry calls unassigned. Long lists are counted.
fn named(scope: &Scope, registry: &Registry) -> Option<String> {
    const LONGEST: usize = 60;
    if *scope == registry.scope(false) {
        return None;
    }
    if *scope == registry.scope(true) {
        return Some("an unassigned or reserved well-known port".to_owned());
    }
    let [tcp, udp] = Transport::ALL.map(|transport| scope.targets(transport));
    let ports = |set: &PortSet| {
        let list = ranges(set.iter());
        let noun = if set.len() == 1 { "port" } else { "ports" };
        if list.len() > LONGEST { format!("the {} ports asked for", set.len()) } else { format!("{noun} {list}") }
    };
    let of = |set: &PortSet, transport: Transport| (!set.is_empty()).then(|| format!("{transport} {}", ports(set)));
    Some(match (tcp == udp, of(tcp, Transport::Tcp), of(udp, Transport::Udp)) {
        (true, ..) => ports(tcp),
        (false, tcp, udp) => tcp.into_iter().chain(udp).collect::<Vec<_>>().join(" and "),
    })
}

/// frames = observed + outside + all of skipped.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct TotalsNote {
    pub frames: u64,
    pub bytes: u64,
    pub observed: u64,
    pub outside: u64,
    pub skipped: BTreeMap<String, u64>,
    pub tunnelled: BTreeMap<&'static str, u64>,
    /// Frames that the capture cut; they count from their headers.
    pub cut: u64,
    /// Conversations with context ports: read, and not reported for themselves.
    pub context_flows: u64,
    /// Questions to everybody on the net that were answered: told under those who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast_flows: Option<u64>,
    /// Connections that are told together with others on their four-tuple: their sequence numbers lie too close to each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined_connections: Option<u64>,
    /// Conversations with portmappers, `NetInfo`'s binder and `NetInfo` of which more was said than is kept to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread_flows: Option<u64>,
    /// About how many conversations came in small segments, where not all of them could be put together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crumbled_flows: Option<u64>,
    /// About how many conversations ICMP messages called refused, where not all of them could be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_flows: Option<u64>,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// What the memory bound cost; empty as a rule.
    pub beyond_bounds: Vec<BeyondBounds>,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct BeyondBounds {
    pub flows: &'static str,
    /// Packets of flows that were not kept.
    pub packets: u64,
    /// Different flows, about.
    pub flows_estimated: u64,
}

/// The report of a settled table.
#[must_use]
pub fn report(table: &FlowTable, inputs: Vec<Input>, registry: &Registry) -> Report {
    report_with(table, inputs, registry, judge::Options::default())
}

/// The same, judged as the options say.
#[must_use]
pub fn report_with(table: &FlowTable, inputs: Vec<Input>, registry: &Registry, options: judge::Options<'_>) -> Report {
    let (findings, apart) = judge::judge(table, registry, options);
    let totals = &table.totals;
    let scope = table.scope();
    let mut skipped: BTreeMap<String, u64> = BTreeMap::new();
    for (skip, count) in &totals.skipped {
        *skipped.entry(skip.name().into_owned()).or_default() += count;
    }
    // Later fragments whose first one was in scope belong to its flow.
    let gathered = table.gathered_fragments();
    if let Some(later) = skipped.get_mut(&*Skip::LaterFragment.name()) {
        *later -= gathered;
    }
    skipped.retain(|_, count| *count > 0);
    Report {
        schema: SCHEMA,
        gapwatch: env!("CARGO_PKG_VERSION"),
        inputs,
        registry: RegistryNote { date: registry.date().to_owned(), unassigned: registry.unassigned() },
        scope: ScopeNote {
            tcp_ports: scope.targets(Transport::Tcp).len(),
            udp_ports: scope.targets(Transport::Udp).len(),
            tcp: ranges(scope.targets(Transport::Tcp).iter()),
            udp: ranges(scope.targets(Transport::Udp).iter()),
            named: named(scope, registry),
        },
        totals: TotalsNote {
            frames: totals.frames,
            bytes: totals.bytes,
            observed: totals.observed + gathered,
            outside: totals.outside,
            skipped,
            tunnelled: totals.tunnelled.iter().map(|(kind, count)| (kind.name(), *count)).collect(),
            cut: totals.cut,
            context_flows: apart.context_flows,
            joined_connections: (apart.joined > 0).then_some(apart.joined),
            broadcast_flows: (apart.broadcast_flows > 0).then_some(apart.broadcast_flows),
            unread_flows: (apart.unread_flows > 0).then_some(apart.unread_flows),
            crumbled_flows: table.crumbs_beyond_bound(),
            refused_flows: table.refusals_beyond_bound(),
            first: totals.first,
            last: totals.last,
            beyond_bounds: table
                .beyond_bounds()
                .into_iter()
                .map(|(tier, packets, flows_estimated)| BeyondBounds { flows: tier.name(), packets, flows_estimated })
                .collect(),
        },
        policy: None,
        findings,
        folded: Vec::new(),
        cut: None,
        left_out: 0,
    }
}

/// What a policy did to the findings, in numbers.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct PolicyNote {
    pub name: String,
    /// Services that it knows.
    pub known: usize,
    /// Findings of which it quieted evidence on the ground of an allow entry.
    pub allowed: usize,
    /// Reasons that it quieted, on whatever ground.
    pub quieted: usize,
    /// Those that speak another protocol than it expects.
    pub changed: usize,
}

impl PolicyNote {
    #[must_use]
    pub fn of(name: String, findings: &[Finding]) -> Self {
        let count = |of: fn(&Finding) -> bool| findings.iter().filter(|finding| of(finding)).count();
        PolicyNote {
            name,
            known: count(|finding| finding.known.is_some()),
            allowed: count(|finding| !finding.allowed.is_empty()),
            quieted: findings.iter().map(|finding| finding.quieted).sum(),
            changed: count(|finding| finding.evidence.iter().any(|reason| reason.by == policy::CHANGED)),
        }
    }
}

impl Report {
    /// How many findings there are, those that folded included, each kind and class by itself.
    #[must_use]
    pub fn number(&self, of: impl Fn(Kind, Class, State) -> bool) -> usize {
        let listed = self.findings.iter().filter(|finding| of(finding.kind, finding.class, finding.state)).count();
        let folded = self.folded.iter().filter(|line| of(line.kind, line.class, line.state));
        listed + folded.map(|line| line.findings).sum::<usize>()
    }

    /// Marks what an earlier report did not have, and gives each such finding a note about it.
    pub fn mark_new(&mut self, baseline: &Baseline) {
        for finding in &mut self.findings {
            finding.new = baseline.news(finding);
            if !finding.new.is_empty() {
                finding.evidence.push(Evidence {
                    by: "baseline.new",
                    class: Class::Custom,
                    weight: Weight::NOTE,
                    says: format!("new since the baseline: {}", finding.new.join("; ")),
                    frames: Vec::new(),
                    attack: None,
                });
            }
        }
    }
}

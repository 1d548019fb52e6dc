//! How much a report may hold: lists are cut fairly, the most important findings first, and say how many there are. Then no
//! input makes a report that cannot be opened. Changes no verdict.

use super::{Input, Report, Status, fold};
use crate::finding::{Finding, FlowNote, Kind};
use crate::frame::FrameRef;
use serde::Serialize;
use std::collections::BTreeSet;

/// Flows that a report lists, of some 800 bytes each in JSON: 13 MB.
const MAX_FLOWS: usize = 16_000;
/// Clients, and addresses, ports and open services of scanners, that a report lists: 2 to 4 MB each.
const MAX_ENDS: usize = 65_536;
/// RPC programs that a report lists, of some 250 bytes each.
const MAX_PROGRAMS: usize = 16_000;
/// Procedures of a program: the largest in the table has some dozens.
const MAX_PROCEDURES: usize = 128;
/// Reasons of a finding; the heaviest come first.
const MAX_REASONS: usize = 32;
/// Reasons over the report, of some 350 bytes each.
const MAX_ALL_REASONS: usize = 32_000;
/// Bytes of what a reason says.
const MAX_SAYS: usize = 1000;
/// Bytes of all Wireshark filters: most have 130, and those that name connections one by one some thousands.
const MAX_FILTERS: usize = 4 << 20;
/// Inputs that a report lists, and bytes of their names and problems.
const MAX_INPUTS: usize = 10_000;
const MAX_INPUT_BYTES: usize = 4 << 20;

/// What a report does not list, because it would be too large. Only what there is any of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Cut {
    /// Findings that are told together, under `folded`.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub findings: usize,
    /// Flows of the findings that are listed.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub flows: usize,
    #[serde(skip_serializing_if = "super::is_zero")]
    pub clients: usize,
    /// Addresses, ports and open services of scanners.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub targets: usize,
    /// RPC programs and procedures.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub programs: usize,
    #[serde(skip_serializing_if = "super::is_zero")]
    pub reasons: usize,
    /// Wireshark filters that show more than their finding.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub filters: usize,
    #[serde(skip_serializing_if = "super::is_zero")]
    pub inputs: usize,
}

impl Cut {
    /// Numbers with their nouns, for a sentence.
    #[must_use]
    pub fn parts(&self) -> Vec<(usize, &'static str)> {
        let all = [
            (self.flows, "flow"),
            (self.clients, "client"),
            (self.targets, "target of scanners"),
            (self.programs, "RPC program or procedure"),
            (self.reasons, "reason"),
            (self.inputs, "input"),
        ];
        all.into_iter().filter(|(number, _)| *number > 0).collect()
    }
}

/// Shares of a budget: each gets what it wants or the same as every other that wants more; what is left goes to the first.
pub(super) fn shares(wanted: &[usize], budget: usize) -> Vec<usize> {
    let given = |level: usize| wanted.iter().map(|wanted| (*wanted).min(level)).fold(0, usize::saturating_add);
    let most = wanted.iter().copied().max().unwrap_or(0);
    if given(most) <= budget {
        return wanted.to_vec();
    }
    // The highest level that the budget has room for.
    let (mut level, mut above) = (0, most);
    while above - level > 1 {
        let middle = level + (above - level) / 2;
        if given(middle) <= budget { level = middle } else { above = middle }
    }
    let mut left = budget.saturating_sub(given(level));
    let share = |wanted: &usize| {
        let more = usize::from(*wanted > level && left > 0);
        left -= more;
        (*wanted).min(level) + more
    };
    wanted.iter().map(share).collect()
}

impl Report {
    /// Folds findings of no weight that come in thousands, and cuts lists that would make the report larger than can be opened.
    /// For whoever writes it: what is judged, compared and carved is the whole. Done twice it changes nothing more.
    pub fn bound(&mut self) {
        self.folded.extend(fold::fold(&mut self.findings));
        let mut cut = self.cut.take().unwrap_or_default();
        cut.findings = self.folded.iter().map(|line| line.findings).sum();
        for finding in &mut self.findings {
            cut.reasons += shorten(finding);
        }
        let reasons = self.share(MAX_ALL_REASONS, |finding| finding.evidence.len());
        let flows = self.share(MAX_FLOWS, |finding| finding.flows.len());
        let clients = self.share(MAX_ENDS, |finding| finding.clients.len());
        let programs = self.share(MAX_PROGRAMS, |finding| finding.rpc.len());
        let of = |finding: &Finding, list: fn(&crate::rule::sweep::Targets) -> usize| {
            finding.targets.as_ref().map_or(0, list)
        };
        let addresses = self.share(MAX_ENDS, |finding| of(finding, |targets| targets.addresses.len()));
        let ports = self.share(MAX_ENDS, |finding| of(finding, |targets| targets.ports.len()));
        let open = self.share(MAX_ENDS, |finding| of(finding, |targets| targets.open.len()));
        let mut filters = 0;
        for (place, finding) in self.findings.iter_mut().enumerate() {
            cut.reasons += finding.evidence.len() - reasons[place];
            truncate(&mut finding.evidence, reasons[place], &mut finding.evidence_total);
            keep_flows(finding, flows[place]);
            finding.clients.truncate(clients[place]);
            cut.programs += finding.rpc.len() - programs[place];
            truncate(&mut finding.rpc, programs[place], &mut finding.rpc_total);
            for program in &mut finding.rpc {
                cut.programs += program.procedures.len().saturating_sub(MAX_PROCEDURES);
                truncate(&mut program.procedures, MAX_PROCEDURES, &mut program.procedures_total);
            }
            if let Some(targets) = &mut finding.targets {
                cut.targets += targets.ports.len() - ports[place] + targets.open.len() - open[place];
                cut.targets += targets.addresses.len() - addresses[place];
                targets.addresses.truncate(addresses[place]);
                truncate(&mut targets.ports, ports[place], &mut targets.ports_total);
                truncate(&mut targets.open, open[place], &mut targets.open_total);
            }
            if filters + finding.wireshark.len() > MAX_FILTERS && !finding.wireshark_is_wider {
                finding.wireshark = wider(finding);
                finding.wireshark_is_wider = true;
                cut.filters += 1;
            }
            filters += finding.wireshark.len();
        }
        cut.flows = self.findings.iter().map(|finding| finding.flows_total - finding.flows.len()).sum();
        cut.clients = self.findings.iter().map(|finding| finding.clients_total - finding.clients.len()).sum();
        cut.inputs += self.cut_inputs();
        self.cut = (cut != Cut::default()).then_some(cut);
    }

    fn share(&self, budget: usize, len: impl Fn(&Finding) -> usize) -> Vec<usize> {
        shares(&self.findings.iter().map(len).collect::<Vec<_>>(), budget)
    }

    /// Keeps the inputs that reasons name, then those with which something is wrong, then the first. Frames name the places that
    /// they have then; those of an input that is not listed any more have a place behind the list.
    fn cut_inputs(&mut self) -> usize {
        let size = |input: &Input| input.name.len() + input.problem.as_ref().map_or(0, String::len);
        let total = self.inputs.len();
        if total <= MAX_INPUTS && self.inputs.iter().map(size).sum::<usize>() <= MAX_INPUT_BYTES {
            return 0;
        }
        let mut named = BTreeSet::new();
        self.frames(|frame| {
            named.insert(frame.input() as usize);
        });
        let mut order: Vec<usize> = (0..total).collect();
        order.sort_by_key(|place| (!named.contains(place), self.inputs[*place].status == Status::Complete, *place));
        let mut bytes = 0;
        let listed = order.iter().take(MAX_INPUTS).take_while(|place| {
            bytes += size(&self.inputs[**place]);
            bytes <= MAX_INPUT_BYTES
        });
        let kept = listed.count().max(1).min(total);
        order[..kept].sort_unstable();
        let mut places = vec![0; total];
        order.iter().enumerate().for_each(|(new, old)| places[*old] = new);
        self.frames(|frame| {
            let new = places.get(frame.input() as usize).and_then(|place| u32::try_from(*place).ok());
            *frame = FrameRef::new(new.unwrap_or_else(|| frame.input()), frame.number());
        });
        let mut inputs: Vec<Option<Input>> = std::mem::take(&mut self.inputs).into_iter().map(Some).collect();
        self.inputs = order[..kept].iter().filter_map(|place| inputs[*place].take()).collect();
        total - kept
    }

    /// Every reference to a frame.
    fn frames(&mut self, mut each: impl FnMut(&mut FrameRef)) {
        for finding in &mut self.findings {
            finding.evidence.iter_mut().flat_map(|reason| &mut reason.frames).for_each(&mut each);
            finding.opening.iter_mut().for_each(|opening| each(&mut opening.frame));
        }
    }
}

fn truncate<T>(list: &mut Vec<T>, most: usize, total: &mut Option<usize>) {
    if list.len() > most {
        total.get_or_insert(list.len());
        list.truncate(most);
    }
}

/// Cuts what the reasons of one finding say; gives how many reasons were left out.
fn shorten(finding: &mut Finding) -> usize {
    for reason in &mut finding.evidence {
        if reason.says.len() > MAX_SAYS {
            let at = (0..=MAX_SAYS).rev().find(|at| reason.says.is_char_boundary(*at)).unwrap_or(0);
            let more = reason.says.len() - at;
            reason.says.truncate(at);
            reason.says.push_str(&format!("… ({more} bytes more)"));
        }
    }
    let before = finding.evidence.len();
    truncate(&mut finding.evidence, MAX_REASONS, &mut finding.evidence_total);
    before - finding.evidence.len()
}

/// Keeps so many flows: those that reasons were seen in, then the first.
fn keep_flows(finding: &mut Finding, most: usize) {
    if finding.flows.len() <= most {
        return;
    }
    let shows = |flow: &FlowNote| !flow.evidence.is_empty();
    let mut showing = finding.flows.iter().filter(|flow| shows(flow)).count().min(most);
    let mut others = most - showing;
    finding.flows.retain(|flow| {
        let left = if shows(flow) { &mut showing } else { &mut others };
        let keep = *left > 0;
        *left -= usize::from(keep);
        keep
    });
    let ids: BTreeSet<&String> = finding.flows.iter().map(|flow| &flow.community_id).collect();
    finding.community_ids = ids.into_iter().cloned().collect();
}

/// A filter that shows the finding and perhaps more.
fn wider(finding: &Finding) -> String {
    let net = if finding.address.is_ipv4() { "ip" } else { "ipv6" };
    match (finding.kind, finding.port) {
        (Kind::Service, Some(port)) => {
            format!("{net}.addr == {} && {}.port == {port}", finding.address, finding.transport)
        }
        _ => format!("{net}.addr == {}", finding.address),
    }
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn a_budget_is_shared_fairly_and_never_exceeded() {
        assert_eq!(shares(&[5, 1, 3], 9), [5, 1, 3]);
        assert_eq!(shares(&[5, 1, 3], 8), [4, 1, 3]);
        assert_eq!(shares(&[100, 1, 100, 100], 12), [4, 1, 4, 3]);
        assert_eq!(shares(&[7; 4], 2), [1, 1, 0, 0]);
        assert_eq!(shares(&[], 2), [0; 0]);
        assert_eq!(shares(&[usize::MAX, usize::MAX], 3), [2, 1]);
    }
}

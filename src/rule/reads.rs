//! What came of requests for what must not leave the net, from the answer with the same transaction id, and what weighs most of
//! it: for the rules that read passwords and databases. Knows no program.

use super::details::{is_inside, listed};
use crate::class::Weight;
use crate::conversation::Conversation;
use crate::flow::{CallSeen, RemoteCalls, ReplySeen};
use crate::frame::Stamp;
use crate::merge::earliest;
use crate::signature::arguments::Detail;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Clients named in one line.
const MAX_CLIENTS: usize = 8;

/// What came of a request for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Granted,
    /// The answer is not in the capture, or not among those kept.
    Unknown,
    /// Denied, or answered with no data: a copy that is still good wants none.
    Empty,
}

/// The longest result without data: five words, as `ypserv` answers ALL for a map that it does not have: more to come, a
/// status, an empty value, an empty key, no more.
const EMPTY_RESULT: u32 = 20;

impl Fate {
    /// Of several replies with one id, any may have given it; of several calls with one id, it is not known whose they are.
    #[must_use]
    pub fn of(call: &CallSeen, reply: Option<&ReplySeen>) -> Self {
        match reply {
            Some(reply) if reply.result_length() > EMPTY_RESULT && (reply.outcome.is_success() || reply.times > 1) => {
                Fate::Granted
            }
            Some(_) if !call.mixed => Fate::Empty,
            _ => Fate::Unknown,
        }
    }
}

/// A call that is kept, who made it, what it asks for in detail, and the reply with the same transaction id.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    pub client: IpAddr,
    pub call: &'a CallSeen,
    pub detail: Option<&'a Detail>,
    pub reply: Option<&'a ReplySeen>,
}

/// The calls that are kept of conversations in which any asks for something in detail.
pub fn detailed<'a>(flows: &'a [Conversation<'a>]) -> impl Iterator<Item = Made<'a>> + 'a {
    calls(flows, |calls| !calls.asked.is_empty())
}

/// The calls of a program that are kept.
pub fn of_program<'a>(flows: &'a [Conversation<'a>], program: u32) -> impl Iterator<Item = Made<'a>> + 'a {
    calls(flows, move |calls| calls.calls_program(program)).filter(move |made| made.call.named.program == program)
}

/// The calls that are kept of conversations that are `wanted`: looking through all of them takes time.
fn calls<'a>(
    flows: &'a [Conversation<'a>],
    wanted: impl Fn(&RemoteCalls) -> bool + 'a,
) -> impl Iterator<Item = Made<'a>> + 'a {
    flows.iter().flat_map(move |flow| {
        let replies = flow.from_server.remote_calls.as_deref();
        let calls = flow.from_client.remote_calls.as_deref().filter(|calls| wanted(calls));
        calls.into_iter().flat_map(move |calls| {
            calls.calls.iter().map(move |(xid, call)| Made {
                client: flow.client().address,
                call,
                detail: calls.detail(xid),
                reply: replies.and_then(|replies| replies.replies.get(xid)),
            })
        })
    })
}

/// A request for something that must not leave the net: what came of it, who asked, where first, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub fate: Fate,
    pub client: IpAddr,
    pub first: Option<Stamp>,
    pub what: &'a str,
}

/// The worst that came of some requests.
#[derive(Clone, Debug)]
pub struct Reads<'a> {
    pub fate: Fate,
    pub weight: Weight,
    /// Who read it or asked for it, in words.
    pub says: String,
    pub what: BTreeSet<&'a str>,
    pub first: Option<Stamp>,
}

/// Of several requests, those that weigh most; `None` where there are none. `server` is whose data it is.
pub fn worst<'a>(requests: impl Iterator<Item = Request<'a>>, server: IpAddr) -> Option<Reads<'a>> {
    let mut groups: BTreeMap<(std::cmp::Reverse<Weight>, Fate, bool), Vec<Request<'a>>> = BTreeMap::new();
    for request in requests {
        let outside = is_inside(server) && !is_inside(request.client);
        let weight = match (request.fate, outside) {
            (Fate::Granted | Fate::Unknown, true) => Weight::STRONG,
            (Fate::Granted | Fate::Unknown, false) | (Fate::Empty, true) => Weight::HINT,
            (Fate::Empty, false) => Weight::NOTE,
        };
        groups.entry((std::cmp::Reverse(weight), request.fate, outside)).or_default().push(request);
    }
    let ((std::cmp::Reverse(weight), fate, outside), requests) = groups.pop_first()?;
    let clients: BTreeSet<IpAddr> = requests.iter().map(|request| request.client).collect();
    let by = listed(clients.iter().map(ToString::to_string).collect(), MAX_CLIENTS);
    let from = if outside { " from outside" } else { "" };
    let says = match fate {
        Fate::Granted if outside => format!("left the net: read from outside by {by}"),
        Fate::Granted => format!("read by {by}"),
        Fate::Unknown => format!("asked for{from} by {by}; the answer is not in the capture, or not kept"),
        Fate::Empty => format!("asked for{from} by {by}, and not given"),
    };
    let first = requests.iter().map(|request| request.first).fold(None, earliest);
    Some(Reads { fate, weight, says, what: requests.iter().map(|request| request.what).collect(), first })
}

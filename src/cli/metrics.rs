//! Counters of a running capture for Prometheus, over HTTP on an address that was asked for. Knows no packet.

use anyhow::Context as _;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::Duration;

/// How long somebody who asks may take to say so.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a request that are read.
const MAX_REQUEST: u64 = 8192;

type Count = Gauge<u64, AtomicU64>;

/// The counters. What the capture loses is told apart by who lost it.
#[derive(Clone, Default)]
pub struct Counters {
    pub packets: Count,
    pub observed: Count,
    pub outside: Count,
    pub dropped: Family<By, Count>,
    pub findings: Family<By, Count>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct By {
    pub by: &'static str,
}

/// Takes the address; called before rights are given up.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("metrics: {address} cannot be listened on"))
}

/// Answers for as long as the program runs.
pub fn serve(listener: TcpListener, counters: &Counters) {
    let mut registry = Registry::with_prefix("gapwatch");
    registry.register("packets", "Packets that the kernel handed over", counters.packets.clone());
    registry.register("observed", "Packets in scope, in this window", counters.observed.clone());
    registry.register("outside", "Packets out of scope", counters.outside.clone());
    registry.register(
        "dropped",
        "Packets lost, by the kernel, by the interface, or not kept for want of memory",
        counters.dropped.clone(),
    );
    registry.register("findings", "Findings told in this window, by class", counters.findings.clone());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who goes away early is no reason to fail.
            let _ = answer(stream, &registry);
        }
    });
}

fn answer(mut stream: TcpStream, registry: &Registry) -> std::io::Result<()> {
    use std::io::Read as _;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(MAX_REQUEST)).read_line(&mut line)?;
    let found = line.starts_with("GET /metrics ") || line.starts_with("GET / ");
    let mut body = String::new();
    if found {
        text::encode(&mut body, registry).map_err(std::io::Error::other)?;
    } else {
        body.push_str("/metrics is what there is\n");
    }
    let status = if found { "200 OK" } else { "404 Not Found" };
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

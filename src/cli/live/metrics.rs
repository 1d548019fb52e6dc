//! Counters of a running capture for Prometheus, over HTTP on an address that was asked for. Knows no packet.

use anyhow::Context as _;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long somebody who asks may take to say so.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a request that are read.
const MAX_REQUEST: usize = 2048;
/// Requests that are answered at the same time; more are turned away.
const MAX_AT_ONCE: usize = 32;

type Count = Gauge<u64, AtomicU64>;

/// The counters. What the capture loses is told apart by who lost it.
#[derive(Clone, Default)]
pub struct Counters {
    pub packets: Counter,
    pub observed: Count,
    pub dropped: Family<By, Counter>,
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
    registry.register(
        "dropped",
        "Packets lost, by the kernel, by the interface, or not kept for want of memory",
        counters.dropped.clone(),
    );
    registry.register("findings", "Findings told in this window, by class", counters.findings.clone());
    let (registry, busy) = (Arc::new(registry), Arc::new(AtomicUsize::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if busy.fetch_add(1, Ordering::Relaxed) >= MAX_AT_ONCE {
                busy.fetch_sub(1, Ordering::Relaxed);
                continue; // it is closed
            }
            let (registry, busy) = (Arc::clone(&registry), Arc::clone(&busy));
            thread::spawn(move || {
                // Who goes away early is no reason to fail.
                let _ = answer(stream, &registry);
                busy.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

fn answer(mut stream: TcpStream, registry: &Registry) -> std::io::Result<()> {
    use std::io::Read as _;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (mut line, asked) = (Vec::new(), Instant::now());
    let mut byte = [0];
    while !line.ends_with(b"\n")
        && line.len() < MAX_REQUEST
        && asked.elapsed() < PATIENCE
        && stream.read(&mut byte)? > 0
    {
        line.push(byte[0]);
    }
    let found = line.starts_with(b"GET /metrics ") || line.starts_with(b"GET / ");
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

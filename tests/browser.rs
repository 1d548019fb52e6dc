//! The HTML report in a real browser: Chromium, without a window, driven over `WebDriver` (<https://www.w3.org/TR/webdriver2/>).
//! Says so where chromedriver is missing, and fails there when CI is set: no test is skipped unseen.

mod forge;
mod world;

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use world::{World, fixture, status, stderr};

/// A page in a browser.
struct Browser {
    driver: Child,
    port: u16,
    session: String,
    // Held, so that the driver does not write into a pipe without a reader.
    _out: BufReader<std::process::ChildStdout>,
}

impl Browser {
    /// `None`, with a printed reason, where there is no browser.
    fn new(size: (u32, u32)) -> Option<Browser> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(error) => {
                println!("skipped: chromedriver cannot be started: {error}");
                assert!(std::env::var_os("CI").is_none(), "CI installs it");
                return None;
            }
        };
        let mut out = BufReader::new(driver.stdout.take().expect("piped"));
        let port = loop {
            let mut line = String::new();
            assert!(out.read_line(&mut line).expect("it says its port") > 0, "chromedriver ended");
            let port: Option<u16> =
                line.split("on port ").nth(1).and_then(|rest| rest.trim().trim_end_matches('.').parse().ok());
            if let Some(port) = port.filter(|port| *port != 0) {
                break port;
            }
        };
        let mut browser = Browser { driver, port, session: String::new(), _out: out };
        let size = format!("--window-size={},{}", size.0, size.1);
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", size] },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let answer = browser.post("/session", &capabilities);
        let session = answer["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        session.clone_into(&mut browser.session);
        Some(browser)
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the driver listens");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )
        .expect("it takes requests");
        let mut reader = BufReader::new(stream);
        let mut len = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a header");
            if line.trim().is_empty() {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                len = value.trim().parse().expect("a number");
            }
        }
        let mut body = vec![0; len];
        reader.read_exact(&mut body).expect("a body");
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        answer["value"].clone()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.request("POST", path, &body.to_string())
    }

    fn open(&self, page: &std::path::Path) {
        let url = format!("file://{}", page.display());
        let answer = self.post(&format!("/session/{}/url", self.session), &json!({ "url": url }));
        assert!(answer.is_null(), "{answer}");
    }

    /// Runs the body of a function in the page and gives what it returns.
    fn run(&self, script: &str) -> Value {
        let answer =
            self.post(&format!("/session/{}/execute/sync", self.session), &json!({ "script": script, "args": [] }));
        assert!(answer["error"].is_null(), "{script}: {answer}");
        answer
    }

    /// A command of the browser's own protocol.
    fn tell(&self, command: &str, parameters: &Value) {
        let body = json!({ "cmd": command, "params": parameters });
        let answer = self.post(&format!("/session/{}/goog/cdp/execute", self.session), &body);
        assert!(answer["error"].is_null(), "{command}: {answer}");
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let answer = self.post(&format!("/session/{}/se/log", self.session), &json!({ "type": kind }));
        answer.as_array().expect("a list").clone()
    }

    /// Nothing on the console, and no request but for the page itself.
    fn is_quiet(&self) {
        let console = self.log("browser");
        assert!(console.is_empty(), "{console:#?}");
        let requests: Vec<String> = self
            .log("performance")
            .iter()
            .filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok())
            .filter(|entry| entry["message"]["method"] == "Network.requestWillBeSent")
            .map(|entry| entry["message"]["params"]["request"]["url"].as_str().expect("an address").to_owned())
            .filter(|url| !url.starts_with("data:"))
            .collect();
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert!(requests[0].starts_with("file:///"), "{requests:?}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.request("DELETE", &format!("/session/{}", self.session), "");
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// What a filter leaves.
const VISIBLE: &str = "return [...document.querySelectorAll('.finding')].filter(f => f.offsetParent !== null).length";

fn page(world: &World, captures: &[&str]) -> std::path::PathBuf {
    let arguments: Vec<&str> = ["-q", "-o", "r.html"].into_iter().chain(captures.iter().copied()).collect();
    let output = world.run(&arguments);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    world.folder.path().join("r.html")
}

#[test]
fn pictures_are_drawn_and_filters_work() {
    let Some(browser) = Browser::new((1280, 1600)) else { return };
    let world = World::new();
    let captures = ["nis-817.pcap", "redis-722.pcap", "shell-bind-1005.pcap", "sweep.pcap", "tls-783.pcap"];
    for name in captures {
        world.write(name, &fixture(name));
    }
    browser.open(&page(&world, &captures));
    let all = browser.run(VISIBLE).as_u64().expect("a number");
    assert_eq!(all, 8);
    // Each picture takes room and has its parts; the script and the style ran.
    let drawn = browser.run("return [...document.querySelectorAll('svg')].map(s => [s.getBoundingClientRect().height > 15, s.querySelectorAll('rect, path, text').length])");
    for picture in drawn.as_array().expect("a list") {
        assert!(picture[0] == true && picture[1].as_u64() >= Some(3), "{drawn}");
    }
    assert_eq!(drawn.as_array().map(Vec::len), Some(4));
    let colour = "const c = f => getComputedStyle(document.querySelector(f)).fill; return [c('rect.fill-suspicious'), c('path.fill-unassigned'), document.documentElement.className]";
    assert_eq!(browser.run(colour), json!(["rgb(179, 38, 30)", "rgb(236, 238, 240)", "live"]));
    // Words, classes, and both.
    let search = |words: &str| {
        browser.run(&format!(
            "const s = document.getElementById('search'); s.value = {words:?}; s.dispatchEvent(new Event('input'))"
        ));
        browser.run(VISIBLE)
    };
    assert_eq!(search("uid=0(root)"), 1);
    assert_eq!(search("YPSERV 817"), 2);
    assert_eq!(search("no such thing"), 0);
    assert_eq!(browser.run("return document.getElementById('shown').textContent"), "0 of 8 shown");
    assert_eq!(search(""), 8);
    browser.run("document.querySelector('input[data-class=legacy-rpc]').click()");
    assert_eq!(browser.run(VISIBLE), 4);
    browser.run("document.querySelector('input[data-class=legacy-rpc]').click()");
    // Sorting moves, and loses nothing.
    let order = "const s = document.getElementById('sort'); s.value = 'bytes'; s.dispatchEvent(new Event('change')); return [...document.querySelectorAll('.finding')].map(f => Number(f.dataset.bytes))";
    let bytes: Vec<u64> =
        browser.run(order).as_array().expect("a list").iter().map(|bytes| bytes.as_u64().expect("a number")).collect();
    assert!(bytes.len() == 8 && bytes.is_sorted_by(|a, b| a >= b), "{bytes:?}");
    // A square of the map leads to its finding.
    browser.run("document.querySelector('rect.fill-legacy-rpc').parentElement.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))");
    assert_eq!(browser.run("return location.hash && document.querySelector(location.hash).open"), true);
    // The filter for Wireshark is copied, or marked where there is no clipboard.
    browser.run("document.querySelector('.finding[open] button.copy').click()");
    browser.is_quiet();
}

#[test]
fn a_narrow_page_does_not_scroll_sideways_and_works_without_its_script() {
    let Some(browser) = Browser::new((500, 900)) else { return };
    let world = World::new();
    let captures = ["netinfo-817.pcap", "sweep.pcap", "protocols-web.pcap"];
    for name in captures {
        world.write(name, &fixture(name));
    }
    let path = page(&world, &captures);
    browser.tell(
        "Emulation.setDeviceMetricsOverride",
        &json!({ "width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": false }),
    );
    browser.open(&path);
    let width = browser.run("document.querySelectorAll('details').forEach(d => { d.open = true }); return [innerWidth, document.documentElement.scrollWidth]");
    assert!(width[0] == 400 && width[1].as_u64() <= Some(400), "{width}");
    // Without the script everything is there but for the controls, which would do nothing.
    browser.tell("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    browser.open(&path);
    let found = browser.run("return [document.querySelectorAll('.finding').length, document.documentElement.className, getComputedStyle(document.querySelector('.controls')).display]");
    let text = fs::read_to_string(&path).expect("readable");
    assert_eq!(found, json!([text.matches("<details").count(), "", "none"]));
}

#[test]
fn what_comes_from_packets_stays_text() {
    let Some(browser) = Browser::new((1280, 900)) else { return };
    let world = World::new();
    let hostile = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">\u{202e}";
    let said = format!("HTTP/1.1 200 OK\r\nServer: {hostile}\r\n\r\n");
    let asked = format!("GET / HTTP/1.1\r\nHost: {hostile}\r\n\r\n");
    let frames = forge::conversation((1, 40_000), (2, 817), asked.as_bytes(), said.as_bytes());
    let name = "<img src=x onerror=document.title=1>.pcap";
    world.write(name, &forge::pcap(1, false, true, &frames));
    browser.open(&page(&world, &[name]));
    let title = browser.run("return document.title");
    assert!(title.as_str().is_some_and(|title| title.starts_with("gapwatch: ")), "{title}");
    assert_eq!(
        browser.run("return [document.querySelectorAll('script').length, document.querySelectorAll('img').length]"),
        json!([1, 0])
    );
    let text = browser.run("return document.querySelector('.finding').textContent");
    let text = text.as_str().expect("text");
    assert!(text.contains("<script>") && !text.contains('\u{202e}'), "{text}");
    // Even a script that got in would not run: the page allows its own alone.
    let injected = "const s = document.createElement('script'); s.textContent = \"document.title='taken'\"; document.body.append(s); return document.title";
    assert_eq!(browser.run(injected), title);
    let console = browser.log("browser");
    assert!(
        console
            .iter()
            .all(|entry| entry["message"].as_str().is_some_and(|text| text.contains("Content Security Policy"))),
        "{console:?}"
    );
}

/// A report lists so many findings one by one, and tells the others together.
const MOST: usize = 8000;

/// Prints how long a page of as many findings as a report lists takes; `benches/README.md` has the figures.
#[test]
fn the_largest_page_opens_and_filters() {
    let Some(browser) = Browser::new((1280, 1600)) else { return };
    let world = World::new();
    let mut frames = Vec::new();
    for number in 0..10_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let (client, server) = ([10, 1, high, low], [10, 2, high, low]);
        let mut send = |from_client: bool, sequence, flags, payload: &[u8]| {
            let (from, to) = if from_client { (client, server) } else { (server, client) };
            let (source, destination) = if from_client { (40_000, 817) } else { (817, 40_000) };
            let segment = forge::tcp(source, destination, sequence, flags, payload);
            let time = 1_000_000_000_000_000_000 + frames.len() as u64 * 1_000_000;
            frames.push(forge::at(time, forge::ethernet(0x0800, &forge::ipv4(6, from, to, 0, &segment))));
        };
        send(true, 1, forge::SYN, b"");
        send(false, 1, forge::SYN | forge::ACK, b"");
        send(true, 2, forge::ACK | forge::PSH, format!("GET /{number:05} HTTP/1.1\r\n\r\n").as_bytes());
        send(false, 2, forge::ACK | forge::PSH, b"HTTP/1.1 200 OK\r\n\r\n");
    }
    world.write("many.pcap", &forge::pcap(1, false, true, &frames));
    browser.open(&page(&world, &["many.pcap"]));
    let timing = browser.run(
        "const n = performance.getEntriesByType('navigation')[0]; const start = performance.now();
         const s = document.getElementById('search'); s.value = '10.2.3.77'; s.dispatchEvent(new Event('input'));
         document.body.getBoundingClientRect();
         return [Math.round(n.loadEventEnd), Math.round(performance.now() - start), document.querySelectorAll('.finding').length]",
    );
    assert_eq!(timing[2], MOST);
    assert_eq!(browser.run(VISIBLE), 1);
    println!("{MOST} findings: opened in {} ms, filtered in {} ms", timing[0], timing[1]);
    browser.is_quiet();
}

//! What the site brings along: policies, signatures of its own, baselines.

mod forge;
mod world;

use serde_json::Value;
use world::{World, fixture, json, status, stderr, stdout};

const POLICY: &str = r#"
[[service]]
name = "session store"
owner = "web team"
server = "10.9.0.0/24"
port = 722
protocol = "redis"

[[service]]
name = "front door"
port = 783
protocol = "ssh"

[[allow]]
reason = "our own scanner"
evidence = ["sweep"]
client = "10.9.0.1"
"#;

fn finding(report: &Value, port: Option<u16>) -> &Value {
    let is_it = |finding: &&Value| finding["port"].as_u64() == port.map(u64::from);
    report["findings"].as_array().expect("a list").iter().find(is_it).expect("a finding on that port")
}

fn ids(finding: &Value) -> Vec<&str> {
    finding["evidence"].as_array().expect("a list").iter().map(|reason| reason["by"].as_str().expect("an id")).collect()
}

#[test]
fn a_policy_acknowledges_allows_and_notices_changes() {
    let world = World::new();
    for name in ["redis-722", "tls-783", "sweep"] {
        world.write(&format!("in/{name}.pcap"), &fixture(&format!("{name}.pcap")));
    }
    world.write("site.toml", POLICY.as_bytes());
    let report = json(&world.run(&["--policy", "site.toml", "-f", "json", "in"]));
    let redis = finding(&report, Some(722));
    assert_eq!((redis["state"].as_str(), redis["known"].as_str()), (Some("acknowledged"), Some("session store")));
    assert!(redis["evidence"].as_array().expect("a list").iter().any(|reason| {
        reason["by"] == "odd-port"
            && reason["weight"] == 0
            && reason["says"].as_str().expect("text").contains("quieted by policy, weight 10")
    }));
    let tls = finding(&report, Some(783));
    assert_eq!(tls["class"].as_str(), Some("suspicious"), "{tls}");
    assert!(ids(tls).contains(&"policy.changed"));
    let sweep = finding(&report, None);
    assert_eq!((sweep["kind"].as_str(), sweep["class"].as_str()), (Some("scanner"), Some("custom")));
    assert_eq!(sweep["allowed"][0].as_str(), Some("our own scanner"));
    assert_eq!(report["policy"]["allowed"].as_u64(), Some(1));

    // Folded on the terminal, counted, and listed when asked for.
    let table = stdout(&world.run(&["--policy", "site.toml", "in"]));
    assert!(!table.contains("SYN and UDP sweep") && table.contains("1 finding allowed by the policy"), "{table}");
    assert!(stdout(&world.run(&["--policy", "site.toml", "--show-allowed", "in"])).contains("SYN and UDP sweep"));
    // Found where policies are looked for, and left out when told so.
    world.write("config/gapwatch/policy.toml", POLICY.as_bytes());
    assert!(stdout(&world.run(&["in"])).contains("policy.toml: 1 service known, 1 finding allowed, 1 service changed"));
    assert!(!stdout(&world.run(&["--policy", "none", "in"])).contains("policy"));
}

#[test]
fn a_policy_is_checked_before_it_is_used() {
    let world = World::new();
    world.write("redis.pcap", &fixture("redis-722.pcap"));
    world.write("site.toml", POLICY.as_bytes());
    world.write("report.json", &world.run(&["-f", "json", "redis.pcap"]).stdout);
    let check = world.run(&["policy", "check", "site.toml", "report.json"]);
    assert_eq!(status(&check), 0, "{}", stderr(&check));
    let story = stdout(&check);
    assert!(story.contains("session store, owner web team, expects redis; server 10.9.0.0/24, port 722"), "{story}");
    assert!(story.contains("10.9.0.2 port 722/tcp: known") && story.contains("touches nothing"), "{story}");

    for (text, wanted) in [
        ("[[allow]]\nreason = 'a'\nevidence = 'swep'\nport = 1\n", "no evidence has the id “swep”"),
        ("[[service]]\nname = 'a'\n", "[[service]] 1: `port` is missing"),
        ("[[service]\n", "line 1 is no TOML"),
        ("[[service]]\nname = 'a'\nport = 1\ncolour = 1\n", "colour"),
    ] {
        world.write("bad.toml", text.as_bytes());
        for arguments in [&["policy", "check", "bad.toml"][..], &["--policy", "bad.toml", "redis.pcap"]] {
            let output = world.run(arguments);
            assert_eq!((status(&output), stdout(&output).as_str()), (2, ""), "{text}");
            assert!(stderr(&output).contains("bad.toml") && stderr(&output).contains(wanted), "{}", stderr(&output));
        }
    }
    let output = world.run(&["policy", "check", "site.toml", "redis.pcap"]);
    assert!(status(&output) == 2 && stderr(&output).contains("not a JSON report"), "{}", stderr(&output));
}

#[test]
fn users_signatures_come_first_and_bad_ones_are_named() {
    let world = World::new();
    world.write("meter.pcap", &fixture("custom-udp-930.pcap"));
    let entry = |id: &str, rest: &str| {
        format!("[[pattern]]\nid = '{id}'\nprotocol = 'meter'\nabout = 'Meters.'\ntransport = 'udp'\n{rest}\n")
    };
    let good = "client = 'meter=[0-9]'\nserver = 'ack:'\nhits = [{ client = 'meter=1', server = 'ack:' }]\nmisses = [{ client = 'm' }]";
    world.write("mine.toml", entry("meter", good).as_bytes());
    let report = json(&world.run(&["--signatures", "mine.toml", "-f", "json", "meter.pcap"]));
    let meter = finding(&report, Some(930));
    assert_eq!((meter["protocol"].as_str(), meter["state"].as_str()), (Some("meter"), Some("recognised")));
    for (text, wanted) in [
        (entry("redis", good), "the id is taken"),
        (entry("a", "client = '('"), "entry 1 (`a`)"),
        (entry("a", &good.replace("client = 'm' }", "client = 'meter=9' }")), "miss 1 is accepted"),
        (entry("a", &good.replace("[0-9]'", "[0-9]{1,9}{1,999}{1,999}'")), "entry 1 (`a`)"),
    ] {
        world.write("bad.toml", text.as_bytes());
        let output = world.run(&["--signatures", "bad.toml", "meter.pcap"]);
        assert!(
            status(&output) == 2 && stderr(&output).contains("bad.toml") && stderr(&output).contains(wanted),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn a_baseline_marks_what_is_new() {
    let world = World::new();
    for name in ["redis-722", "tls-783"] {
        world.write(&format!("in/{name}.pcap"), &fixture(&format!("{name}.pcap")));
    }
    world.write("old.json", &world.run(&["-f", "json", "in/redis-722.pcap"]).stdout);
    let report = json(&world.run(&["--baseline", "old.json", "-f", "json", "in"]));
    assert_eq!(finding(&report, Some(783))["new"][0].as_str(), Some("service"));
    assert!(finding(&report, Some(722))["new"].is_null());
    let table = stdout(&world.run(&["--baseline", "old.json", "in"]));
    assert!(table.contains("1 new since the baseline") && table.contains("NEW tls"), "{table}");
    world.write("bad.json", b"{\"schema\":\"other/1\",\"findings\":[]}");
    let output = world.run(&["--baseline", "bad.json", "in"]);
    assert!(status(&output) == 2 && stderr(&output).contains("other/1"), "{}", stderr(&output));
}

#[test]
fn of_several_entries_the_one_that_has_not_ended_holds() {
    let world = World::new();
    world.write("redis.pcap", &fixture("redis-722.pcap"));
    let entry = |name: &str, expires: &str, protocol: &str| {
        format!("[[service]]\nname = '{name}'\nport = 722\nprotocol = '{protocol}'\nexpires = {expires}\n")
    };
    world.write(
        "site.toml",
        [entry("old", "2020-01-01", "redis"), entry("new", "2099-01-01", "redis")].concat().as_bytes(),
    );
    let report = world.run(&["--policy", "site.toml", "-f", "json", "redis.pcap"]);
    assert_eq!(finding(&json(&report), Some(722))["known"].as_str(), Some("new"));
    world.write("report.json", &report.stdout);
    let story = stdout(&world.run(&["policy", "check", "site.toml", "report.json"]));
    assert!(story.contains("the entry had ended") && story.contains("722/tcp: known"), "{story}");
    world.write("old.toml", entry("old", "2020-01-01", "redis").as_bytes());
    let report = json(&world.run(&["--policy", "old.toml", "-f", "json", "redis.pcap"]));
    assert!(ids(finding(&report, Some(722))).contains(&"policy.expired"));
    // A name that nothing has is a slip.
    world.write("slip.toml", entry("a", "2099-01-01", "Redis").as_bytes());
    let output = world.run(&["--policy", "slip.toml", "redis.pcap"]);
    assert!(status(&output) == 2 && stderr(&output).contains("redis is meant"), "{}", stderr(&output));
}

/// A user's file cannot speak in the name of the house, nor to the terminal.
#[test]
fn users_signatures_take_no_names_and_no_techniques_that_are_none() {
    let world = World::new();
    world.write("meter.pcap", &fixture("custom-udp-930.pcap"));
    let examples = "client = 'meter'\nhits = [{ client = 'meter' }]\nmisses = [{ client = 'm' }]\n";
    let entry = |id: &str, more: &str| {
        format!("[[pattern]]\nid = '{id}'\nprotocol = 'a'\nabout = 'a'\ntransport = 'udp'\n{more}{examples}")
    };
    for (text, wanted) in [
        (entry("shell.prompt", ""), "the id is taken"),
        (entry("beacon", ""), "that of a rule"),
        (entry("a", "attack = \"T1\\u001b[31m\"\n"), "MITRE"),
        (entry("a", "attack = 'T12345'\n"), "MITRE"),
    ] {
        world.write("bad.toml", text.as_bytes());
        let output = world.run(&["--signatures", "bad.toml", "meter.pcap"]);
        assert!(status(&output) == 2 && stderr(&output).contains(wanted), "{text}{}", stderr(&output));
    }
}

//! Packets in other packets and behind other headers: every encapsulation that gapwatch opens, as an Ethernet frame.

use super::{ethernet, ipv4, ipv6, udp};

const OUTER: ([u8; 4], [u8; 4]) = ([192, 0, 2, 1], [192, 0, 2, 2]);

/// This Ethernet frame, which holds a plain IPv4 packet without options, in every encapsulation, by its name.
#[must_use]
pub fn all(frame: &[u8]) -> Vec<(String, Vec<u8>)> {
    let (ip, rest) = (&frame[14..], &frame[34..]);
    let protocol = ip[9];
    let mut made: Vec<(String, Vec<u8>)> = Vec::new();
    // Behind tags, labels and other headers of the link.
    let snap = [&[0u8, 60, 0xaa, 0xaa, 3, 0, 0, 0][..], &[8, 0]].concat();
    for (name, header) in [
        ("VLAN", &[0x81, 0, 0, 7, 8, 0][..]),
        ("QinQ", &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 8, 0]),
        ("0x8200", &[0x82, 0, 0, 7, 8, 0]),
        ("VN-Tag", &[0x89, 0x26, 1, 2, 3, 4, 8, 0]),
        ("E-Tag", &[0x89, 0x3f, 1, 2, 3, 4, 5, 6, 8, 0]),
        ("Cisco MetaData", &[0x89, 0x09, 1, 1, 0, 1, 0, 7, 8, 0]),
        ("PBB", &[0x88, 0xe7, 0, 0, 0, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 8, 0]),
        ("MPLS", &[0x88, 0x47, 0, 1, 1, 64]),
        ("PPPoE", &[0x88, 0x64, 0x11, 0, 0, 1, 0, 60, 0, 0x21]),
        ("SNAP", &snap),
    ] {
        made.push((name.to_owned(), [&frame[..12], header, ip].concat()));
    }
    // Between the IP header and what it carries.
    let authentication = |next: u8| [&[next, 4, 0, 0][..], &[1; 20]].concat();
    let with_authentication = [&authentication(protocol), rest].concat();
    made.push(("AH".to_owned(), ethernet(0x0800, &ipv4(51, [10, 0, 0, 1], [10, 0, 0, 2], 0, &with_authentication))));
    let options = [&[protocol, 0, 1, 4, 0, 0, 0, 0], rest].concat();
    let unfragmented = [&[protocol, 0, 0, 0, 0, 0, 0, 9], rest].concat();
    for (name, next, body) in [
        ("IPv6", protocol, rest),
        ("AH in IPv6", 51, &with_authentication),
        ("IPv6 hop by hop", 0, &options),
        ("IPv6 for the destination", 60, &options),
        ("IPv6 fragment that is whole", 44, &unfragmented),
    ] {
        made.push((name.to_owned(), ethernet(0x86dd, &ipv6(next, 1, 2, body))));
    }
    let mut teredo = ipv6(protocol, 1, 2, rest);
    teredo[8..12].copy_from_slice(&[0x20, 1, 0, 0]);
    // In IP, and in UDP in IP.
    let gre = |kind: u16, inner: &[u8]| [&[0, 0][..], &kind.to_be_bytes(), inner].concat();
    let in_ip = [
        ("IP in IP", 4, ip.to_vec()),
        ("IPv6 in IP", 41, ipv6(protocol, 1, 2, rest)),
        ("GRE", 47, gre(0x0800, ip)),
        ("Ethernet in GRE", 47, gre(0x6558, frame)),
        ("EtherIP", 97, [&[0x30, 0], frame].concat()),
        ("MPLS in IP", 137, [&[0, 1, 1, 64], ip].concat()),
    ];
    let vxlan = [&[8, 0, 0, 0, 0, 0, 7, 0], frame].concat();
    let l2tp = [&[0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21], ip].concat();
    let in_udp = [
        ("VXLAN", 50_000, 4789, vxlan.clone()),
        ("VXLAN of Linux", 50_000, 8472, vxlan.clone()),
        ("VXLAN with a group policy", 50_000, 4789, [&[0x88, 0, 0, 16, 0, 0, 7, 1], frame].concat()),
        ("VXLAN-GPE", 50_000, 4790, [&[0x0c, 0, 0, 1, 0, 0, 7, 0], ip].concat()),
        ("Geneve", 50_000, 6081, [&[1, 0x3f, 0x65, 0x58, 0, 0, 7, 9, 0, 0, 0, 0], frame].concat()),
        ("GTP-U", 50_000, 2152, [&[0x30, 0xff, 0, 60, 0, 0, 0, 9], ip].concat()),
        ("MPLS in UDP", 50_000, 6635, [&[0, 1, 1, 64], ip].concat()),
        ("Teredo", 50_000, 3544, teredo.clone()),
        ("Teredo, back", 3544, 50_000, teredo),
        ("L2TP", 1701, 1701, l2tp.clone()),
        ("L2TP, back", 1701, 50_000, l2tp),
        ("TZSP", 50_000, 37008, [&[1, 0, 0, 1, 1], frame].concat()),
    ];
    let in_udp = in_udp.into_iter().map(|(name, from, to, payload)| (name, 17, udp(from, to, &payload)));
    let carried: Vec<(&str, u8, Vec<u8>)> = in_ip.into_iter().chain(in_udp).collect();
    for (name, protocol, body) in carried {
        let v4 = ipv4(protocol, OUTER.0, OUTER.1, 0, &body);
        made.push((format!("{name}, VLAN"), ethernet(0x8100, &[&[0, 7, 8, 0], &v4[..]].concat())));
        made.push((format!("{name}, twice"), ethernet(0x0800, &ipv4(47, OUTER.0, OUTER.1, 0, &gre(0x0800, &v4)))));
        made.push((name.to_owned(), ethernet(0x0800, &v4)));
        made.push((format!("{name} over IPv6"), ethernet(0x86dd, &ipv6(protocol, 8, 9, &body))));
    }
    made
}

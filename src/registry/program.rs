//! ONC RPC programs by number: names, versions, procedures. Knows the table, not the wire.

use super::rows::{number, split, text_of};
use std::borrow::Cow;

const PROGRAMS: &str = include_str!("programs.tsv");

const _: () = assert!(sorted(), "src/registry/programs.tsv has a bad row, or rows out of order");

/// One version of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    pub number: u32,
    /// `None` where the table holds the name for any version.
    pub version: Option<u32>,
    pub name: &'static str,
    /// `nfs`, `nis`, `binder`, `netinfo`, …
    pub family: &'static str,
    procedures: &'static str,
}

impl Program {
    /// Number and name of every procedure that the table knows.
    pub fn procedures(&self) -> impl Iterator<Item = (u32, &'static str)> + use<> {
        self.procedures.split(';').filter_map(|item| {
            let (number, name) = item.split_once('=')?;
            Some((number.parse().ok()?, name))
        })
    }

    /// The name of a procedure, where the table has one.
    #[must_use]
    pub fn procedure(&self, number: u32) -> Option<&'static str> {
        self.procedures().find(|(known, _)| *known == number).map(|(_, name)| name)
    }
}

/// All rows, by number and version.
pub fn all() -> impl Iterator<Item = Program> {
    PROGRAMS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        Program {
            number: next().parse().unwrap_or_default(), // checked at compile time
            version: next().parse().ok(),
            name: next(),
            family: next(),
            procedures: next(),
        }
    })
}

/// The row of this version, or any row of the program where the version is not in the table.
#[must_use]
pub fn find(number: u32, version: u32) -> Option<Program> {
    all()
        .find(|row| row.number == number && row.version == Some(version))
        .or_else(|| all().find(|row| row.number == number))
}

/// The short name of a program, or its number with the range it lies in (RFC 5531, section 13.3).
#[must_use]
pub fn name(number: u32, version: u32) -> Cow<'static, str> {
    match find(number, version) {
        Some(program) => Cow::Borrowed(program.name),
        None => Cow::Owned(format!("program {number}{}", range_of(number))),
    }
}

/// The name of a procedure, or its number.
#[must_use]
pub fn procedure_name(program: u32, version: u32, procedure: u32) -> Cow<'static, str> {
    match find(program, version).and_then(|row| row.procedure(procedure)) {
        Some(name) => Cow::Borrowed(name),
        None if procedure == u32::MAX => Cow::Borrowed("procedure cut off"),
        None if procedure == 0 => Cow::Borrowed("NULL"), // in every program (RFC 5531, section 12.1)
        None => Cow::Owned(format!("procedure {procedure}")),
    }
}

/// Who gives out numbers of this range, in brackets with a blank before it.
fn range_of(number: u32) -> &'static str {
    match number {
        200_100_000..=200_199_999 => " (Apple's range)",
        0..=0x1fff_ffff => " (registered range)",
        0x2000_0000..=0x3fff_ffff => " (site range)",
        0x4000_0000..=0x5fff_ffff => " (transient range)",
        _ => " (reserved range)",
    }
}

/// Whether every row reads `program, version or nothing, name, family, procedures`, in order.
const fn sorted() -> bool {
    let text = PROGRAMS.as_bytes();
    let (mut at, mut last) = (0, 0u64);
    while at < text.len() {
        let mut bounds = [(0, 0); 16];
        let Some((fields, end)) = split(text, at, &mut bounds) else { return false };
        if text[at] != b'#' {
            let Some(program) = number(text, bounds[0]) else { return false };
            let version = match text_of(text, bounds[1]) {
                b"" => 0,
                _ => match number(text, bounds[1]) {
                    Some(version) => version,
                    None => return false,
                },
            };
            let key = ((program as u64) << 32) | version as u64;
            if fields != 5 || bounds[2].0 == bounds[2].1 || key < last {
                return false;
            }
            last = key;
        }
        at = end;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_procedures_have_names() {
        assert_eq!(name(100_004, 2), "ypserv");
        assert_eq!(procedure_name(100_004, 2, 8), "ALL");
        assert_eq!(name(200_100_000, 2), "netinfo");
        assert_eq!(procedure_name(200_100_000, 2, 10), "LOOKUP");
        assert_eq!(name(100_005, 9), "mountd", "a version that is not in the table keeps the name");
        assert_eq!(name(0x2000_0001, 1), "program 536870913 (site range)");
        assert_eq!(procedure_name(0x2000_0001, 1, 0), "NULL");
        assert_eq!(procedure_name(0x2000_0001, 1, 7), "procedure 7");
    }
}

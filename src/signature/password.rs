//! Passwords that calls carry (`yppasswd.x`, `pcnfsd.x`): that one was sent, how it is hidden, and whose it is. Reads arguments;
//! the password itself is not kept.

use super::arguments::{Detail, Kind};
use super::rpc::Call;
use super::xdr::Reader;

pub const YPPASSWDD: u32 = 100_009;
pub const PCNFSD: u32 = 150_001;

/// No name, password or comment in these calls is longer.
const MAX_TEXT: usize = 256;
/// With what pcnfsd's clients change every byte of a name and a password; the high bit is cleared.
const SCRAMBLE: u8 = 0x5b;

pub fn detail(call: &Call, arguments: &[u8]) -> Option<Detail> {
    let mut reader = Reader::new(arguments);
    let mut text = || reader.opaque(MAX_TEXT);
    match (call.program, call.version, call.procedure) {
        (YPPASSWDD, 1, 1) => {
            let (password, name) = (text()?, text()?);
            (!password.is_empty()).then(|| Detail::new(Kind::Password, name, b"the old one in clear"))
        }
        (PCNFSD, 1, 1) => scrambled(text()?, text()?),
        (PCNFSD, 2, 13) => {
            text()?; // the client's machine
            scrambled(text()?, text()?)
        }
        _ => None,
    }
}

fn scrambled(name: &[u8], password: &[u8]) -> Option<Detail> {
    let name: Vec<u8> = name.iter().map(|byte| (byte ^ SCRAMBLE) & 0x7f).collect();
    (!password.is_empty()).then(|| Detail::new(Kind::Password, &name, b"scrambled as anybody can undo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_password_it_is_and_nothing_of_the_password_is_kept() {
        let change = b"\0\0\0\x06s3cr3t\0\0\0\0\0\x04jdoe\0\0\0\x01x\0\0\0";
        let call = |program, version, procedure| Call { program, version, procedure, cut: false };
        let kept = detail(&call(YPPASSWDD, 1, 1), change).expect("a password");
        assert_eq!((&*kept.what, &*kept.within), ("jdoe", "the old one in clear"));
        let login = b"\0\0\0\x04\x31\x3f\x34\x3e\0\0\0\x02\x2a\x2b\0\0";
        assert_eq!(detail(&call(PCNFSD, 1, 1), login).map(|kept| kept.what), Some("jdoe".into()));
        assert_eq!(detail(&call(YPPASSWDD, 1, 1), &[0; 24]), None, "no password, no report");
    }
}

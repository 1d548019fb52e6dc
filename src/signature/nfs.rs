//! NFS version 4 (RFC 7530; RFC 8881): the minor version that a COMPOUND names. Reads arguments; knows no message header.

use super::rpc::{Call, Credential};
use super::xdr::Reader;

pub const NFS: u32 = 100_003;
pub const NFS_ACL: u32 = 100_227;
/// The status of a COMPOUND whose minor version the server does not know (`NFS4ERR_MINOR_VERS_MISMATCH`; RFC 7530, section 13.1.3.4).
pub const MINOR_VERSION_MISMATCH: u32 = 10_021;
const COMPOUND: u32 = 1;
/// A tag is for people and mostly empty; servers refuse long ones.
const MAX_TAG: usize = 1024;
/// Minor versions are counted in ones: 2 is the last (RFC 7862).
const MAX_MINOR: u32 = 15;
/// Services of `RPCSEC_GSS` that wrap the arguments (RFC 2203, section 5.3.2.1).
const INTEGRITY: u32 = 2;
const PRIVACY: u32 = 3;

/// Programs that are not registered with anybody (RFC 5531, section 8.3): a client chooses one of them for its callbacks.
pub const TRANSIENT: std::ops::Range<u32> = 0x4000_0000..0x6000_0000;
/// Operations of a callback with what they begin with (RFC 7530, section 16; RFC 8881, section 20), and how many one may hold.
const GETATTR: u32 = 3;
const RECALL: u32 = 4;
const SEQUENCE: u32 = 11;
const MAX_OPERATIONS: u32 = 64;
/// The longest handle of a file (`NFS4_FHSIZE`), and the shortest that any server gives.
const MAX_HANDLE: usize = 128;
const MIN_HANDLE: usize = 8;

/// The minor version that a call is of; `None` where it is neither COMPOUND nor `CB_COMPOUND`, is encrypted, or ends before it.
#[must_use]
pub fn minor_version(call: &Call, credential: Credential<'_>, arguments: &[u8]) -> Option<u8> {
    let is_callback = TRANSIENT.contains(&call.program) && call.version <= 1;
    if call.cut || call.procedure != COMPOUND || !(is_callback || (call.program, call.version) == (NFS, 4)) {
        return None;
    }
    let mut reader = Reader::new(arguments);
    match credential {
        Credential::Gss { service: PRIVACY, .. } => return None,
        // The length of what is protected, and the sequence number again (RFC 2203, section 5.3.2.2).
        Credential::Gss { service: INTEGRITY, .. } => (reader.word()?, reader.word()?),
        _ => (0, 0),
    };
    reader.opaque(MAX_TAG)?;
    let minor = reader.word().filter(|&minor| minor <= MAX_MINOR)?;
    if is_callback {
        reader.word()?; // what the client calls itself to
        reader.word().filter(|count| (1..=MAX_OPERATIONS).contains(count))?;
        match reader.word()? {
            GETATTR => {}
            // The state, and whether the file is cut to nothing.
            RECALL => {
                reader.fixed(16)?;
                reader.word().filter(|&truncate| truncate <= 1)?;
            }
            // The session, and the numbers of its slot.
            SEQUENCE => {
                reader.fixed(16)?;
                reader.word()?;
                let (slot, highest) = (reader.word()?, reader.word()?);
                return (slot <= highest).then(|| u8::try_from(minor).ok())?;
            }
            _ => return None,
        }
        reader.opaque(MAX_HANDLE).filter(|handle| handle.len() >= MIN_HANDLE)?;
    }
    u8::try_from(minor).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call = Call { program: NFS, version: 4, procedure: COMPOUND, cut: false };
    /// The tag `mount`, and minor version 1.
    const ARGUMENTS: &[u8] = b"\0\0\0\x05mount\0\0\0\0\0\0\x01\0\0\0\x03";

    #[test]
    fn a_compound_names_its_minor_version_behind_its_tag() {
        assert_eq!(minor_version(&CALL, Credential::None, ARGUMENTS), Some(1));
        assert_eq!(minor_version(&CALL, Credential::None, &[0; 12]), Some(0));
        assert_eq!(minor_version(&Call { version: 3, ..CALL }, Credential::None, ARGUMENTS), None);
        assert_eq!(minor_version(&CALL, Credential::None, &ARGUMENTS[..14]), None);
        let recall = [0, 0, 7, 1, 4, 1, 2, 3, 4, 0, 8, 0x6868_6868, 5].map(u32::to_be_bytes).concat();
        let back = |program| Call { program, version: 1, ..CALL };
        assert_eq!(minor_version(&back(0x5000_0000), Credential::None, &recall), Some(0));
        assert_eq!(minor_version(&back(0x5000_0000), Credential::None, &[0; 24]), None, "no operation");
        let numbers = [0, 1, 5, 2, 3, 1, 2, 3].map(u32::to_be_bytes).concat();
        assert_eq!(minor_version(&back(0x5000_0000), Credential::None, &numbers[..28]), None, "no handle");
        assert_eq!(minor_version(&back(100_005), Credential::None, &recall), None);
    }

    #[test]
    fn what_gss_wraps_is_unwrapped_and_what_it_encrypts_is_not_guessed() {
        let wrapped = [&[0, 0, 0, 20, 0, 0, 0, 9][..], ARGUMENTS].concat();
        let gss = |service| Credential::Gss { procedure: 0, service };
        assert_eq!(minor_version(&CALL, gss(1), ARGUMENTS), Some(1));
        assert_eq!(minor_version(&CALL, gss(2), &wrapped), Some(1));
        assert_eq!(minor_version(&CALL, gss(3), ARGUMENTS), None);
    }
}

//! Negotiation of an association (PS3.8 section 7.1, PS3.7 annex D).

use dicom_ul::pdu::{
    AssociationAC, AssociationRJ, AssociationRJResult, AssociationRJServiceProviderPresentationReason,
    AssociationRJServiceUserReason, AssociationRJSource, AssociationRQ, Pdu, PresentationContextProposed,
    PresentationContextResult, PresentationContextResultReason, UserVariableItem,
};

use crate::part10::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME};

/// Verification SOP Class.
const VERIFICATION: &str = "1.2.840.10008.1.1";
/// Every storage SOP class of the standard lies under it, and nothing else does (PS3.4 annex B.5).
const STORAGE_ROOT: &str = "1.2.840.10008.5.1.4.1.1.";
/// The standard's own UIDs; what lies elsewhere is private.
const STANDARD_ROOT: &str = "1.2.840.10008.";
/// DICOM Application Context Name (PS3.7 A.2.1).
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
const IMPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";

/// What data sets may be encoded in; the peer's order of preference decides among them.
pub const TRANSFER_SYNTAXES: [&str; 15] = [
    IMPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.1",     // Explicit VR Little Endian
    "1.2.840.10008.1.2.1.99",  // Deflated Explicit VR Little Endian
    "1.2.840.10008.1.2.4.50",  // JPEG Baseline
    "1.2.840.10008.1.2.4.51",  // JPEG Extended
    "1.2.840.10008.1.2.4.57",  // JPEG Lossless
    "1.2.840.10008.1.2.4.70",  // JPEG Lossless, First-Order Prediction
    "1.2.840.10008.1.2.4.80",  // JPEG-LS Lossless
    "1.2.840.10008.1.2.4.81",  // JPEG-LS Near-Lossless
    "1.2.840.10008.1.2.4.90",  // JPEG 2000 Lossless
    "1.2.840.10008.1.2.4.91",  // JPEG 2000
    "1.2.840.10008.1.2.4.201", // High-Throughput JPEG 2000 Lossless
    "1.2.840.10008.1.2.4.202", // High-Throughput JPEG 2000 RPCL Lossless
    "1.2.840.10008.1.2.4.203", // High-Throughput JPEG 2000
    "1.2.840.10008.1.2.5",     // RLE Lossless
];

/// An accepted presentation context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub id: u8,
    pub transfer_syntax: String,
}

/// An association as agreed.
#[derive(Clone, Debug)]
pub struct Agreed {
    pub calling_ae: String,
    pub contexts: Vec<Context>,
    /// The longest PDU that the peer takes; 0 is no limit.
    pub peer_max_pdu: u32,
}

/// Answers a request: what was agreed, and the PDU that says so; or its rejection.
pub fn negotiate(request: AssociationRQ, max_pdu: u32) -> Result<(Agreed, Pdu), AssociationRJ> {
    // PS3.8 table 9-11: only bit 0 of the version is tested.
    if request.protocol_version & 1 == 0 {
        return Err(reject(AssociationRJSource::ServiceUser(
            AssociationRJServiceUserReason::NoReasonGiven,
        )));
    }
    if uid(&request.application_context_name) != APPLICATION_CONTEXT {
        return Err(reject(AssociationRJSource::ServiceUser(
            AssociationRJServiceUserReason::ApplicationContextNameNotSupported,
        )));
    }
    let results: Vec<_> = request.presentation_contexts.iter().map(answer).collect();
    let peer_max_pdu = request
        .user_variables
        .iter()
        .find_map(|item| match item {
            UserVariableItem::MaxLength(length) => Some(*length),
            _ => None,
        })
        .unwrap_or(0);
    let contexts = results
        .iter()
        .filter(|result| result.reason == PresentationContextResultReason::Acceptance)
        .map(|result| Context {
            id: result.id,
            transfer_syntax: result.transfer_syntax.clone(),
        })
        .collect();
    let agreed = Agreed {
        calling_ae: printable_ae(&request.calling_ae_title),
        contexts,
        peer_max_pdu,
    };
    let accept = Pdu::AssociationAC(AssociationAC {
        protocol_version: 1,
        calling_ae_title: request.calling_ae_title,
        called_ae_title: request.called_ae_title,
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: results,
        user_variables: vec![
            UserVariableItem::MaxLength(max_pdu),
            UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS_UID.to_owned()),
            UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION_NAME.to_owned()),
        ],
    });
    Ok((agreed, accept))
}

/// The rejection of a peer that came while every association was taken: it may try again.
pub fn congestion() -> Pdu {
    Pdu::AssociationRJ(AssociationRJ {
        result: AssociationRJResult::Transient,
        source: AssociationRJSource::ServiceProviderPresentation(
            AssociationRJServiceProviderPresentationReason::TemporaryCongestion,
        ),
    })
}

fn reject(source: AssociationRJSource) -> AssociationRJ {
    AssociationRJ {
        result: AssociationRJResult::Permanent,
        source,
    }
}

fn answer(proposed: &PresentationContextProposed) -> PresentationContextResult {
    let rejected = |reason| PresentationContextResult {
        id: proposed.id,
        reason,
        transfer_syntax: IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
    };
    if !serves(uid(&proposed.abstract_syntax)) {
        return rejected(PresentationContextResultReason::AbstractSyntaxNotSupported);
    }
    match proposed
        .transfer_syntaxes
        .iter()
        .map(|text| uid(text))
        .find(|text| TRANSFER_SYNTAXES.contains(text))
    {
        Some(transfer_syntax) => PresentationContextResult {
            id: proposed.id,
            reason: PresentationContextResultReason::Acceptance,
            transfer_syntax: transfer_syntax.to_owned(),
        },
        None => rejected(PresentationContextResultReason::TransferSyntaxesNotSupported),
    }
}

/// Verification, every storage SOP class, and private classes, which are stored and shown as excluded.
fn serves(abstract_syntax: &str) -> bool {
    abstract_syntax == VERIFICATION
        || abstract_syntax.starts_with(STORAGE_ROOT)
        || !abstract_syntax.starts_with(STANDARD_ROOT)
}

fn uid(text: &str) -> &str {
    text.trim_end_matches(['\0', ' ']).trim_start()
}

/// An AE title (PS3.5 table 6.2-1) reduced to what may stand in a log and a file.
fn printable_ae(text: &str) -> String {
    text.trim()
        .chars()
        .filter(|c| (' '..='~').contains(c) && *c != '\\')
        .take(16)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(abstract_syntax: &str, transfer_syntaxes: &[&str]) -> AssociationRQ {
        AssociationRQ {
            protocol_version: 1,
            calling_ae_title: " MODALITY\u{7f}\n ".to_owned(),
            called_ae_title: "SHENTON".to_owned(),
            application_context_name: APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: vec![PresentationContextProposed {
                id: 1,
                abstract_syntax: abstract_syntax.to_owned(),
                transfer_syntaxes: transfer_syntaxes.iter().map(|text| (*text).to_owned()).collect(),
            }],
            user_variables: vec![UserVariableItem::MaxLength(16384)],
        }
    }

    #[test]
    fn the_peers_first_known_transfer_syntax_is_taken() {
        let check = |abstract_syntax: &str, transfer_syntaxes: &[&str], expect: Option<&str>| {
            let (agreed, _) = negotiate(request(abstract_syntax, transfer_syntaxes), 65536).unwrap();
            assert_eq!(
                agreed.contexts.first().map(|context| context.transfer_syntax.as_str()),
                expect
            );
        };
        let computed_radiography = "1.2.840.10008.5.1.4.1.1.1";
        check(
            computed_radiography,
            &["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2"],
            Some("1.2.840.10008.1.2.4.70"),
        );
        check(
            computed_radiography,
            &["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.1\0"],
            Some("1.2.840.10008.1.2.1"),
        );
        check(computed_radiography, &["1.2.840.10008.1.2.4.100"], None);
        check("1.2.840.10008.1.1", &["1.2.840.10008.1.2"], Some("1.2.840.10008.1.2"));
        // Study Root Query/Retrieve - FIND is not served.
        check("1.2.840.10008.5.1.4.1.2.2.1", &["1.2.840.10008.1.2"], None);
        check("1.3.46.670589.5.0.1", &["1.2.840.10008.1.2"], Some("1.2.840.10008.1.2"));
    }

    #[test]
    fn the_calling_title_is_made_printable() {
        let (agreed, _) = negotiate(request("1.2.840.10008.1.1", &["1.2.840.10008.1.2"]), 65536).unwrap();
        assert_eq!(agreed.calling_ae, "MODALITY");
    }

    #[test]
    fn another_application_context_is_rejected() {
        let mut wrong = request("1.2.840.10008.1.1", &["1.2.840.10008.1.2"]);
        wrong.application_context_name = "1.2.3".to_owned();
        assert!(negotiate(wrong, 65536).is_err());
    }
}

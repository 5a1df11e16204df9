use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What was done; the names are those that the audit page and `shenton audit` print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    SignIn,
    SignOut,
    Refusal,
    Upload,
    Query,
    ViewStudy,
    ViewImage,
    Answer,
    Export,
    Setting,
    Restart,
    Quarantine,
}

impl AuditAction {
    pub const ALL: [AuditAction; 12] = [
        AuditAction::SignIn,
        AuditAction::SignOut,
        AuditAction::Refusal,
        AuditAction::Upload,
        AuditAction::Query,
        AuditAction::ViewStudy,
        AuditAction::ViewImage,
        AuditAction::Answer,
        AuditAction::Export,
        AuditAction::Setting,
        AuditAction::Restart,
        AuditAction::Quarantine,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            AuditAction::SignIn => "sign_in",
            AuditAction::SignOut => "sign_out",
            AuditAction::Refusal => "refusal",
            AuditAction::Upload => "upload",
            AuditAction::Query => "query",
            AuditAction::ViewStudy => "view_study",
            AuditAction::ViewImage => "view_image",
            AuditAction::Answer => "answer",
            AuditAction::Export => "export",
            AuditAction::Setting => "setting",
            AuditAction::Restart => "restart",
            AuditAction::Quarantine => "quarantine",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    Success,
    Failure,
}

/// One row of the audit trail: who, what, when, from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Set by the database; 0 before.
    pub id: i64,
    pub at: Timestamp,
    /// The account's name, the calling AE title, `command line`, or what was typed at a refused sign-in.
    pub actor: String,
    pub action: AuditAction,
    pub outcome: AuditOutcome,
    /// A network address, or empty for the command line.
    pub from: String,
    /// What it was done to: a UID, an account name, a setting. Never patient data.
    pub object: String,
    /// Plain words, without patient data.
    pub detail: String,
}

/// What the audit page asks for; an empty field does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFilter {
    pub actor: Option<String>,
    pub action: Option<AuditAction>,
    pub object: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Zero-based.
    pub page: u32,
    pub per_page: u32,
}

//! Writes to the audit trail: who, what, when, from where. Never patient data.

use app::backend::Caller;
use domain::{AuditAction, AuditEvent, AuditOutcome};

use crate::clock;

/// An event by an account, in its own words.
pub fn event(caller: &Caller, action: AuditAction, object: impl Into<String>, detail: impl Into<String>) -> AuditEvent {
    by(
        &caller.user.name,
        &caller.from,
        action,
        AuditOutcome::Success,
        object,
        detail,
    )
}

/// An event by anyone: an account's name, an AE title, or what was typed at a refused sign-in.
pub fn by(
    actor: &str,
    from: &str,
    action: AuditAction,
    outcome: AuditOutcome,
    object: impl Into<String>,
    detail: impl Into<String>,
) -> AuditEvent {
    AuditEvent {
        id: 0,
        at: clock::now(),
        actor: actor.chars().take(200).collect(),
        action,
        outcome,
        from: from.to_owned(),
        object: object.into(),
        detail: detail.into(),
    }
}

/// Records that something was asked for and refused. A trail that cannot be written is logged: the refusal
/// itself stands either way.
pub async fn refusal(db: &db::Db, actor: &str, from: &str, object: &str, detail: &str) {
    let event = by(actor, from, AuditAction::Refusal, AuditOutcome::Failure, object, detail);
    if let Err(error) = db.audit(event).await {
        tracing::error!(error = %error, "cannot write the audit trail");
    }
}

use domain::{AuditEvent, AuditFilter, Page, QuarantineItem};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use crate::AppError;
use crate::wire::AuditCheck;

#[server(name = AskAudit, prefix = "/api", endpoint = "audit", input = Json)]
pub async fn audit(filter: AuditFilter) -> Result<Page<AuditEvent>, AppError> {
    crate::api::ask!(audit(filter))
}

#[server(name = CheckAudit, prefix = "/api", endpoint = "audit_check", input = Json)]
pub async fn audit_check() -> Result<AuditCheck, AppError> {
    crate::api::ask!(audit_check())
}

#[server(name = AskQuarantine, prefix = "/api", endpoint = "quarantine", input = Json)]
pub async fn quarantine(page: u32, per_page: u32) -> Result<Page<QuarantineItem>, AppError> {
    crate::api::ask!(quarantine(page, per_page))
}

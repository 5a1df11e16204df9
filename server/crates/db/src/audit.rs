//! The audit trail: rows in a hash chain.
//!
//! The hash of row `n` is SHA-256 over the hash of row `n - 1` (32 zero bytes before the first) and the row's own
//! fields: id and moment as 8 bytes, big end first, then each text as its length (8 bytes, big end first) and its
//! UTF-8 bytes. The ids run from 1 without gaps, and `audit_head` holds the newest id and hash. So a changed,
//! removed, added or moved row is found, and so are rows cut off at the end. Whoever can write to the file
//! and recomputes every later hash is not found out by this alone: keep [`AuditCheck::head`] elsewhere for that.

use domain::{AuditAction, AuditEvent, AuditFilter, AuditOutcome, Page, Timestamp};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use sha2::{Digest, Sha256};

use crate::connection::Db;
use crate::entity::{audit, audit_head};
use crate::{Error, Result, contains_pattern, page_bounds};

/// The only row of `audit_head`.
const HEAD: i64 = 1;

/// What [`Db::audit_verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheck {
    /// How many rows there are.
    pub rows: u64,
    /// The first id at which the chain does not hold.
    pub first_broken: Option<i64>,
    /// The newest hash, hexadecimal; empty where there is no row.
    pub head: String,
}

fn link(previous: &str, row: &audit::Model) -> String {
    let mut hash = Sha256::new();
    // What is no hash is taken as it is: it then fits no chain.
    hash.update(hex::decode(previous).unwrap_or_else(|_| previous.as_bytes().to_vec()));
    hash.update(row.id.to_be_bytes());
    hash.update(row.at.to_be_bytes());
    for text in [
        &row.actor,
        &row.action,
        &row.outcome,
        &row.address,
        &row.object,
        &row.detail,
    ] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hex::encode(hash.finalize())
}

fn first_link() -> String {
    hex::encode([0_u8; 32])
}

fn outcome_text(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Success => "success",
        AuditOutcome::Failure => "failure",
    }
}

fn event(row: audit::Model) -> Result<AuditEvent> {
    Ok(AuditEvent {
        id: row.id,
        at: Timestamp(row.at),
        actor: row.actor,
        action: AuditAction::parse(&row.action).ok_or(Error::UnknownValue {
            column: "audit.action",
            value: row.action,
        })?,
        outcome: match row.outcome.as_str() {
            "success" => AuditOutcome::Success,
            "failure" => AuditOutcome::Failure,
            _ => {
                return Err(Error::UnknownValue {
                    column: "audit.outcome",
                    value: row.outcome,
                });
            }
        },
        from: row.address,
        object: row.object,
        detail: row.detail,
    })
}

impl Db {
    /// Appends an event; its `id` is set here.
    pub async fn audit(&self, event: AuditEvent) -> Result<()> {
        let write = self.write().await?;
        let head = audit_head::Entity::find_by_id(HEAD).one(&write.txn).await?;
        let (last_id, previous) = head.map_or_else(|| (0, first_link()), |head| (head.last_id, head.hash));
        let mut row = audit::Model {
            id: last_id + 1,
            at: event.at.0,
            actor: event.actor,
            action: event.action.as_str().to_owned(),
            outcome: outcome_text(event.outcome).to_owned(),
            address: event.from,
            object: event.object,
            detail: event.detail,
            hash: String::new(),
        };
        row.hash = link(&previous, &row);
        let head = audit_head::ActiveModel {
            id: Set(HEAD),
            last_id: Set(row.id),
            hash: Set(row.hash.clone()),
        };
        let new = audit::ActiveModel {
            id: Set(row.id),
            at: Set(row.at),
            actor: Set(row.actor),
            action: Set(row.action),
            outcome: Set(row.outcome),
            address: Set(row.address),
            object: Set(row.object),
            detail: Set(row.detail),
            hash: Set(row.hash),
        };
        audit::Entity::insert(new).exec_without_returning(&write.txn).await?;
        audit_head::Entity::insert(head)
            .on_conflict(
                OnConflict::column(audit_head::Column::Id)
                    .update_columns([audit_head::Column::LastId, audit_head::Column::Hash])
                    .to_owned(),
            )
            .exec_without_returning(&write.txn)
            .await?;
        write.commit().await
    }

    /// Events that match, newest first. Actor and object match anywhere, without regard to case; `since` is
    /// in, `until` is out.
    pub async fn audit_events(&self, filter: &AuditFilter) -> Result<Page<AuditEvent>> {
        let mut select = audit::Entity::find();
        if let Some(actor) = filter.actor.as_deref().filter(|text| !text.is_empty()) {
            select = select.filter(audit::Column::Actor.like(contains_pattern(actor)));
        }
        if let Some(action) = filter.action {
            select = select.filter(audit::Column::Action.eq(action.as_str()));
        }
        if let Some(object) = filter.object.as_deref().filter(|text| !text.is_empty()) {
            select = select.filter(audit::Column::Object.like(contains_pattern(object)));
        }
        if let Some(since) = filter.since {
            select = select.filter(audit::Column::At.gte(since.0));
        }
        if let Some(until) = filter.until {
            select = select.filter(audit::Column::At.lt(until.0));
        }
        let (offset, limit) = page_bounds(filter.page, filter.per_page);
        let txn = self.snapshot().await?;
        let total = select.clone().count(&txn).await?;
        let rows = select
            .order_by_desc(audit::Column::Id)
            .offset(offset)
            .limit(limit)
            .all(&txn)
            .await?;
        Ok(Page {
            rows: rows.into_iter().map(event).collect::<Result<_>>()?,
            total,
        })
    }

    /// Walks the whole chain.
    pub async fn audit_verify(&self) -> Result<AuditCheck> {
        const STEP: u64 = 2000;
        let txn = self.snapshot().await?;
        let rows = audit::Entity::find().count(&txn).await?;
        let head = audit_head::Entity::find_by_id(HEAD).one(&txn).await?;
        let mut first_broken = None;
        let mut previous = (0, first_link());
        loop {
            let step = audit::Entity::find()
                .filter(audit::Column::Id.gt(previous.0))
                .order_by_asc(audit::Column::Id)
                .limit(STEP)
                .all(&txn)
                .await?;
            if step.is_empty() {
                break;
            }
            for row in step {
                if first_broken.is_none() {
                    if row.id != previous.0 + 1 {
                        first_broken = Some(previous.0 + 1);
                    } else if row.hash != link(&previous.1, &row) {
                        first_broken = Some(row.id);
                    }
                }
                previous = (row.id, row.hash);
            }
            if first_broken.is_some() {
                break;
            }
        }
        let expected = head.map_or_else(|| (0, first_link()), |head| (head.last_id, head.hash));
        if first_broken.is_none() && expected != previous {
            first_broken = Some(expected.0.min(previous.0 + 1).max(1));
        }
        let head = if expected.0 == 0 { String::new() } else { expected.1 };
        Ok(AuditCheck {
            rows,
            first_broken,
            head,
        })
    }
}

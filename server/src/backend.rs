//! What the pages ask of the server: every method authorises its caller, and writes the audit trail.

use std::path::PathBuf;

use app::AppError;
use app::backend::async_trait;
use app::backend::{AnswerInput, AuditCheck, Backend, Caller, ModelCard, NewAccount};
use domain::cohort::{CohortDetail, CohortRow, DecisionInput, EventRow, ReviewDesk, UnusedRow};
use domain::{
    AccountId, Answer, AuditAction, AuditEvent, AuditFilter, EarlierStudy, HeatMap, Page, QuarantineItem, SavedView,
    SiteId, SopUid, StudyDetail, StudyQuery, StudyRow, StudyState, StudyUid, Timestamp, User,
};
use imaging::KeptView;
use tokio::sync::broadcast;

use crate::error::internal;
use crate::heat_maps::HeatMaps;
use crate::{audit, auth, clock, cohort};

/// The real backend: the database, the model folder and the channel of changes.
pub struct ServerBackend {
    pub db: db::Db,
    pub models: PathBuf,
    pub changes: broadcast::Sender<StudyUid>,
    pub heat_maps: HeatMaps,
}

/// Longest comment of an answer, in characters.
const COMMENT_MAXIMUM: usize = 2000;
/// Longest name of a saved view, in characters.
const VIEW_NAME_MAXIMUM: usize = 60;
/// Longest search text of a saved view, in characters.
const VIEW_SEARCH_MAXIMUM: usize = 200;
/// Saved views of one account.
const VIEWS_MAXIMUM: usize = 30;
/// Most bytes of what is kept of how a reader left an image.
const KEPT_VIEW_MAXIMUM: usize = 32 << 10;
/// Longest key of an answer, in bytes.
const KEY_MAXIMUM: usize = 64;
/// An answer that waited no longer came at once, in milliseconds.
const AT_ONCE: u64 = 60_000;
/// No answer waits longer: the browser's clock is wrong.
const WAIT_MAXIMUM: u64 = 30 * 24 * 3_600_000;

impl ServerBackend {
    async fn note(&self, event: AuditEvent) -> Result<(), AppError> {
        self.db.audit(event).await.map_err(internal)
    }

    async fn forbid(&self, caller: &Caller, object: &str, detail: &str) -> AppError {
        audit::refusal(&self.db, &caller.user.name, &caller.from, object, detail).await;
        AppError::Forbidden
    }

    async fn administrator(&self, caller: &Caller, what: &str) -> Result<(), AppError> {
        if caller.user.is_administrator() {
            Ok(())
        } else {
            Err(self.forbid(caller, what, "needs an administrator").await)
        }
    }

    async fn reviewer(&self, caller: &Caller) -> Result<(), AppError> {
        if caller.user.may_answer() {
            Ok(())
        } else {
            Err(self.forbid(caller, "cohorts", "needs a reader").await)
        }
    }

    /// The study's site, where the caller may see it. A study of another site answers like one that does
    /// not exist.
    async fn visible(&self, caller: &Caller, study: &StudyUid) -> Result<SiteId, AppError> {
        let site = self
            .db
            .site_of(study)
            .await
            .map_err(internal)?
            .ok_or(AppError::NotFound)?;
        if !caller.user.may_see(&site) {
            audit::refusal(
                &self.db,
                &caller.user.name,
                &caller.from,
                study.as_str(),
                "study of another site",
            )
            .await;
            return Err(AppError::NotFound);
        }
        Ok(site)
    }

    /// An image that the caller may see. One of another site answers like one that does not exist.
    async fn visible_image(&self, caller: &Caller, sop: &SopUid) -> Result<db::Instance, AppError> {
        let image = self
            .db
            .instance(sop)
            .await
            .map_err(internal)?
            .ok_or(AppError::NotFound)?;
        if !caller.user.may_see(&image.site) {
            let (name, from) = (&caller.user.name, &caller.from);
            audit::refusal(&self.db, name, from, sop.as_str(), "image of another site").await;
            return Err(AppError::NotFound);
        }
        Ok(image)
    }
}

#[async_trait]
impl Backend for ServerBackend {
    async fn worklist(&self, caller: &Caller, mut query: StudyQuery) -> Result<Page<StudyRow>, AppError> {
        query.per_page = query.per_page.clamp(1, 200);
        let only_site = (caller.user.role == domain::Role::Site).then_some(&caller.user.site);
        let page = self.db.worklist(&query, only_site).await.map_err(internal)?;
        if !query.search.is_empty() {
            // What was typed may be a patient's name, so the trail keeps only that somebody searched.
            self.note(audit::event(
                caller,
                AuditAction::Query,
                "worklist",
                format!("search, {} found", page.total),
            ))
            .await?;
        }
        Ok(page)
    }

    async fn study(&self, caller: &Caller, study: StudyUid) -> Result<StudyDetail, AppError> {
        self.visible(caller, &study).await?;
        let detail = self
            .db
            .study(&study)
            .await
            .map_err(internal)?
            .ok_or(AppError::NotFound)?;
        self.note(audit::event(caller, AuditAction::ViewStudy, study.0, ""))
            .await?;
        Ok(detail)
    }

    async fn answer(&self, caller: &Caller, input: AnswerInput) -> Result<Answer, AppError> {
        // A page that its account left open may still send; who gave the answer is not signed in here.
        if input
            .account
            .as_ref()
            .is_some_and(|account| *account != caller.user.name)
        {
            return Err(AppError::SignedOut);
        }
        self.visible(caller, &input.study_uid).await?;
        if !caller.user.may_answer() {
            return Err(self
                .forbid(caller, input.study_uid.as_str(), "this account may not answer")
                .await);
        }
        let comment = input.comment.trim();
        if comment.chars().count() > COMMENT_MAXIMUM {
            return Err(AppError::Invalid(format!(
                "a comment holds at most {COMMENT_MAXIMUM} characters"
            )));
        }
        let detail = self
            .db
            .study(&input.study_uid)
            .await
            .map_err(internal)?
            .ok_or(AppError::NotFound)?;
        let image = detail
            .images
            .iter()
            .find(|image| image.sop_uid == input.sop_uid)
            .ok_or_else(|| AppError::Invalid("this image is not part of the study".to_owned()))?;
        let hip = image
            .reading
            .as_ref()
            .and_then(|reading| reading.hips.iter().find(|hip| hip.side == input.side));
        let agrees = hip.is_some_and(|hip| hip.agrees(input.value));
        let key = input.key.filter(|key| !key.is_empty());
        if key.as_ref().is_some_and(|key| key.len() > KEY_MAXIMUM) {
            return Err(AppError::Invalid(format!(
                "an answer's key holds at most {KEY_MAXIMUM} characters"
            )));
        }
        let at = clock::now();
        let new = db::NewAnswer {
            study_uid: input.study_uid.clone(),
            sop_uid: input.sop_uid,
            side: input.side,
            value: input.value,
            agrees,
            comment: comment.to_owned(),
            by: caller.user.id,
            at,
            given_at: given_at(at, input.waited_ms),
        };
        let (answer, is_new) = self.db.add_answer_once(new, key).await.map_err(internal)?;
        if !is_new {
            // It arrived before, and was audited then: only its sender did not hear of it.
            return Ok(answer);
        }
        let detail = format!("{} hip: {}", input.side.as_str(), input.value.as_str());
        self.note(audit::event(
            caller,
            AuditAction::Answer,
            input.study_uid.0.clone(),
            detail,
        ))
        .await?;
        let _ = self.changes.send(input.study_uid);
        Ok(answer)
    }

    async fn restart(&self, caller: &Caller, study: StudyUid) -> Result<(), AppError> {
        self.visible(caller, &study).await?;
        if !caller.user.may_answer() {
            return Err(self
                .forbid(caller, study.as_str(), "this account may not restart an analysis")
                .await);
        }
        if !self.db.restart_study(&study, clock::now()).await.map_err(internal)? {
            return Err(AppError::Invalid(format!(
                "only a study that is {} or {} can be analysed again",
                StudyState::Done.as_str(),
                StudyState::Failed.as_str()
            )));
        }
        self.note(audit::event(caller, AuditAction::Restart, study.0.clone(), ""))
            .await?;
        let _ = self.changes.send(study);
        Ok(())
    }

    async fn kept_view(&self, caller: &Caller, sop: SopUid) -> Result<Option<String>, AppError> {
        self.visible_image(caller, &sop).await?;
        self.db.kept_view(caller.user.id, &sop).await.map_err(internal)
    }

    async fn keep_view(&self, caller: &Caller, sop: SopUid, view: String) -> Result<(), AppError> {
        self.visible_image(caller, &sop).await?;
        if view.len() > KEPT_VIEW_MAXIMUM {
            return Err(AppError::Invalid(format!(
                "a kept view holds at most {KEPT_VIEW_MAXIMUM} bytes"
            )));
        }
        let view = KeptView::parse(&view).map_err(|error| AppError::Invalid(format!("the view: {error}")))?;
        let before = self.db.kept_view(caller.user.id, &sop).await.map_err(internal)?;
        self.db
            .keep_view(caller.user.id, &sop, &view.to_json(), clock::now())
            .await
            .map_err(internal)?;
        // Marks on a patient's image are in the trail; where a reader's eye wandered is not.
        let marks = |view: &KeptView| view.measurements.clone();
        let before = before.and_then(|json| KeptView::parse(&json).ok()).unwrap_or_default();
        if marks(&before) != marks(&view) {
            let detail = format!("measurements kept: {}", view.measurements.len());
            self.note(audit::event(caller, AuditAction::Setting, sop.0, detail))
                .await?;
        }
        Ok(())
    }

    async fn heat_maps(&self, caller: &Caller, sop: SopUid) -> Result<Vec<HeatMap>, AppError> {
        let image = self.visible_image(caller, &sop).await?;
        let readings = self.db.readings_of(&sop).await.map_err(internal)?;
        let Some((reading, _)) = readings.into_iter().next() else {
            return Err(AppError::Invalid("this image has not been read yet".to_owned()));
        };
        let maps = self.heat_maps.of(&image.sha256, &reading).await?;
        self.note(audit::event(caller, AuditAction::ViewImage, sop.0, "heat map"))
            .await?;
        Ok(maps)
    }

    async fn earlier(&self, caller: &Caller, study: StudyUid) -> Result<Vec<EarlierStudy>, AppError> {
        // Only studies of this study's own site come back, so whoever may see it may see them.
        self.visible(caller, &study).await?;
        self.db.earlier_studies(&study).await.map_err(internal)
    }

    async fn sites(&self, caller: &Caller) -> Result<Vec<SiteId>, AppError> {
        let mut sites = self.db.sites().await.map_err(internal)?;
        sites.retain(|site| caller.user.may_see(site));
        Ok(sites)
    }

    async fn views(&self, caller: &Caller) -> Result<Vec<SavedView>, AppError> {
        self.db.saved_views(caller.user.id).await.map_err(internal)
    }

    async fn save_view(&self, caller: &Caller, name: String, mut query: StudyQuery) -> Result<SavedView, AppError> {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if !(1..=VIEW_NAME_MAXIMUM).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(AppError::Invalid(format!(
                "A view needs a name of 1 to {VIEW_NAME_MAXIMUM} characters."
            )));
        }
        if query.search.chars().count() > VIEW_SEARCH_MAXIMUM {
            return Err(AppError::Invalid(format!(
                "The search of a view holds at most {VIEW_SEARCH_MAXIMUM} characters."
            )));
        }
        let views = self.db.saved_views(caller.user.id).await.map_err(internal)?;
        if views.len() >= VIEWS_MAXIMUM && views.iter().all(|view| view.name != name) {
            return Err(AppError::Invalid(format!(
                "You keep {VIEWS_MAXIMUM} views already. Remove one first."
            )));
        }
        query.per_page = app::query::STUDIES_A_PAGE;
        let view = self
            .db
            .save_view(caller.user.id, &name, &query, clock::now())
            .await
            .map_err(internal)?;
        // Neither the name nor the search: both may hold a patient's.
        self.note(audit::event(
            caller,
            AuditAction::Setting,
            "worklist",
            format!("view {} saved", view.id),
        ))
        .await?;
        Ok(view)
    }

    async fn delete_view(&self, caller: &Caller, id: i64) -> Result<(), AppError> {
        if !self.db.delete_view(caller.user.id, id).await.map_err(internal)? {
            return Err(AppError::NotFound);
        }
        self.note(audit::event(
            caller,
            AuditAction::Setting,
            "worklist",
            format!("view {id} removed"),
        ))
        .await
    }

    async fn audit(&self, caller: &Caller, mut filter: AuditFilter) -> Result<Page<AuditEvent>, AppError> {
        self.administrator(caller, "audit trail").await?;
        filter.per_page = filter.per_page.clamp(1, 500);
        self.db.audit_events(&filter).await.map_err(internal)
    }

    async fn audit_check(&self, caller: &Caller) -> Result<AuditCheck, AppError> {
        self.administrator(caller, "audit trail").await?;
        let check = self.db.audit_verify().await.map_err(internal)?;
        Ok(AuditCheck {
            rows: check.rows,
            first_broken: check.first_broken,
        })
    }

    async fn quarantine(&self, caller: &Caller, page: u32, per_page: u32) -> Result<Page<QuarantineItem>, AppError> {
        self.administrator(caller, "quarantine").await?;
        self.note(audit::event(caller, AuditAction::Quarantine, "quarantine", "list"))
            .await?;
        self.db.quarantine(page, per_page.clamp(1, 500)).await.map_err(internal)
    }

    async fn accounts(&self, caller: &Caller) -> Result<Vec<User>, AppError> {
        self.administrator(caller, "accounts").await?;
        self.db.users().await.map_err(internal)
    }

    async fn create_account(&self, caller: &Caller, new: NewAccount) -> Result<User, AppError> {
        self.administrator(caller, "accounts").await?;
        let name = new.name.trim();
        check_account_name(name).map_err(AppError::Invalid)?;
        check_account_name(new.site.as_str()).map_err(|words| AppError::Invalid(words.replace("name", "site")))?;
        auth::check_new_password(&new.password).map_err(AppError::Invalid)?;
        let hash = auth::hash_password(new.password).await.map_err(internal)?;
        let user = match self
            .db
            .create_user(name, new.role, &new.site, &hash, clock::now())
            .await
        {
            Ok(user) => user,
            Err(db::Error::NameTaken(_)) => {
                return Err(AppError::Invalid(format!("there is an account named {name} already")));
            }
            Err(error) => return Err(internal(error)),
        };
        let detail = format!("account created: {}, site {}", user.role.as_str(), user.site);
        self.note(audit::event(caller, AuditAction::Setting, user.name.clone(), detail))
            .await?;
        Ok(user)
    }

    async fn set_password(&self, caller: &Caller, id: AccountId, password: String) -> Result<(), AppError> {
        if caller.user.id != id {
            self.administrator(caller, "accounts").await?;
        }
        auth::check_new_password(&password).map_err(AppError::Invalid)?;
        let user = self.db.user(id).await.map_err(internal)?.ok_or(AppError::NotFound)?;
        let hash = auth::hash_password(password).await.map_err(internal)?;
        self.db.set_password(id, &hash).await.map_err(internal)?;
        self.note(audit::event(
            caller,
            AuditAction::Setting,
            user.name,
            "password changed",
        ))
        .await
    }

    async fn set_disabled(&self, caller: &Caller, id: AccountId, disabled: bool) -> Result<(), AppError> {
        self.administrator(caller, "accounts").await?;
        if caller.user.id == id && disabled {
            return Err(AppError::Invalid(
                "an administrator cannot disable the own account".to_owned(),
            ));
        }
        let user = self.db.user(id).await.map_err(internal)?.ok_or(AppError::NotFound)?;
        self.db.set_disabled(id, disabled).await.map_err(internal)?;
        let detail = if disabled {
            "account disabled"
        } else {
            "account enabled"
        };
        self.note(audit::event(caller, AuditAction::Setting, user.name, detail))
            .await
    }

    async fn models(&self, _caller: &Caller) -> Result<Vec<ModelCard>, AppError> {
        let folder = self.models.clone();
        tokio::task::spawn_blocking(move || crate::inference::model_cards(&folder))
            .await
            .map_err(internal)?
            .map_err(internal)
    }

    async fn cohorts(&self, caller: &Caller) -> Result<Vec<CohortRow>, AppError> {
        self.reviewer(caller).await?;
        self.db.cohorts().await.map_err(internal)
    }

    async fn cohort(&self, caller: &Caller, name: String) -> Result<CohortDetail, AppError> {
        self.reviewer(caller).await?;
        cohort::detail(&self.db, &name).await.map_err(cohort::desk::refused)
    }

    async fn cohort_events(&self, caller: &Caller, name: String, page: u32) -> Result<Page<EventRow>, AppError> {
        self.reviewer(caller).await?;
        let events = self.db.cohort_events(&name, page, 100).await;
        events.map_err(cohort::desk::refused)
    }

    async fn cohort_unused(&self, caller: &Caller, name: String, page: u32) -> Result<Page<UnusedRow>, AppError> {
        self.reviewer(caller).await?;
        let unused = self.db.cohort_unused(&name, page, 50).await;
        unused.map_err(cohort::desk::refused)
    }

    async fn review_desk(&self, caller: &Caller, name: String) -> Result<ReviewDesk, AppError> {
        self.reviewer(caller).await?;
        cohort::desk::desk(&self.db, caller, &name).await
    }

    async fn review_decide(
        &self,
        caller: &Caller,
        name: String,
        decision: DecisionInput,
    ) -> Result<ReviewDesk, AppError> {
        self.reviewer(caller).await?;
        cohort::desk::decide(&self.db, caller, &name, decision).await
    }

    async fn review_undo(&self, caller: &Caller, name: String, item: i64) -> Result<ReviewDesk, AppError> {
        self.reviewer(caller).await?;
        cohort::desk::undo(&self.db, caller, &name, item).await
    }
}

/// When an answer was given that arrives now, where that is not about the same.
fn given_at(now: Timestamp, waited_ms: Option<u64>) -> Option<Timestamp> {
    let waited = waited_ms.filter(|waited| (AT_ONCE..=WAIT_MAXIMUM).contains(waited))?;
    Some(Timestamp(now.0.saturating_sub_unsigned(waited)))
}

/// A name of an account or a site: 1 to 64 letters, digits, `.`, `-`, `_`, `@`.
pub fn check_account_name(name: &str) -> Result<(), String> {
    let sound = (1..=64).contains(&name.chars().count())
        && name
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_' | '@'));
    if sound {
        Ok(())
    } else {
        Err("a name has 1 to 64 letters, digits or . - _ @".to_owned())
    }
}

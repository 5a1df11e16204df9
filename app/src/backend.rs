//! What the pages ask of the server.

use domain::cohort::{CohortDetail, CohortRow, DecisionInput, EventRow, ReviewDesk, UnusedRow};
use domain::{
    AccountId, Answer, AuditEvent, AuditFilter, EarlierStudy, HeatMap, Page, QuarantineItem, SavedView, SiteId, SopUid,
    StudyDetail, StudyQuery, StudyRow, StudyUid, User,
};

use crate::AppError;
pub use crate::wire::{AnswerInput, AuditCheck, ModelCard, NewAccount};
pub use async_trait::async_trait;

/// Who asks. The server's session middleware puts it into the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub user: User,
    /// The network address the request came from, for the audit trail.
    pub from: String,
}

/// The server's side of every page. It is provided as context: `Arc<dyn Backend>`.
///
/// Each method authorises its caller itself, since the server functions above it are public endpoints.
///
/// # Errors
/// [`AppError::Forbidden`] where the caller's role or site may not, [`AppError::NotFound`] where there is no such
/// thing or the caller's site may not know of it, [`AppError::Invalid`] where the request makes no sense,
/// [`AppError::Internal`] for everything that the server logs.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    async fn worklist(&self, caller: &Caller, query: StudyQuery) -> Result<Page<StudyRow>, AppError>;
    /// Records in the audit trail that the study was viewed.
    async fn study(&self, caller: &Caller, study: StudyUid) -> Result<StudyDetail, AppError>;
    async fn answer(&self, caller: &Caller, answer: AnswerInput) -> Result<Answer, AppError>;
    /// Takes a finished or failed study back to the queue.
    async fn restart(&self, caller: &Caller, study: StudyUid) -> Result<(), AppError>;
    /// How the caller left an image: what [`Backend::keep_view`] was given last.
    async fn kept_view(&self, caller: &Caller, sop: SopUid) -> Result<Option<String>, AppError>;
    /// Keeps how the caller leaves an image, in place of what was kept before.
    async fn keep_view(&self, caller: &Caller, sop: SopUid, view: String) -> Result<(), AppError>;
    /// Computes what each place of the hips that were read adds to their scores.
    async fn heat_maps(&self, caller: &Caller, sop: SopUid) -> Result<Vec<HeatMap>, AppError>;
    /// Studies of the same patient from before a study, the newest first.
    async fn earlier(&self, caller: &Caller, study: StudyUid) -> Result<Vec<EarlierStudy>, AppError>;
    async fn sites(&self, caller: &Caller) -> Result<Vec<SiteId>, AppError>;
    /// The worklist queries that the caller keeps under names.
    async fn views(&self, caller: &Caller) -> Result<Vec<SavedView>, AppError>;
    /// Keeps a query; a view of the same name is replaced.
    async fn save_view(&self, caller: &Caller, name: String, query: StudyQuery) -> Result<SavedView, AppError>;
    async fn delete_view(&self, caller: &Caller, id: i64) -> Result<(), AppError>;
    async fn audit(&self, caller: &Caller, filter: AuditFilter) -> Result<Page<AuditEvent>, AppError>;
    async fn audit_check(&self, caller: &Caller) -> Result<AuditCheck, AppError>;
    /// `page` is zero-based.
    async fn quarantine(&self, caller: &Caller, page: u32, per_page: u32) -> Result<Page<QuarantineItem>, AppError>;
    async fn accounts(&self, caller: &Caller) -> Result<Vec<User>, AppError>;
    async fn create_account(&self, caller: &Caller, new: NewAccount) -> Result<User, AppError>;
    async fn set_password(&self, caller: &Caller, id: AccountId, password: String) -> Result<(), AppError>;
    async fn set_disabled(&self, caller: &Caller, id: AccountId, disabled: bool) -> Result<(), AppError>;
    async fn models(&self, caller: &Caller) -> Result<Vec<ModelCard>, AppError>;
    async fn cohorts(&self, caller: &Caller) -> Result<Vec<CohortRow>, AppError>;
    async fn cohort(&self, caller: &Caller, name: String) -> Result<CohortDetail, AppError>;
    /// Changes of labels, newest first; `page` is zero-based.
    async fn cohort_events(&self, caller: &Caller, name: String, page: u32) -> Result<Page<EventRow>, AppError>;
    async fn cohort_unused(&self, caller: &Caller, name: String, page: u32) -> Result<Page<UnusedRow>, AppError>;
    /// The next hip for this reviewer; records in the audit trail that its study was viewed.
    async fn review_desk(&self, caller: &Caller, name: String) -> Result<ReviewDesk, AppError>;
    /// Stores an answer and gives the next hip.
    async fn review_decide(
        &self,
        caller: &Caller,
        name: String,
        decision: DecisionInput,
    ) -> Result<ReviewDesk, AppError>;
    /// Takes the newest answer back, which must be of this item, and gives its hip again.
    async fn review_undo(&self, caller: &Caller, name: String, item: i64) -> Result<ReviewDesk, AppError>;
}

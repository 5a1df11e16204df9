use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "cohort_hip")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub cohort_id: i64,
    pub accession: String,
    pub side: String,
    pub patient_id: String,
    pub study_uid: Option<String>,
    pub sop_uid: Option<String>,
    pub time: String,
    pub emergency: bool,
    pub description: String,
    pub set_name: String,
    pub label: String,
    pub initial_label: String,
    pub basis: String,
    pub reason: String,
    pub initial_reason: String,
    pub doubtful: bool,
    pub conflict: bool,
    pub evidence: String,
    pub version: i64,
    pub score: Option<f64>,
    pub fold: Option<i32>,
    pub audited: bool,
    pub audit_answer: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

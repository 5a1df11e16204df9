use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "cohort_round")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub cohort_id: i64,
    pub number: i32,
    pub purpose: Option<String>,
    pub queued: i64,
    pub reviewed: i64,
    pub changed: i64,
    pub reviewed_total: i64,
    pub estimate: Option<f64>,
    pub estimate_low: Option<f64>,
    pub estimate_high: Option<f64>,
    pub accuracy: Option<f64>,
    pub began_at: i64,
    pub ended_at: Option<i64>,
    pub outcome: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

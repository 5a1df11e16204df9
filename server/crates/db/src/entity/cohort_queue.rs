use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "cohort_queue")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub cohort_id: i64,
    pub hip_id: i64,
    pub round: Option<i32>,
    pub purpose: String,
    pub position: i64,
    pub state: String,
    pub wanted: i32,
    pub expected: Option<String>,
    pub note: String,
    pub changed: bool,
    pub claimed_by: Option<i64>,
    pub claimed_until: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

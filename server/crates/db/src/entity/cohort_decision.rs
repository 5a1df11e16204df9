use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "cohort_decision")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub queue_id: i64,
    pub account_id: i64,
    pub label: String,
    pub comment: String,
    pub at: i64,
    pub before: Option<String>,
    pub withdrawn_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "study")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub study_uid: String,
    pub site: String,
    pub patient_name: String,
    pub patient_id: String,
    pub patient_sex: String,
    pub patient_birth_date: String,
    pub study_date: String,
    pub study_time: String,
    pub accession_number: String,
    pub description: String,
    pub images: i32,
    pub received_at: i64,
    pub last_received_at: i64,
    pub state: String,
    pub due_at: Option<i64>,
    pub attempt: i32,
    pub failures: i32,
    pub generation: i64,
    pub failure: Option<String>,
    pub result: String,
    pub top_score: Option<f64>,
    pub top_side: Option<String>,
    pub answered: bool,
    pub suspicion_key: i64,
    pub state_rank: i32,
    pub patient_key: String,
    pub search_text: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

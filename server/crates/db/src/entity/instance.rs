use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "instance")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub sop_uid: String,
    pub study_id: i64,
    pub series_uid: String,
    pub sop_class_uid: String,
    pub transfer_syntax_uid: String,
    pub sha256: String,
    pub bytes: i64,
    pub modality: String,
    pub body_part: String,
    pub view_position: String,
    pub instance_number: String,
    pub rows: i64,
    pub columns: i64,
    pub sender: String,
    pub door: String,
    pub received_at: i64,
    pub reading_id: Option<i64>,
    pub kvp: Option<f64>,
    pub exposure_mas: Option<f64>,
    pub distance_source_to_detector_mm: Option<f64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

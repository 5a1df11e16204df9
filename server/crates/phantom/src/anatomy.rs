//! Bones, soft tissue and metal as groups of solids, each in its own frame, in true millimetres.

pub mod femur;
pub mod knee;
pub mod pelvis;
pub mod soft;
pub mod spine;
pub mod thorax;

//! Parts that several pages share.

pub mod connection;
pub mod error_note;
pub mod header;
pub mod mark;
pub mod notice;
pub mod pager;
pub mod picture_state;
pub mod presence;
pub mod thumbnail;
pub mod when;

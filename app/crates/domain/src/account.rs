use serde::{Deserialize, Serialize};

use crate::{AccountId, SiteId, Timestamp};

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, with the audit trail, the accounts and the quarantine.
    Administrator,
    /// Reads and answers the studies of every site.
    Reader,
    /// Sends studies and sees the results of its own site alone.
    Site,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Administrator, Role::Reader, Role::Site];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Administrator => "administrator",
            Role::Reader => "reader",
            Role::Site => "site",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// An account without its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: AccountId,
    pub name: String,
    pub role: Role,
    /// The site whose studies a `Site` account sees and to which its uploads belong; for the other roles
    /// the site that their own uploads are filed under.
    pub site: SiteId,
    pub disabled: bool,
    pub created_at: Timestamp,
}

impl User {
    /// Whether this account may see a study of `site`.
    pub fn may_see(&self, site: &SiteId) -> bool {
        !self.disabled && (self.role != Role::Site || &self.site == site)
    }

    pub fn may_answer(&self) -> bool {
        !self.disabled && self.role != Role::Site
    }

    pub fn is_administrator(&self) -> bool {
        !self.disabled && self.role == Role::Administrator
    }
}

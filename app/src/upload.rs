//! A file on its way to the server.

use leptos::prelude::ArcRwSignal;
use serde::Deserialize;

/// One file given to the upload page.
#[derive(Clone)]
pub struct Upload {
    pub id: u64,
    pub name: String,
    pub bytes: u64,
    pub status: ArcRwSignal<Status>,
}

/// What has become of a file. Nothing but the server's own answer makes it accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Waiting,
    /// Percent of the bytes sent.
    Sending(u8),
    /// On the server's disk, in this study.
    Accepted {
        study: String,
    },
    /// The server had it already.
    Duplicate {
        study: String,
    },
    /// The server will not take this file; sending it again would not help.
    Refused {
        reason: String,
    },
    /// It did not get there; it may be sent again.
    NotSent {
        reason: String,
    },
}

impl Status {
    pub fn words(&self) -> &'static str {
        match self {
            Status::Waiting => "Waiting",
            Status::Sending(_) => "Sending",
            Status::Accepted { .. } => "Accepted",
            Status::Duplicate { .. } => "Already there",
            Status::Refused { .. } => "Refused",
            Status::NotSent { .. } => "Not sent",
        }
    }

    /// The class of the row.
    pub fn name(&self) -> &'static str {
        match self {
            Status::Waiting => "waiting",
            Status::Sending(_) => "sending",
            Status::Accepted { .. } => "accepted",
            Status::Duplicate { .. } => "duplicate",
            Status::Refused { .. } => "refused",
            Status::NotSent { .. } => "notsent",
        }
    }

    pub fn is_under_way(&self) -> bool {
        matches!(self, Status::Waiting | Status::Sending(_))
    }
}

#[derive(Deserialize)]
struct Answer {
    outcome: String,
    study_uid: Option<String>,
    reason: Option<String>,
}

/// What the server's answer to one file means. `status` is 0 where no answer came.
pub fn status_of(status: u16, body: &str) -> Status {
    let not_sent = |reason: &str| Status::NotSent {
        reason: reason.to_owned(),
    };
    let answer: Option<Answer> = serde_json::from_slice(body.as_bytes()).ok();
    match (status, answer) {
        (
            200,
            Some(Answer {
                outcome,
                study_uid: Some(study),
                ..
            }),
        ) if outcome == "accepted" => Status::Accepted { study },
        (
            200,
            Some(Answer {
                outcome,
                study_uid: Some(study),
                ..
            }),
        ) if outcome == "duplicate" => Status::Duplicate { study },
        (_, Some(Answer { outcome, reason, .. })) if outcome == "refused" => Status::Refused {
            reason: reason.unwrap_or_else(|| "the server gave no reason".to_owned()),
        },
        (
            _,
            Some(Answer {
                outcome,
                reason: Some(reason),
                ..
            }),
        ) if outcome == "not_sent" => Status::NotSent { reason },
        (0, _) => not_sent("no connection to the server"),
        (401, _) => not_sent("you are signed out; sign in and send it again"),
        (403, _) => Status::Refused {
            reason: "your account may not send studies".to_owned(),
        },
        (413, _) => Status::Refused {
            reason: "the file is larger than the server takes".to_owned(),
        },
        (507, _) => not_sent("the server's disk is full; tell your administrator"),
        (code, _) => Status::NotSent {
            reason: format!("the server answered with status {code}"),
        },
    }
}

/// How many files stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub files: usize,
    pub under_way: usize,
    pub accepted: usize,
    pub duplicate: usize,
    pub refused: usize,
    pub not_sent: usize,
}

impl Totals {
    pub fn of<'a>(statuses: impl Iterator<Item = &'a Status>) -> Self {
        let mut totals = Totals::default();
        for status in statuses {
            totals.files += 1;
            match status {
                Status::Waiting | Status::Sending(_) => totals.under_way += 1,
                Status::Accepted { .. } => totals.accepted += 1,
                Status::Duplicate { .. } => totals.duplicate += 1,
                Status::Refused { .. } => totals.refused += 1,
                Status::NotSent { .. } => totals.not_sent += 1,
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_word_makes_a_file_accepted() {
        let accepted = r#"{"file":"a","outcome":"accepted","study_uid":"1.2","sop_uid":"1.3","reason":null}"#;
        assert_eq!(
            status_of(200, accepted),
            Status::Accepted {
                study: "1.2".to_owned()
            }
        );
        let duplicate = r#"{"file":"a","outcome":"duplicate","study_uid":"1.2","sop_uid":"1.3","reason":null}"#;
        assert_eq!(
            status_of(200, duplicate),
            Status::Duplicate {
                study: "1.2".to_owned()
            }
        );
        let refused = r#"{"file":"a","outcome":"refused","study_uid":null,"sop_uid":null,"reason":"not DICOM"}"#;
        assert_eq!(
            status_of(422, refused),
            Status::Refused {
                reason: "not DICOM".to_owned()
            }
        );
        let cut = r#"{"file":"a","outcome":"not_sent","study_uid":null,"sop_uid":null,"reason":"the file broke off"}"#;
        assert_eq!(
            status_of(400, cut),
            Status::NotSent {
                reason: "the file broke off".to_owned()
            }
        );
        for (status, body) in [
            (200, ""),
            (200, "<html>"),
            (500, accepted),
            (0, ""),
            (401, ""),
            (502, "bad gateway"),
        ] {
            assert!(
                matches!(status_of(status, body), Status::NotSent { .. }),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn totals_count_every_file_once() {
        let refused = Status::Refused { reason: String::new() };
        let list = [Status::Waiting, Status::Sending(3), refused.clone(), refused];
        let totals = Totals::of(list.iter());
        assert_eq!(
            totals,
            Totals {
                files: 4,
                under_way: 2,
                refused: 2,
                ..Totals::default()
            }
        );
    }
}

//! Answers that did not reach the server: kept in the browser, sent once when it takes them.
//!
//! An answer gets a key before it is first sent. Whether the request was lost or only its response, the server keeps
//! one answer under one key, so sending again is always safe. An answer is let go of only when the server said
//! something of the answer itself.

use domain::Answer;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::{Deserialize, Serialize};

use crate::wire::AnswerInput;
use crate::{AppError, api, browser};

/// Under this name the browser keeps what waits.
const STORE: &str = "shenton-answers";

/// An answer that the server does not have yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Whose it is; nobody else's session sends it.
    pub account: String,
    pub answer: AnswerInput,
    /// When it was given, in milliseconds of this browser's clock.
    #[serde(default)]
    pub given_at: Option<i64>,
    /// Why the server does not take it, in words.
    pub refused: Option<String>,
}

impl Waiting {
    /// As it is sent `now`: with whose it is, also where an older page kept it without, and how long it waited. The
    /// server counts back from its own clock: the browser's may be wrong.
    fn to_send(&self, now: i64) -> AnswerInput {
        let waited = self.given_at.and_then(|given| u64::try_from(now - given).ok());
        AnswerInput {
            account: Some(self.account.clone()),
            waited_ms: waited,
            ..self.answer.clone()
        }
    }
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    Saved(Box<Answer>),
    /// It waits, because of this.
    Later(AppError),
}

/// The line to the server and what waits for it. [`App`](crate::App) owns it.
#[derive(Clone, Copy)]
pub struct Line {
    pub online: RwSignal<bool>,
    /// Of every account that used this browser.
    pub waiting: RwSignal<Vec<Waiting>>,
    pub account: RwSignal<Option<String>>,
    sending: StoredValue<bool>,
    /// The session has ended. This page sends nothing more by itself: the session of now may be somebody else's. The
    /// page that comes after signing in sends what waits.
    ended: StoredValue<bool>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            online: RwSignal::new(true),
            waiting: RwSignal::default(),
            account: RwSignal::default(),
            sending: StoredValue::new(false),
            ended: StoredValue::new(false),
        }
    }
}

impl Line {
    /// Begins to watch the line; called once, in the browser.
    pub fn watch(self) {
        browser::watch_line(self.online);
        self.reload();
        browser::on_stored(move || self.reload());
        Effect::new(move |_| {
            if self.online.get() && self.account.with(Option::is_some) {
                self.send();
            }
        });
        browser::now_and_then(move || {
            if self.online.get_untracked() {
                self.send();
            }
        });
    }

    /// What waits, as the browser keeps it: another tab may have changed it.
    fn reload(self) {
        let kept = parse(browser::stored(STORE).as_deref());
        if self.waiting.with_untracked(|waiting| *waiting != kept) {
            self.waiting.set(kept);
        }
    }

    fn change(self, how: impl FnOnce(&mut Vec<Waiting>)) -> bool {
        let mut kept = parse(browser::stored(STORE).as_deref());
        how(&mut kept);
        let text = serde_json::to_string(&kept).unwrap_or_default();
        let is_kept = browser::store(STORE, &text);
        self.waiting.set(kept);
        is_kept
    }

    /// The waiting answers of who is signed in.
    pub fn mine(self) -> Vec<Waiting> {
        self.waiting.with(|waiting| of(waiting, self.account.get().as_deref()))
    }

    /// Gives an answer: at once, or later where the server could not take it now.
    ///
    /// # Errors
    /// What the server says of it; why it could not be sent where it cannot be kept either.
    pub async fn give(self, mut answer: AnswerInput) -> Result<Given, AppError> {
        answer.key = Some(browser::new_key()).filter(|key| !key.is_empty());
        // As it is now: the session may end while the request is on its way.
        let account = self.account.get_untracked();
        answer.account.clone_from(&account);
        // The newest answer for a hip counts: this one goes behind an older one that waits.
        let told = if is_behind(&self.waiting.get_untracked(), &answer) {
            Err(AppError::Internal)
        } else {
            api::study::answer(answer.clone()).await
        };
        match told {
            Ok(answer) => {
                self.ended.set_value(false);
                Ok(Given::Saved(Box::new(answer)))
            }
            Err(error) if is_passing(&error) => {
                let Some(account) = account else {
                    return Err(error);
                };
                let waits = Waiting {
                    account,
                    answer,
                    given_at: browser::now(),
                    refused: None,
                };
                if !self.change(|kept| kept.push(waits)) {
                    return Err(error);
                }
                self.note(&error);
                Ok(Given::Later(error))
            }
            Err(error) => Err(error),
        }
    }

    /// What an error says of the line and of the session.
    fn note(self, error: &AppError) {
        match error {
            AppError::Unreachable => self.online.set(false),
            AppError::SignedOut => self.ended.set_value(true),
            _ => {}
        }
    }

    /// Sends what waits, one after the other, in the order it was given.
    pub fn send(self) {
        let account = self.account.get_untracked();
        let mine = self.waiting.with_untracked(|waiting| of(waiting, account.as_deref()));
        let next = mine.into_iter().find(|waiting| waiting.refused.is_none());
        let (Some(next), false) = (next, self.sending.get_value() || self.ended.get_value()) else {
            return;
        };
        self.sending.set_value(true);
        spawn_local(async move {
            let result = api::study::answer(next.to_send(browser::now().unwrap_or_default())).await;
            self.sending.set_value(false);
            match settle(&result) {
                Settled::Gone => {
                    self.change(|kept| kept.retain(|w| w.answer.key != next.answer.key));
                    self.send();
                }
                Settled::Refused(words) => {
                    self.change(|kept| {
                        for waiting in kept.iter_mut().filter(|w| w.answer.key == next.answer.key) {
                            waiting.refused = Some(words.clone());
                        }
                    });
                    self.send();
                }
                Settled::Waits(error) => self.note(&error),
            }
        });
    }

    /// Lets go of an answer that the server refused, by its reader's own hand.
    pub fn discard(self, key: &Option<String>) {
        self.change(|kept| kept.retain(|w| w.refused.is_none() || w.answer.key != *key));
    }
}

/// Those of one account.
fn of(waiting: &[Waiting], account: Option<&str>) -> Vec<Waiting> {
    let is_theirs = |waiting: &&Waiting| account == Some(waiting.account.as_str());
    waiting.iter().filter(is_theirs).cloned().collect()
}

/// Whether an older answer of the same account for the same hip is still to be sent.
fn is_behind(waiting: &[Waiting], answer: &AnswerInput) -> bool {
    let is_older = |waiting: &Waiting| {
        let of = &waiting.answer;
        waiting.refused.is_none() && of.sop_uid == answer.sop_uid && of.side == answer.side
    };
    of(waiting, answer.account.as_deref()).iter().any(is_older)
}

fn parse(text: Option<&str>) -> Vec<Waiting> {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// What the server's word means for an answer that waits.
#[derive(Debug, PartialEq)]
enum Settled {
    Gone,
    Refused(String),
    Waits(AppError),
}

/// Whether an error says nothing about the answer itself: the same may be taken another time.
fn is_passing(error: &AppError) -> bool {
    matches!(error, AppError::Unreachable | AppError::SignedOut | AppError::Internal)
}

fn settle(result: &Result<Answer, AppError>) -> Settled {
    match result {
        Ok(_) => Settled::Gone,
        Err(error) if is_passing(error) => Settled::Waits(error.clone()),
        Err(error) => Settled::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_about_the_answer_itself_settles_it() {
        for error in [AppError::Unreachable, AppError::SignedOut, AppError::Internal] {
            assert!(is_passing(&error));
            assert_eq!(settle(&Err(error.clone())), Settled::Waits(error));
        }
        for error in [
            AppError::Forbidden,
            AppError::NotFound,
            AppError::Invalid("no".to_owned()),
        ] {
            assert!(!is_passing(&error));
            let words = error.to_string();
            assert_eq!(settle(&Err(error)), Settled::Refused(words));
        }
    }

    #[test]
    fn an_answer_says_whose_it_is_when_it_is_sent() {
        let text = r#"{"account":"anna","answer":{"study_uid":"1","sop_uid":"2","side":"left","value":"none",
            "comment":"","key":"k"},"refused":null}"#;
        let kept: Waiting = serde_json::from_str(text).unwrap();
        assert_eq!(kept.answer.account, None);
        let sent = kept.to_send(0);
        assert_eq!(sent.waited_ms, None, "an older page kept it without its time");
        assert_eq!(sent.account.as_deref(), Some("anna"));
        assert_eq!(sent.key, kept.answer.key);
    }

    #[test]
    fn an_answer_says_how_long_it_waited() {
        let text = r#"{"account":"anna","answer":{"study_uid":"1","sop_uid":"2","side":"left","value":"none",
            "comment":"","key":"k"},"given_at":1000,"refused":null}"#;
        let kept: Waiting = serde_json::from_str(text).unwrap();
        assert_eq!(kept.to_send(61_000).waited_ms, Some(60_000));
        // The browser's clock was set back meanwhile.
        assert_eq!(kept.to_send(500).waited_ms, None);
    }

    #[test]
    fn an_account_sends_its_own_answers_alone() {
        let text = r#"{"account":"anna","answer":{"study_uid":"1","sop_uid":"2","side":"left","value":"none",
            "comment":"","key":"k"},"refused":null}"#;
        let anna: Waiting = serde_json::from_str(text).unwrap();
        let bert = Waiting {
            account: "bert".to_owned(),
            ..anna.clone()
        };
        let all = [anna.clone(), bert];
        assert_eq!(of(&all, Some("anna")), [anna]);
        assert_eq!(of(&all, None), []);
    }

    #[test]
    fn an_answer_goes_behind_an_older_one_for_the_same_hip() {
        let text = r#"{"account":"anna","answer":{"study_uid":"1","sop_uid":"2","side":"left","value":"none",
            "comment":"","key":"k"},"refused":null}"#;
        let older: Waiting = serde_json::from_str(text).unwrap();
        let newer = older.to_send(0);
        assert!(is_behind(std::slice::from_ref(&older), &newer));
        assert!(!is_behind(&[], &newer));
        let other_hip = AnswerInput {
            side: domain::Side::Right,
            ..newer.clone()
        };
        assert!(!is_behind(std::slice::from_ref(&older), &other_hip));
        let other_account = AnswerInput {
            account: Some("bert".to_owned()),
            ..newer.clone()
        };
        assert!(!is_behind(std::slice::from_ref(&older), &other_account));
        let refused = Waiting {
            refused: Some("no".to_owned()),
            ..older
        };
        assert!(!is_behind(&[refused], &newer));
    }

    #[test]
    fn what_was_kept_is_read_and_nonsense_is_nothing() {
        assert_eq!(parse(None), []);
        assert_eq!(parse(Some("{")), []);
        let text = r#"[{"account":"anna","answer":{"study_uid":"1","sop_uid":"2","side":"left","value":"none",
            "comment":"","key":"k"},"refused":null}]"#;
        let kept = parse(Some(text));
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].answer.key.as_deref(), Some("k"));
    }
}

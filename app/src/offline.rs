//! Answers given without a line: kept in the browser, sent once when it is back.
//!
//! An answer gets a key before it is first sent. Whether the request was lost or only its response, the server keeps
//! one answer under one key, so sending again is always safe.

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
    /// Why the server does not take it, in words.
    pub refused: Option<String>,
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    Saved(Box<Answer>),
    /// It waits for the line.
    Later,
}

/// The line to the server and what waits for it. [`App`](crate::App) owns it.
#[derive(Clone, Copy)]
pub struct Line {
    pub online: RwSignal<bool>,
    /// Of every account that used this browser.
    pub waiting: RwSignal<Vec<Waiting>>,
    pub account: RwSignal<Option<String>>,
    sending: StoredValue<bool>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            online: RwSignal::new(true),
            waiting: RwSignal::default(),
            account: RwSignal::default(),
            sending: StoredValue::new(false),
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

    /// Gives an answer: at once, or when the line is back.
    ///
    /// # Errors
    /// What the server says of it; [`AppError::Unreachable`] where it can neither be sent nor kept.
    pub async fn give(self, mut answer: AnswerInput) -> Result<Given, AppError> {
        answer.key = Some(browser::new_key()).filter(|key| !key.is_empty());
        match api::study::answer(answer.clone()).await {
            Ok(answer) => Ok(Given::Saved(Box::new(answer))),
            Err(AppError::Unreachable) => {
                let Some(account) = self.account.get_untracked() else {
                    return Err(AppError::Unreachable);
                };
                let waits = Waiting {
                    account,
                    answer,
                    refused: None,
                };
                if !self.change(|kept| kept.push(waits)) {
                    return Err(AppError::Unreachable);
                }
                self.online.set(false);
                Ok(Given::Later)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends what waits, one after the other, in the order it was given.
    pub fn send(self) {
        let account = self.account.get_untracked();
        let mine = self.waiting.with_untracked(|waiting| of(waiting, account.as_deref()));
        let next = mine.into_iter().find(|waiting| waiting.refused.is_none());
        let (Some(next), false) = (next, self.sending.get_value()) else {
            return;
        };
        self.sending.set_value(true);
        spawn_local(async move {
            let result = api::study::answer(next.answer.clone()).await;
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
                Settled::Waits => {
                    if result == Err(AppError::Unreachable) {
                        self.online.set(false);
                    }
                }
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

fn parse(text: Option<&str>) -> Vec<Waiting> {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// What the server's word means for an answer that waits.
#[derive(Debug, PartialEq)]
enum Settled {
    Gone,
    Refused(String),
    Waits,
}

fn settle(result: &Result<Answer, AppError>) -> Settled {
    match result {
        Ok(_) => Settled::Gone,
        // It says nothing about the answer: later again.
        Err(AppError::Unreachable | AppError::SignedOut | AppError::Internal) => Settled::Waits,
        Err(error) => Settled::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_about_the_answer_itself_settles_it() {
        for error in [AppError::Unreachable, AppError::SignedOut, AppError::Internal] {
            assert_eq!(settle(&Err(error)), Settled::Waits);
        }
        for error in [
            AppError::Forbidden,
            AppError::NotFound,
            AppError::Invalid("no".to_owned()),
        ] {
            let words = error.to_string();
            assert_eq!(settle(&Err(error)), Settled::Refused(words));
        }
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

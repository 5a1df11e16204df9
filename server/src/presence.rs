//! Who has which study open. Owner of the state is [`Presence`], one for the server; it is kept in memory, since
//! a lease outlives neither the page nor the server.
//!
//! An open study page holds its event stream with the study's UID (`/events?reading=UID`), and the stream holds a
//! [`Lease`]: nobody polls. The lease ends a little after the stream, so that a reload or a short loss of the
//! connection is not seen as leaving.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::wire::ReadBy;
use domain::{SiteId, StudyUid, Timestamp, User};
use tokio::sync::watch;

use crate::clock;

/// How long a study still counts as open after its page's stream ended.
pub const GRACE: Duration = Duration::from_secs(8);

/// A study open in at least one page of one account.
#[derive(Debug)]
struct Open {
    study: StudyUid,
    site: SiteId,
    name: String,
    since: Timestamp,
    /// Streams that hold it.
    holders: usize,
    /// Raised by each stream that comes or goes, so that an old end does not cut off a new beginning.
    turn: u64,
}

/// The studies that are open, and a bell for whoever shows them.
#[derive(Debug)]
pub struct Presence {
    open: Mutex<Vec<Open>>,
    changed: watch::Sender<()>,
    grace: Duration,
}

impl Default for Presence {
    fn default() -> Self {
        Self::with_grace(GRACE)
    }
}

impl Presence {
    pub fn with_grace(grace: Duration) -> Self {
        Self {
            open: Mutex::default(),
            changed: watch::Sender::new(()),
            grace,
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Open>> {
        // No code panics while it holds the lock; a list is whole in any case.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings whenever [`Presence::seen_by`] may answer something else.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The open studies that `user` may know of, the longest open first.
    pub fn seen_by(&self, user: &User) -> Vec<ReadBy> {
        self.open()
            .iter()
            .filter(|open| user.may_see(&open.site))
            .map(|open| ReadBy {
                study: open.study.clone(),
                name: open.name.clone(),
                since: open.since,
            })
            .collect()
    }

    /// Marks a study as open until the lease is dropped. The caller has made sure that `name` may see the study.
    pub fn begin(self: &Arc<Self>, study: StudyUid, site: SiteId, name: String) -> Lease {
        let mut list = self.open();
        match list.iter_mut().find(|open| open.study == study && open.name == name) {
            Some(open) => {
                open.holders += 1;
                open.turn += 1;
            }
            None => list.push(Open {
                study: study.clone(),
                site,
                name: name.clone(),
                since: clock::now(),
                holders: 1,
                turn: 0,
            }),
        }
        drop(list);
        self.changed.send_replace(());
        Lease {
            presence: self.clone(),
            study,
            name,
        }
    }

    /// One stream less; the turn to wait for where it was the last.
    fn release(&self, study: &StudyUid, name: &str) -> Option<u64> {
        let mut list = self.open();
        let open = list.iter_mut().find(|open| open.study == *study && open.name == name)?;
        open.holders = open.holders.saturating_sub(1);
        open.turn += 1;
        (open.holders == 0).then_some(open.turn)
    }

    /// Forgets a study that nobody came back to.
    fn end(&self, study: &StudyUid, name: &str, turn: u64) {
        self.open()
            .retain(|open| open.study != *study || open.name != name || open.turn != turn);
        self.changed.send_replace(());
    }
}

/// Holds a study open for an account.
#[derive(Debug)]
pub struct Lease {
    presence: Arc<Presence>,
    study: StudyUid,
    name: String,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(turn) = self.presence.release(&self.study, &self.name) else {
            return;
        };
        let (presence, study, name) = (
            self.presence.clone(),
            self.study.clone(),
            std::mem::take(&mut self.name),
        );
        // While the server stops there is nobody left to wait, and nobody left to tell.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(presence.grace).await;
                presence.end(&study, &name, turn);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{AccountId, Role};

    use super::*;

    fn user(role: Role, site: &str) -> User {
        User {
            id: AccountId(1),
            name: "x".to_owned(),
            role,
            site: SiteId::from(site),
            disabled: false,
            created_at: Timestamp(0),
        }
    }

    fn names(presence: &Presence, user: &User) -> Vec<String> {
        let mut list = presence.seen_by(user);
        list.sort_by(|a, b| (&a.study.0, &a.name).cmp(&(&b.study.0, &b.name)));
        list.into_iter()
            .map(|open| format!("{} {}", open.study, open.name))
            .collect()
    }

    #[tokio::test]
    async fn a_study_is_open_while_a_page_holds_it_and_a_little_longer() {
        const GRACE: Duration = Duration::from_millis(100);
        let presence = Arc::new(Presence::with_grace(GRACE));
        let reader = user(Role::Reader, "main");
        let begin = |study: &str, name: &str| presence.begin(study.into(), "main".into(), name.to_owned());
        let mut bell = presence.subscribe();

        let anna = begin("1", "anna");
        assert!(bell.has_changed().unwrap());
        bell.mark_unchanged();
        let again = begin("1", "anna");
        let berta = begin("1", "berta");
        assert_eq!(names(&presence, &reader), ["1 anna", "1 berta"]);

        // Two pages of one account: the first to go ends nothing.
        drop(anna);
        tokio::time::sleep(GRACE * 2).await;
        assert_eq!(names(&presence, &reader), ["1 anna", "1 berta"]);

        // A reload within the grace is no leaving.
        drop(again);
        tokio::time::sleep(GRACE / 2).await;
        let reloaded = begin("1", "anna");
        tokio::time::sleep(GRACE * 2).await;
        assert_eq!(names(&presence, &reader), ["1 anna", "1 berta"]);

        bell.mark_unchanged();
        drop(reloaded);
        drop(berta);
        assert_eq!(
            names(&presence, &reader),
            ["1 anna", "1 berta"],
            "still within the grace"
        );
        tokio::time::sleep(GRACE * 2).await;
        assert_eq!(names(&presence, &reader), Vec::<String>::new());
        assert!(bell.has_changed().unwrap());
    }

    #[tokio::test]
    async fn a_site_learns_of_its_own_studies_alone() {
        let presence = Arc::new(Presence::default());
        let _north = presence.begin("1".into(), "north".into(), "anna".to_owned());
        let _south = presence.begin("2".into(), "south".into(), "anna".to_owned());
        assert_eq!(names(&presence, &user(Role::Site, "north")), ["1 anna"]);
        assert_eq!(names(&presence, &user(Role::Reader, "north")), ["1 anna", "2 anna"]);
        let mut disabled = user(Role::Reader, "north");
        disabled.disabled = true;
        assert_eq!(names(&presence, &disabled), Vec::<String>::new());
    }
}

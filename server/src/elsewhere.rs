//! Tells open pages what other processes do to studies: `shenton import` and `shenton worker` beside a server.

use std::collections::HashSet;
use std::time::Duration;

use db::UnderWay;
use domain::StudyUid;
use tokio::sync::{broadcast, watch};

/// More studies on their way than this are many hours of work; the older ones are told of when they move.
const WATCHED: u64 = 500;

/// Looks once in `every` at the studies that are under way and announces those that moved, until `stop` turns true.
/// What this process announced itself in that time is not announced again.
pub async fn watch(db: db::Db, changes: broadcast::Sender<StudyUid>, every: Duration, mut stop: watch::Receiver<bool>) {
    let mut own = changes.subscribe();
    let mut before: Option<HashSet<UnderWay>> = None;
    loop {
        match db.under_way(WATCHED).await {
            Ok(now) => {
                let now: HashSet<UnderWay> = now.into_iter().collect();
                let told = drain(&mut own);
                if let Some(before) = &before {
                    let moved: HashSet<&str> = before
                        .symmetric_difference(&now)
                        .map(|study| study.study_uid.as_str())
                        .filter(|study| !told.contains(*study))
                        .collect();
                    for study in moved {
                        // Nobody listening is no fault.
                        let _ = changes.send(study.into());
                    }
                    drain(&mut own);
                }
                before = Some(now);
            }
            Err(error) => tracing::warn!(%error, "cannot look for what other processes change"),
        }
        tokio::select! {
            // An error means that the sender is gone, which also ends this.
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// What was announced since the last call.
fn drain(own: &mut broadcast::Receiver<StudyUid>) -> HashSet<String> {
    use broadcast::error::TryRecvError;
    let mut told = HashSet::new();
    loop {
        match own.try_recv() {
            Ok(study) => {
                told.insert(study.0);
            }
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return told,
        }
    }
}

//! Analyses complete studies, one after the other.
//!
//! The study's row is its own job: claiming it writes a lease, so that a worker that is killed loses nothing but
//! time, and another one (or the next process) takes the study up again. A study always ends as done or failed:
//! an image that cannot be read is a reading with an error, and what goes wrong around the images is tried again
//! with growing waits, then given up in words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use db::Claim;
use domain::{ImageReading, ReadingStatus, StudyUid, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

use crate::decoder::{DecodeError, Decoder};
use crate::inference::{self, Analyser};
use crate::storage::Storage;
use crate::{clock, derived};

/// How the worker waits and gives up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Between two looks at the queue while it is empty.
    pub poll_milliseconds: u64,
    /// A claim is good for so long and is prolonged three times as often.
    pub lease_seconds: u64,
    /// A study whose analysis fails so often is given up.
    pub max_attempts: u32,
    /// A study whose analysis ends its process so often is given up.
    pub max_deaths: u32,
    /// Before the second try; each further wait is four times as long.
    pub backoff_seconds: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            poll_milliseconds: 250,
            lease_seconds: 60,
            max_attempts: 3,
            max_deaths: 10,
            backoff_seconds: 5.0,
        }
    }
}

impl Options {
    fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds.max(1))
    }

    /// When to try again after so many failures, or `None` to give up.
    fn retry_at(&self, failures: u32, now: Timestamp) -> Option<Timestamp> {
        if failures >= self.max_attempts {
            return None;
        }
        let exponent = failures.saturating_sub(1).min(8);
        let seconds = self.backoff_seconds.clamp(0.0, 3600.0) * f64::from(4_u32.pow(exponent));
        Some(after(now, Duration::from_secs_f64(seconds.min(24.0 * 3600.0))))
    }
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    Timestamp(
        now.0
            .saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
    )
}

/// Why a study's analysis stopped.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("database: {0}")]
    Database(#[from] db::Error),
    /// In words for the study's page, without patient data.
    #[error("{0}")]
    Words(String),
    /// The study changed or was claimed anew: nothing to do here any more.
    #[error("the claim no longer counts")]
    Lost,
    #[error("the server is stopping")]
    Stopping,
}

/// The worker and what it needs.
pub struct Worker {
    options: Options,
    quiet: Duration,
    db: db::Db,
    storage: Arc<Storage>,
    decoder: Arc<Decoder>,
    analyser: Arc<dyn Analyser>,
    changes: broadcast::Sender<StudyUid>,
}

impl Worker {
    /// `quiet`: how long after its last instance a study counts as complete.
    pub fn new(
        options: Options,
        quiet: Duration,
        db: db::Db,
        storage: Arc<Storage>,
        decoder: Arc<Decoder>,
        analyser: Arc<dyn Analyser>,
        changes: broadcast::Sender<StudyUid>,
    ) -> Self {
        Self {
            options,
            quiet,
            db,
            storage,
            decoder,
            analyser,
            changes,
        }
    }

    /// Works until `stop` turns true; a study in hand is left for the next worker after its current image.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let poll = Duration::from_millis(self.options.poll_milliseconds.max(10));
        while !*stop.borrow() {
            let wait = match self.step(&stop).await {
                Ok(true) => continue,
                Ok(false) => poll,
                Err(error) => {
                    tracing::error!(%error, "the worker cannot reach its queue");
                    Duration::from_secs(2)
                }
            };
            tokio::select! {
                // An error means that the sender is gone, which also ends the worker.
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Completes quiet studies and analyses one; false where there was none.
    async fn step(&self, stop: &watch::Receiver<bool>) -> Result<bool, db::Error> {
        let quiet = i64::try_from(self.quiet.as_millis()).unwrap_or(i64::MAX);
        for study in self.db.complete_quiet_studies(clock::now(), quiet).await? {
            self.announce(&study);
        }
        let lease = i64::try_from(self.options.lease().as_millis()).unwrap_or(i64::MAX);
        let Some(claim) = self.db.claim_study(clock::now(), lease).await? else {
            return Ok(false);
        };
        self.announce(&claim.study_uid);
        self.work(&claim, stop).await;
        self.announce(&claim.study_uid);
        Ok(true)
    }

    /// Nobody listening is no fault.
    fn announce(&self, study: &StudyUid) {
        let _ = self.changes.send(study.clone());
    }

    /// Analyses a claimed study and records how that went.
    async fn work(&self, claim: &Claim, stop: &watch::Receiver<bool>) {
        let deaths = claim.attempt.saturating_sub(1 + claim.failures);
        if deaths >= self.options.max_deaths {
            let reason = format!("the server stopped while it analysed this study, {deaths} times");
            return self.fail(claim, &reason, None).await;
        }
        let began = Instant::now();
        let result = tokio::select! {
            result = self.analyse(claim, stop) => result,
            lost = self.hold(claim) => Err(lost),
        };
        let result = match result {
            Ok(readings) => match self.db.finish_study(claim, &readings, clock::now()).await {
                Ok(true) => Ok(readings.len()),
                Ok(false) => Err(Failure::Lost),
                Err(error) => Err(error.into()),
            },
            Err(failure) => Err(failure),
        };
        match result {
            Ok(images) => {
                let milliseconds = inference::milliseconds(began);
                tracing::info!(study = %claim.study_uid, images, milliseconds, "study analysed");
            }
            Err(Failure::Lost | Failure::Stopping) => {
                tracing::info!(study = %claim.study_uid, "study left before its analysis ended");
            }
            Err(failure) => {
                tracing::error!(study = %claim.study_uid, attempt = claim.attempt, %failure, "analysis failed");
                let words = match &failure {
                    Failure::Words(words) => words.clone(),
                    _ => "the server could not store the result".to_owned(),
                };
                let retry_at = self.options.retry_at(claim.failures + 1, clock::now());
                self.fail(claim, &words, retry_at).await;
            }
        }
    }

    /// Records a failure; where even that fails, the lease runs out and the study comes up again.
    async fn fail(&self, claim: &Claim, reason: &str, retry_at: Option<Timestamp>) {
        if let Err(error) = self.db.fail_study(claim, reason, retry_at).await {
            tracing::error!(study = %claim.study_uid, %error, "cannot record a failed analysis");
        }
    }

    /// Prolongs the lease for as long as it is polled; ends where the claim no longer counts.
    async fn hold(&self, claim: &Claim) -> Failure {
        let lease = self.options.lease();
        loop {
            tokio::time::sleep(lease / 3).await;
            match self.db.extend_lease(claim, after(clock::now(), lease)).await {
                Ok(true) => {}
                Ok(false) => return Failure::Lost,
                Err(error) => tracing::warn!(study = %claim.study_uid, %error, "cannot prolong a claim"),
            }
        }
    }

    /// One reading for each image of the study.
    async fn analyse(&self, claim: &Claim, stop: &watch::Receiver<bool>) -> Result<Vec<ImageReading>, Failure> {
        let mut readings = Vec::new();
        for instance in self.db.instances_of(&claim.study_uid).await? {
            if *stop.borrow() {
                return Err(Failure::Stopping);
            }
            let last = claim.failures + 1 >= self.options.max_attempts;
            readings.push(self.read(&instance, last).await?);
        }
        Ok(readings)
    }

    /// `last`: no other try follows, so an image that takes too long is a reading with an error.
    async fn read(&self, instance: &db::Instance, last: bool) -> Result<ImageReading, Failure> {
        let path = self.storage.instance_path(&instance.sha256);
        let began = Instant::now();
        let mut decoded = self.decoder.decode(&path).await;
        if matches!(decoded, Err(DecodeError::Crashed | DecodeError::TimedOut(_))) {
            // Once more: a busy machine ends a child too, and a hostile file costs one more child.
            decoded = self.decoder.decode(&path).await;
        }
        match &decoded {
            Err(DecodeError::Unreadable(error)) => {
                tracing::error!(instance = %instance.sop_uid, error, "a stored file cannot be opened");
                return Err(Failure::Words("a stored file cannot be opened".to_owned()));
            }
            Err(DecodeError::Start(error)) => {
                tracing::error!(error, "a decoder child cannot be started");
                return Err(Failure::Words("the decoder cannot be started".to_owned()));
            }
            // A machine that was too busy for it may have time later.
            Err(error @ DecodeError::TimedOut(_)) if !last => return Err(Failure::Words(error.to_string())),
            _ => {}
        }
        let decode = inference::milliseconds(began);
        let ids = Some((instance.study_uid.clone(), instance.sop_uid.clone()));
        let decoded = decoded.map(|(_, frame)| frame);
        let analyser = self.analyser.clone();
        let (storage, sha256) = (self.storage.clone(), instance.sha256.clone());
        let opened = decoded.is_ok();
        let reading = tokio::task::spawn_blocking(move || {
            // The reading stands without it, and whoever looks first makes it again.
            if let Ok(frame) = &decoded
                && let Err(error) = derived::make(&storage, &sha256, frame)
            {
                tracing::warn!(%error, "a picture's progressive form is not kept");
            }
            inference::read(&*analyser, ids, decoded, decode)
        })
        .await
        .map_err(|_| Failure::Words("the analysis broke off".to_owned()))?;
        // A file that does not open stays so; a network that fails on a sound picture may not fail again.
        if opened && reading.status == ReadingStatus::Error {
            let reason = reading.reason.as_deref().unwrap_or("no reason given");
            return Err(Failure::Words(format!("the networks failed: {reason}")));
        }
        Ok(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let options = Options {
            max_attempts: 4,
            backoff_seconds: 2.0,
            ..Options::default()
        };
        let at = |attempt| options.retry_at(attempt, Timestamp(1000)).map(|at| at.0);
        assert_eq!(
            [at(1), at(2), at(3), at(4), at(5)],
            [Some(3000), Some(9000), Some(33_000), None, None]
        );
    }

    #[test]
    fn absurd_waits_are_held_to_a_day() {
        let options = Options {
            max_attempts: 100,
            backoff_seconds: 1e9,
            ..Options::default()
        };
        assert_eq!(options.retry_at(50, Timestamp(0)), Some(Timestamp(86_400_000)));
    }
}

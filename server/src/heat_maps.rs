//! Heat maps on request: where a hip's fracture score comes from.
//!
//! They are computed when a reader asks, from the stored image and the boxes of its newest reading, so that the
//! analysis of every image does not pay for the few that are looked at this way.

use std::sync::Arc;

use app::AppError;
use domain::{HeatMap, ImageReading};
use tokio::sync::Mutex;

use crate::decoder::Decoder;
use crate::error::internal;
use crate::inference::Analyser;
use crate::storage::Storage;

/// What computes them, one at a time: the analysis of new studies goes before.
pub struct HeatMaps {
    storage: Arc<Storage>,
    decoder: Arc<Decoder>,
    /// None where the networks run in another process.
    analyser: Option<Arc<dyn Analyser>>,
    turn: Mutex<()>,
}

impl HeatMaps {
    pub fn new(storage: Arc<Storage>, decoder: Arc<Decoder>, analyser: Option<Arc<dyn Analyser>>) -> Self {
        Self {
            storage,
            decoder,
            analyser,
            turn: Mutex::new(()),
        }
    }

    /// The maps of the hips that `reading` scored, of the image whose bytes have this hash.
    ///
    /// # Errors
    /// [`AppError::Invalid`] where there can be none, in words for the reader.
    pub async fn of(&self, sha256: &str, reading: &ImageReading) -> Result<Vec<HeatMap>, AppError> {
        let Some(analyser) = self.analyser.clone() else {
            return Err(AppError::Invalid(
                "the networks run in another process of this server, which draws no heat maps".to_owned(),
            ));
        };
        // A map of other weights would explain a score that these did not give.
        if analyser.model().sha256 != reading.model.sha256 {
            return Err(AppError::Invalid(
                "the networks have changed since this image was read: analyse the study again".to_owned(),
            ));
        }
        let scored = reading.hips.iter().filter(|hip| hip.fracture.is_some());
        let hips: Vec<_> = scored.map(|hip| (hip.side, hip.region.0)).collect();
        if hips.is_empty() {
            return Ok(Vec::new());
        }
        let _turn = self.turn.lock().await;
        let path = self.storage.instance_path(sha256);
        let (_, frame) = self
            .decoder
            .decode(&path)
            .await
            .map_err(|error| AppError::Invalid(error.to_string()))?;
        tokio::task::spawn_blocking(move || analyser.heat_maps(&frame, &hips))
            .await
            .map_err(internal)?
            .map_err(internal)
    }
}

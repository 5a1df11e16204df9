//! The DICOM door: the listener of `dimse` in front of the ingest function.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dimse::{Listener, Received, Store, StoreStatus};
use domain::SiteId;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config;
use crate::ingest::{Door, Expected, Ingest, Kind, Source};

/// How long open associations may go on after the server is asked to stop.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// Takes instances from the network to the ingest function.
struct IngestStore {
    ingest: Arc<Ingest>,
    /// Calling AE title to site.
    sites: BTreeMap<String, String>,
}

impl IngestStore {
    fn source(&self, instance: &Received) -> Source {
        let listed = self.sites.get(&instance.calling_ae);
        Source {
            door: Door::Dimse,
            from: instance.peer.ip().to_string(),
            actor: instance.calling_ae.clone(),
            site: SiteId::from(listed.map_or("main", String::as_str)),
            // A sender of one site stays with its studies; the hospital's own may add to everybody's.
            restrict_to_site: listed.is_some(),
            file_name: instance.sop_instance_uid.clone(),
        }
    }
}

impl Store for IngestStore {
    async fn not_stored(&self, instance: Received, bytes: usize, status: StoreStatus) {
        let kind = if bytes > self.ingest.options().max_bytes {
            Kind::TooLarge
        } else {
            Kind::NoRoom
        };
        let source = self.source(&instance);
        self.ingest.not_taken(&source, bytes as u64, kind, status.comment).await;
    }

    async fn store(&self, instance: Received) -> StoreStatus {
        let source = self.source(&instance);
        let expected = Expected {
            study_uid: None,
            sop_uid: Some(instance.sop_instance_uid),
        };
        match self
            .ingest
            .accept_expecting(source, instance.file.into(), expected)
            .await
        {
            Ok(_) => StoreStatus::success(),
            Err(refused) => match refused.kind {
                Kind::CannotUnderstand => StoreStatus::cannot_understand(refused.reason),
                Kind::Mismatch | Kind::OtherPatient => StoreStatus::mismatch(refused.reason),
                Kind::TooLarge | Kind::NoRoom => StoreStatus::out_of_resources(refused.reason),
                // PS3.7 C.5.14 duplicate SOP instance, C.5.8 not authorized.
                Kind::Conflict => StoreStatus {
                    code: 0x0111,
                    comment: refused.reason,
                },
                Kind::OtherSite => StoreStatus {
                    code: 0x0124,
                    comment: refused.reason,
                },
                Kind::Internal | Kind::BrokenOff => StoreStatus::processing_failure(refused.reason),
            },
        }
    }
}

/// Binds `address` and serves until `stop` turns true; gives the bound address and the task.
///
/// # Errors
/// The address cannot be bound.
pub async fn start(
    address: SocketAddr,
    config: &config::Dicom,
    ingest: Arc<Ingest>,
    mut stop: watch::Receiver<bool>,
) -> Result<(SocketAddr, JoinHandle<()>), dimse::Error> {
    let options = dimse::Options {
        ae_title: config.ae_title.clone(),
        max_data_set: ingest.options().max_bytes,
        ..dimse::Options::default()
    };
    let listener = Listener::bind(address, options).await?;
    let bound = listener.local_addr();
    let store = Arc::new(IngestStore {
        ingest,
        sites: config.sites.clone(),
    });
    let shutdown = async move {
        // An error means that the sender is gone, which also ends the listener.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    Ok((bound, tokio::spawn(listener.run(store, shutdown, MAX_WAIT))))
}

//! Accepts associations and serves C-ECHO and C-STORE on them.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use dicom_ul::association::read_pdu_from_wire_async;
use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AbortRQSource, PDV_HEADER_SIZE, PDataValue, PDataValueType, Pdu, write_pdu,
};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::association::{self, Agreed};
use crate::command::{self, C_CANCEL_RQ, C_ECHO_RQ, C_STORE_RQ, MAX_COMMAND_BYTES, Request, UNRECOGNIZED_OPERATION};
use crate::part10::file_meta;

/// What a listener allows.
#[derive(Clone, Debug)]
pub struct Options {
    /// This application's AE title, for the log: a peer may call it by any name.
    pub ae_title: String,
    /// The longest PDU that a peer may send, in bytes.
    pub max_pdu: u32,
    /// Associations at a time; further peers are told to come back.
    pub max_associations: usize,
    /// The longest data set, in bytes.
    pub max_data_set: usize,
    /// All data sets that are being received, in bytes.
    pub max_in_flight: usize,
    /// From the connection to the association request (PS3.8 calls it ARTIM).
    pub open_timeout: Duration,
    /// Between two PDUs, and to send or receive one.
    pub pdu_timeout: Duration,
    /// From the first to the last byte of one message.
    pub message_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ae_title: "SHENTON".to_owned(),
            max_pdu: 128 * 1024,
            max_associations: 32,
            max_data_set: 512 * 1024 * 1024,
            max_in_flight: 1024 * 1024 * 1024,
            open_timeout: Duration::from_secs(15),
            pdu_timeout: Duration::from_secs(60),
            message_timeout: Duration::from_secs(600),
        }
    }
}

/// One instance as it came over the wire.
#[derive(Clone, Debug)]
pub struct Received {
    /// Printable, at most 16 characters.
    pub calling_ae: String,
    pub peer: SocketAddr,
    /// As the command named it; the data set may say something else.
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    pub transfer_syntax: String,
    /// A DICOM file: file meta information, then the data set's bytes untouched.
    pub file: Vec<u8>,
    /// Where in `file` the data set starts.
    pub data_set_at: usize,
}

impl Received {
    /// The data set's bytes as they came.
    pub fn data_set(&self) -> &[u8] {
        self.file.get(self.data_set_at..).unwrap_or_default()
    }
}

/// How a store ended (PS3.4 table B.2-1), with a comment for the peer's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStatus {
    pub code: u16,
    /// Without patient data; cut to 64 characters.
    pub comment: String,
}

impl StoreStatus {
    pub fn success() -> Self {
        Self {
            code: 0x0000,
            comment: String::new(),
        }
    }

    /// Refused: out of resources. The peer may try again.
    pub fn out_of_resources(comment: impl Into<String>) -> Self {
        Self {
            code: 0xA700,
            comment: comment.into(),
        }
    }

    /// Error: the data set does not match the SOP class or the command.
    pub fn mismatch(comment: impl Into<String>) -> Self {
        Self {
            code: 0xA900,
            comment: comment.into(),
        }
    }

    /// Error: cannot understand.
    pub fn cannot_understand(comment: impl Into<String>) -> Self {
        Self {
            code: 0xC000,
            comment: comment.into(),
        }
    }

    /// Processing failure (PS3.7 C.5.13).
    pub fn processing_failure(comment: impl Into<String>) -> Self {
        Self {
            code: 0x0110,
            comment: comment.into(),
        }
    }
}

/// Where instances go.
pub trait Store: Send + Sync + 'static {
    /// Keeps the instance; the peer hears the status that this returns.
    fn store(&self, instance: Received) -> impl Future<Output = StoreStatus> + Send;

    /// Notes an instance of which the listener itself kept nothing: it, or all that was on its way, was too long. The
    /// peer hears `status`; `bytes` is the length of the data set.
    fn not_stored(&self, instance: Received, bytes: usize, status: StoreStatus) -> impl Future<Output = ()> + Send {
        let _ = (instance, bytes, status);
        std::future::ready(())
    }
}

/// Why a listener could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {address}")]
    Bind {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("a PDU of {0} bytes cannot be negotiated (1018 to 16777216)")]
    MaxPdu(u32),
}

/// A bound DICOM listener.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    options: Options,
}

impl Listener {
    /// Binds `address`; port 0 lets the system choose.
    ///
    /// # Errors
    /// The address is taken or not this machine's, or the PDU length is out of range.
    pub async fn bind(address: SocketAddr, options: Options) -> Result<Self, Error> {
        if !(1018..=16 * 1024 * 1024).contains(&options.max_pdu) {
            return Err(Error::MaxPdu(options.max_pdu));
        }
        let bind = |source| Error::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(bind)?;
        let address = socket.local_addr().map_err(bind)?;
        Ok(Self {
            socket,
            address,
            options,
        })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` ends; then takes no more associations, and gives the open ones `max_wait` to end.
    pub async fn run<S: Store>(self, store: Arc<S>, shutdown: impl Future<Output = ()>, max_wait: Duration) {
        let options = Arc::new(self.options);
        let free = Arc::new(Semaphore::new(options.max_associations));
        let in_flight = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    log_panic(ended);
                    continue;
                }
                accepted = self.socket.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: waiting frees some, a busy loop does not.
                    tracing::warn!(%error, "cannot accept a dicom connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            match free.clone().try_acquire_owned() {
                Ok(permit) => {
                    let session = Session {
                        peer,
                        options: options.clone(),
                        store: store.clone(),
                        in_flight: in_flight.clone(),
                    };
                    tasks.spawn(async move {
                        let _permit = permit;
                        session.serve(stream).await;
                    });
                }
                // A crowd of refused peers is bounded too: beyond it, connections are dropped unanswered.
                Err(_) if tasks.len() < 2 * options.max_associations => {
                    let options = options.clone();
                    tasks.spawn(async move { turn_away(stream, &options).await });
                }
                Err(_) => tracing::warn!(%peer, "too many dicom connections"),
            }
        }
        let ended = timeout(max_wait, async {
            while let Some(ended) = tasks.join_next().await {
                log_panic(ended);
            }
        });
        if ended.await.is_err() {
            tracing::warn!(associations = tasks.len(), "dicom associations cut off");
            tasks.shutdown().await;
        }
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a dicom association panicked");
    }
}

/// Tells a peer that it came at a busy time.
async fn turn_away(mut stream: TcpStream, options: &Options) {
    let mut buffer = BytesMut::new();
    let request = read_pdu_from_wire_async(&mut stream, &mut buffer, options.max_pdu, true);
    if let Ok(Ok(Pdu::AssociationRQ(_))) = timeout(options.open_timeout, request).await {
        let mut bytes = Vec::new();
        if write_pdu(&mut bytes, &association::congestion()).is_ok() {
            let _ = timeout(options.open_timeout, stream.write_all(&bytes)).await;
        }
    }
}

/// Why an association ended early.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the peer sent nothing for too long")]
    Idle,
    #[error("the peer took too long over one message")]
    Slow,
    #[error("the connection broke off")]
    Wire,
    #[error("the peer sent {0} out of turn")]
    OutOfTurn(&'static str),
    #[error("the peer used a presentation context that was not accepted")]
    Context,
    #[error("the peer's command set is too long")]
    LongCommand,
    #[error("the peer's data set goes on far beyond its limit")]
    LongDataSet,
    #[error(transparent)]
    Command(#[from] command::Error),
    #[error("the peer takes PDUs of {0} bytes only")]
    PeerPdu(u32),
}

/// Counts the bytes of a data set against the limit of all; gives them back when dropped.
struct Reservation {
    in_flight: Arc<AtomicUsize>,
    bytes: usize,
}

impl Reservation {
    /// Whether `more` bytes still fit.
    fn grow(&mut self, more: usize, limit: usize) -> bool {
        let before = self.in_flight.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > limit {
            self.in_flight.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.bytes += more;
        true
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A data set on its way in.
struct Incoming {
    request: Request,
    context: u8,
    transfer_syntax: String,
    file: Vec<u8>,
    data_set_at: usize,
    /// Why its bytes are let go: they are read to their end so that the peer can be told.
    refused: Option<StoreStatus>,
    seen: usize,
    reservation: Reservation,
}

/// One peer.
struct Session<S> {
    peer: SocketAddr,
    options: Arc<Options>,
    store: Arc<S>,
    in_flight: Arc<AtomicUsize>,
}

impl<S: Store> Session<S> {
    async fn serve(&self, mut stream: TcpStream) {
        // Responses are small and the peer waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(peer = %self.peer, %error, "cannot set nodelay");
        }
        let mut buffer = BytesMut::new();
        match self.run(&mut stream, &mut buffer).await {
            Ok(()) => tracing::debug!(peer = %self.peer, "association released"),
            Err(fault) => {
                tracing::info!(peer = %self.peer, %fault, "association ended early");
                let abort = Pdu::AbortRQ {
                    source: AbortRQSource::ServiceProvider(AbortRQServiceProviderReason::ReasonNotSpecified),
                };
                let _ = self.send(&mut stream, &abort).await;
            }
        }
        let _ = timeout(Duration::from_secs(1), stream.shutdown()).await;
    }

    async fn receive(&self, stream: &mut TcpStream, buffer: &mut BytesMut, limit: Duration) -> Result<Pdu, Fault> {
        match timeout(
            limit,
            read_pdu_from_wire_async(stream, buffer, self.options.max_pdu, true),
        )
        .await
        {
            Ok(Ok(pdu)) => Ok(pdu),
            Ok(Err(error)) => {
                tracing::debug!(peer = %self.peer, %error, "no pdu");
                Err(Fault::Wire)
            }
            Err(_) => Err(Fault::Idle),
        }
    }

    async fn send(&self, stream: &mut TcpStream, pdu: &Pdu) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, pdu).map_err(|_| Fault::Wire)?;
        match timeout(self.options.pdu_timeout, stream.write_all(&bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Fault::Wire),
            Err(_) => Err(Fault::Idle),
        }
    }

    async fn run(&self, stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<(), Fault> {
        let request = match self.receive(stream, buffer, self.options.open_timeout).await? {
            Pdu::AssociationRQ(request) => request,
            _ => return Err(Fault::OutOfTurn("no association request")),
        };
        let agreed = match association::negotiate(request, self.options.max_pdu) {
            Ok((agreed, accept)) => {
                self.send(stream, &accept).await?;
                agreed
            }
            Err(reject) => {
                tracing::info!(peer = %self.peer, "association rejected");
                return self.send(stream, &Pdu::AssociationRJ(reject)).await;
            }
        };
        tracing::debug!(peer = %self.peer, calling_ae = agreed.calling_ae, this = self.options.ae_title, "association");
        self.messages(stream, buffer, &agreed).await
    }

    /// Serves messages until the peer releases the association.
    async fn messages(&self, stream: &mut TcpStream, buffer: &mut BytesMut, agreed: &Agreed) -> Result<(), Fault> {
        let mut command = Vec::new();
        let mut incoming: Option<Incoming> = None;
        let mut began = None;
        loop {
            let pdu = self.receive(stream, buffer, self.options.pdu_timeout).await?;
            let values = match pdu {
                Pdu::PData { data } => data,
                Pdu::ReleaseRQ => return self.send(stream, &Pdu::ReleaseRP).await,
                Pdu::AbortRQ { .. } => {
                    tracing::info!(peer = %self.peer, "the peer aborted the association");
                    return Ok(());
                }
                _ => return Err(Fault::OutOfTurn("an association PDU")),
            };
            for value in values {
                let began_at = *began.get_or_insert_with(tokio::time::Instant::now);
                if began_at.elapsed() > self.options.message_timeout {
                    return Err(Fault::Slow);
                }
                match value.value_type {
                    PDataValueType::Command => {
                        if incoming.is_some() {
                            return Err(Fault::OutOfTurn("a command inside a data set"));
                        }
                        if command.len() + value.data.len() > MAX_COMMAND_BYTES {
                            return Err(Fault::LongCommand);
                        }
                        command.extend_from_slice(&value.data);
                        if value.is_last {
                            let request = Request::read(&std::mem::take(&mut command))?;
                            incoming = self
                                .begin(stream, agreed, value.presentation_context_id, request)
                                .await?;
                            if incoming.is_none() {
                                began = None;
                            }
                        }
                    }
                    PDataValueType::Data => {
                        let current = incoming
                            .as_mut()
                            .ok_or(Fault::OutOfTurn("a data set without a command"))?;
                        if value.presentation_context_id != current.context {
                            return Err(Fault::Context);
                        }
                        self.take(current, &value.data)?;
                        if value.is_last
                            && let Some(whole) = incoming.take()
                        {
                            self.finish(stream, agreed, whole).await?;
                            began = None;
                        }
                    }
                }
            }
        }
    }

    /// A complete command: answers it, or makes ready for its data set.
    async fn begin(
        &self,
        stream: &mut TcpStream,
        agreed: &Agreed,
        context: u8,
        request: Request,
    ) -> Result<Option<Incoming>, Fault> {
        let accepted = agreed
            .contexts
            .iter()
            .find(|accepted| accepted.id == context)
            .ok_or(Fault::Context)?;
        if !request.has_data_set {
            let status = match request.field {
                C_ECHO_RQ => 0x0000,
                // Nothing is pending that could be cancelled, and a cancel has no response.
                C_CANCEL_RQ => return Ok(None),
                // PS3.7 C.5.11: mistyped argument, a C-STORE without a data set.
                C_STORE_RQ => 0x0212,
                _ => UNRECOGNIZED_OPERATION,
            };
            self.respond(stream, agreed, context, &request, status, "").await?;
            return Ok(None);
        }
        let refused = if request.field != C_STORE_RQ {
            Some(StoreStatus {
                code: UNRECOGNIZED_OPERATION,
                comment: String::new(),
            })
        } else if request.sop_class_uid.is_empty() || request.sop_instance_uid.is_empty() {
            Some(StoreStatus::cannot_understand("the command names no instance"))
        } else {
            None
        };
        let file = match refused {
            Some(_) => Vec::new(),
            None => file_meta(
                &request.sop_class_uid,
                &request.sop_instance_uid,
                &accepted.transfer_syntax,
                &agreed.calling_ae,
            ),
        };
        Ok(Some(Incoming {
            context,
            transfer_syntax: accepted.transfer_syntax.clone(),
            data_set_at: file.len(),
            file,
            refused,
            seen: 0,
            reservation: Reservation {
                in_flight: self.in_flight.clone(),
                bytes: 0,
            },
            request,
        }))
    }

    /// Takes a fragment of a data set.
    fn take(&self, incoming: &mut Incoming, data: &[u8]) -> Result<(), Fault> {
        incoming.seen = incoming.seen.saturating_add(data.len());
        // A data set that is refused is read to its end, but not for ever.
        if incoming.seen > self.options.max_data_set.saturating_mul(2) {
            return Err(Fault::LongDataSet);
        }
        if incoming.refused.is_none() {
            let refused = if incoming.seen > self.options.max_data_set {
                Some(StoreStatus::out_of_resources(
                    "the data set is larger than this server takes",
                ))
            } else if !incoming.reservation.grow(data.len(), self.options.max_in_flight) {
                Some(StoreStatus::out_of_resources("too many data sets at a time"))
            } else {
                None
            };
            match refused {
                Some(_) => {
                    incoming.file = Vec::new();
                    incoming.refused = refused;
                }
                None => incoming.file.extend_from_slice(data),
            }
        }
        Ok(())
    }

    /// A complete data set: stores it and tells the peer how that went.
    async fn finish(&self, stream: &mut TcpStream, agreed: &Agreed, incoming: Incoming) -> Result<(), Fault> {
        let Incoming {
            request,
            context,
            transfer_syntax,
            file,
            data_set_at,
            refused,
            seen,
            reservation,
        } = incoming;
        let received = Received {
            calling_ae: agreed.calling_ae.clone(),
            peer: self.peer,
            sop_class_uid: request.sop_class_uid.clone(),
            sop_instance_uid: request.sop_instance_uid.clone(),
            transfer_syntax,
            // Where it was refused its bytes are gone.
            data_set_at: data_set_at.min(file.len()),
            file,
        };
        let status = match refused {
            Some(status) => {
                if request.field == C_STORE_RQ {
                    self.store.not_stored(received, seen, status.clone()).await;
                }
                status
            }
            None => self.store.store(received).await,
        };
        drop(reservation);
        self.respond(stream, agreed, context, &request, status.code, &status.comment)
            .await
    }

    async fn respond(
        &self,
        stream: &mut TcpStream,
        agreed: &Agreed,
        context: u8,
        request: &Request,
        status: u16,
        comment: &str,
    ) -> Result<(), Fault> {
        let data = request.response(status, comment);
        // A response is under 400 bytes: a peer that takes less does not speak DICOM (PS3.8 D.1).
        if agreed.peer_max_pdu != 0 && data.len() + PDV_HEADER_SIZE as usize > agreed.peer_max_pdu as usize {
            return Err(Fault::PeerPdu(agreed.peer_max_pdu));
        }
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data,
        };
        self.send(stream, &Pdu::PData { data: vec![value] }).await
    }
}

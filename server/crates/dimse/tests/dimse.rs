//! The listener against DCMTK's tools and against peers that mean no good.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dimse::{Listener, Options, Received, Store, StoreStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Keeps what comes and answers with a fixed status.
#[derive(Default)]
struct Shelf {
    received: Mutex<Vec<Received>>,
    refuse: bool,
}

impl Store for Shelf {
    async fn store(&self, instance: Received) -> StoreStatus {
        self.received.lock().unwrap().push(instance);
        if self.refuse {
            StoreStatus::cannot_understand("refused by the test")
        } else {
            StoreStatus::success()
        }
    }
}

struct Running {
    address: SocketAddr,
    shelf: Arc<Shelf>,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(options: Options, shelf: Shelf) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
        let address = listener.local_addr();
        let shelf = Arc::new(shelf);
        let (stop, stopped) = oneshot::channel::<()>();
        let store = shelf.clone();
        let task = tokio::spawn(listener.run(
            store,
            async move {
                let _ = stopped.await;
            },
            Duration::from_secs(2),
        ));
        Self {
            address,
            shelf,
            stop: Some(stop),
            task,
        }
    }

    async fn echo(&self) -> bool {
        // An association request and a C-ECHO by hand, so that this holds without DCMTK too.
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream
            .write_all(&association_request("1.2.840.10008.1.1"))
            .await
            .unwrap();
        if read_pdu(&mut stream).await.map(|pdu| pdu.0) != Some(2) {
            return false;
        }
        stream
            .write_all(&p_data(1, 0x03, &command(0x0030, 0x0101, "1.2.840.10008.1.1", "")))
            .await
            .unwrap();
        let Some((4, body)) = read_pdu(&mut stream).await else {
            return false;
        };
        stream.write_all(&[5, 0, 0, 0, 0, 4, 0, 0, 0, 0]).await.unwrap();
        let released = read_pdu(&mut stream).await.map(|pdu| pdu.0) == Some(6);
        released && status(&body) == Some(0)
    }

    async fn stop(mut self) -> Arc<Shelf> {
        let _ = self.stop.take().unwrap().send(());
        self.task.await.unwrap();
        self.shelf
    }
}

fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 0];
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
    out
}

fn association_request(abstract_syntax: &str) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    body.extend_from_slice(b"SHENTON         HAND            ");
    body.extend_from_slice(&[0; 32]);
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    let mut context = vec![1, 0, 0, 0];
    context.extend(item(0x30, abstract_syntax.as_bytes()));
    context.extend(item(0x40, b"1.2.840.10008.1.2"));
    body.extend(item(0x20, &context));
    body.extend(item(0x50, &item(0x51, &16384_u32.to_be_bytes())));
    let mut pdu = vec![1, 0];
    pdu.extend_from_slice(&(body.len() as u32).to_be_bytes());
    pdu.extend(body);
    pdu
}

fn p_data(context: u8, header: u8, data: &[u8]) -> Vec<u8> {
    let mut pdu = vec![4, 0];
    pdu.extend_from_slice(&(data.len() as u32 + 6).to_be_bytes());
    pdu.extend_from_slice(&(data.len() as u32 + 2).to_be_bytes());
    pdu.extend_from_slice(&[context, header]);
    pdu.extend_from_slice(data);
    pdu
}

fn command(field: u16, data_set_type: u16, sop_class: &str, sop_instance: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut element = |number: u16, value: &[u8]| {
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(value);
    };
    let pad = |text: &str| {
        if text.len() % 2 == 1 {
            format!("{text}\0")
        } else {
            text.to_owned()
        }
    };
    element(0x0002, pad(sop_class).as_bytes());
    element(0x0100, &field.to_le_bytes());
    element(0x0110, &1_u16.to_le_bytes());
    element(0x0800, &data_set_type.to_le_bytes());
    if !sop_instance.is_empty() {
        element(0x1000, pad(sop_instance).as_bytes());
    }
    out
}

async fn read_pdu(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let read = async {
        let mut header = [0; 6];
        stream.read_exact(&mut header).await.ok()?;
        let mut body = vec![0; u32::from_be_bytes(header[2..6].try_into().unwrap()) as usize];
        stream.read_exact(&mut body).await.ok()?;
        Some((header[0], body))
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.ok().flatten()
}

/// The status element of a response's P-DATA body.
fn status(body: &[u8]) -> Option<u16> {
    let at = body.windows(8).position(|window| window == [0, 0, 0, 9, 2, 0, 0, 0])?;
    Some(u16::from_le_bytes([body[at + 8], body[at + 9]]))
}

fn tool(name: &str) -> bool {
    let found = Command::new(name).arg("--version").output().is_ok();
    if !found {
        println!("skipped: {name} (DCMTK) is not installed");
    }
    found
}

/// A small data set in explicit VR little endian with its file meta, and the data set alone.
fn small_file(sop_instance: &str, bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let mut data_set = Vec::new();
    let mut element = |group: u16, number: u16, vr: &[u8; 2], value: &str| {
        let padded = if value.len() % 2 == 1 {
            format!("{value}\0")
        } else {
            value.to_owned()
        };
        data_set.extend_from_slice(&group.to_le_bytes());
        data_set.extend_from_slice(&number.to_le_bytes());
        data_set.extend_from_slice(vr);
        data_set.extend_from_slice(&(padded.len() as u16).to_le_bytes());
        data_set.extend_from_slice(padded.as_bytes());
    };
    element(0x0008, 0x0016, b"UI", "1.2.840.10008.5.1.4.1.1.7");
    element(0x0008, 0x0018, b"UI", sop_instance);
    element(0x0020, 0x000D, b"UI", "1.2.3.1");
    element(0x0020, 0x000E, b"UI", "1.2.3.2");
    data_set.extend_from_slice(&[0xE0, 0x7F, 0x10, 0x00, b'O', b'B', 0, 0]);
    data_set.extend_from_slice(&(bytes as u32).to_le_bytes());
    data_set.extend((0..bytes).map(|index| index as u8));
    let mut file = dimse::file_meta("1.2.840.10008.5.1.4.1.1.7", sop_instance, "1.2.840.10008.1.2.1", "TEST");
    file.extend_from_slice(&data_set);
    (file, data_set)
}

#[tokio::test]
async fn dcmtk_echoes() {
    let running = Running::start(Options::default(), Shelf::default()).await;
    assert!(running.echo().await);
    if tool("echoscu") {
        let port = running.address.port().to_string();
        let output = tokio::task::spawn_blocking(move || {
            Command::new("echoscu")
                .args(["-aet", "DCMTK", "-aec", "ANYNAME", "127.0.0.1", &port])
                .output()
                .unwrap()
        })
        .await
        .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn dcmtk_stores_bytes_that_arrive_untouched() {
    if !tool("storescu") {
        return;
    }
    let running = Running::start(Options::default(), Shelf::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut sent = Vec::new();
    for number in 0..3 {
        // Larger than any PDU, so that the data set comes in fragments.
        let (file, data_set) = small_file(&format!("1.2.3.4.{number}"), 700_000);
        std::fs::File::create(folder.path().join(format!("{number}.dcm")))
            .unwrap()
            .write_all(&file)
            .unwrap();
        sent.push(data_set);
    }
    let port = running.address.port().to_string();
    let path = folder.path().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("storescu")
            .args(["-aet", "DCMTK", "+sd", "127.0.0.1", &port])
            .arg(path)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    assert!(output.status.success(), "{output:?}");
    let shelf = running.stop().await;
    let received = shelf.received.lock().unwrap();
    assert_eq!(received.len(), 3);
    for instance in received.iter() {
        assert_eq!(instance.calling_ae, "DCMTK");
        assert_eq!(instance.transfer_syntax, "1.2.840.10008.1.2.1");
        let number: usize = instance.sop_instance_uid.rsplit('.').next().unwrap().parse().unwrap();
        assert!(
            instance.data_set() == sent[number],
            "the data set of {number} changed on the way"
        );
        if tool("dcmdump") {
            let path = folder.path().join("received.dcm");
            std::fs::write(&path, &instance.file).unwrap();
            let dump = Command::new("dcmdump").arg(&path).output().unwrap();
            assert!(dump.status.success(), "{dump:?}");
            assert!(dump.stderr.is_empty(), "{}", String::from_utf8_lossy(&dump.stderr));
        }
    }
}

#[tokio::test]
async fn the_stores_refusal_reaches_the_peer() {
    let running = Running::start(
        Options::default(),
        Shelf {
            refuse: true,
            ..Shelf::default()
        },
    )
    .await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream
        .write_all(&association_request("1.2.840.10008.5.1.4.1.1.7"))
        .await
        .unwrap();
    assert_eq!(read_pdu(&mut stream).await.unwrap().0, 2);
    stream
        .write_all(&p_data(1, 0x03, &command(1, 0, "1.2.840.10008.5.1.4.1.1.7", "1.2.3")))
        .await
        .unwrap();
    stream.write_all(&p_data(1, 0x00, b"half a data ")).await.unwrap();
    stream.write_all(&p_data(1, 0x02, b"set")).await.unwrap();
    let (kind, body) = read_pdu(&mut stream).await.unwrap();
    assert_eq!((kind, status(&body)), (4, Some(0xC000)));
    let shelf = running.stop().await;
    assert_eq!(shelf.received.lock().unwrap()[0].data_set(), b"half a data set");
}

#[tokio::test]
async fn a_data_set_over_the_limit_is_refused_and_the_association_goes_on() {
    let options = Options {
        max_data_set: 1000,
        ..Options::default()
    };
    let running = Running::start(options, Shelf::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream
        .write_all(&association_request("1.2.840.10008.5.1.4.1.1.7"))
        .await
        .unwrap();
    assert_eq!(read_pdu(&mut stream).await.unwrap().0, 2);
    for (bytes, expect) in [(1500, 0xA700), (1000, 0)] {
        stream
            .write_all(&p_data(1, 0x03, &command(1, 0, "1.2.840.10008.5.1.4.1.1.7", "1.2.3")))
            .await
            .unwrap();
        stream.write_all(&p_data(1, 0x02, &vec![7; bytes])).await.unwrap();
        let (_, body) = read_pdu(&mut stream).await.unwrap();
        assert_eq!(status(&body), Some(expect), "{bytes} bytes");
    }
    let shelf = running.stop().await;
    assert_eq!(shelf.received.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_operation_that_is_not_served_is_answered_so() {
    let running = Running::start(Options::default(), Shelf::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream
        .write_all(&association_request("1.2.840.10008.5.1.4.1.1.7"))
        .await
        .unwrap();
    assert_eq!(read_pdu(&mut stream).await.unwrap().0, 2);
    // C-FIND-RQ with an identifier.
    stream
        .write_all(&p_data(1, 0x03, &command(0x0020, 0, "1.2.840.10008.5.1.4.1.1.7", "")))
        .await
        .unwrap();
    stream.write_all(&p_data(1, 0x02, b"query")).await.unwrap();
    let (_, body) = read_pdu(&mut stream).await.unwrap();
    assert_eq!(status(&body), Some(0x0211));
    assert!(running.stop().await.received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_full_house_turns_peers_away_and_takes_them_later() {
    let options = Options {
        max_associations: 1,
        ..Options::default()
    };
    let running = Running::start(options, Shelf::default()).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    first
        .write_all(&association_request("1.2.840.10008.1.1"))
        .await
        .unwrap();
    assert_eq!(read_pdu(&mut first).await.unwrap().0, 2);
    let mut second = TcpStream::connect(running.address).await.unwrap();
    second
        .write_all(&association_request("1.2.840.10008.1.1"))
        .await
        .unwrap();
    // A-ASSOCIATE-RJ: transient, presentation service, temporary congestion.
    assert_eq!(read_pdu(&mut second).await.unwrap(), (3, vec![0, 2, 3, 1]));
    drop(first);
    let mut served = false;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if running.echo().await {
            served = true;
            break;
        }
    }
    assert!(served);
    running.stop().await;
}

#[tokio::test]
async fn silence_ends_an_association() {
    let options = Options {
        open_timeout: Duration::from_millis(100),
        pdu_timeout: Duration::from_millis(100),
        ..Options::default()
    };
    let running = Running::start(options, Shelf::default()).await;
    for greeting in [Vec::new(), vec![1, 0, 0, 0], association_request("1.2.840.10008.1.1")] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(&greeting).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "a silent peer was kept");
    }
    running.stop().await;
}

/// A small generator, so that a failure can be repeated from its seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[tokio::test]
async fn three_hundred_bad_peers_harm_nobody_else() {
    let options = Options {
        pdu_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    let running = Running::start(options, Shelf::default()).await;
    let mut noise = Noise(0x5EED);
    let mut conversation = association_request("1.2.840.10008.5.1.4.1.1.7");
    conversation.extend(p_data(1, 0x03, &command(1, 0, "1.2.840.10008.5.1.4.1.1.7", "1.2.3")));
    conversation.extend(p_data(1, 0x02, &[9; 64]));
    for round in 0..300 {
        let mut bytes = if round % 3 == 0 {
            (0..200).map(|_| noise.next() as u8).collect()
        } else {
            let mut damaged = conversation.clone();
            for _ in 0..=noise.next() % 4 {
                let at = noise.next() as usize % damaged.len();
                damaged[at] = noise.next() as u8;
            }
            damaged
        };
        bytes.truncate(bytes.len() - noise.next() as usize % 20);
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "round {round} was kept");
    }
    assert!(running.echo().await);
    running.stop().await;
}

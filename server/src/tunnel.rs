//! Streams of SPDY: exec, attach and port-forward as older kubectl and port-forward's tunnel have them.
//! Models the kubelet's `pkg/kubelet/cri/streaming` `remotecommand/httpstream.go` and `portforward/httpstream.go`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use podarium_core::apiserver::KubeletCall;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::channels::status_text;
use crate::forward;
use crate::remote::{FromClient, Remote, ToClient};
use crate::spdy::{Session, Stream, StreamSender};
use crate::tank::Tank;

/// How long a client may take to open its streams: upstream's DefaultStreamCreationTimeout.
const CREATION_TIMEOUT: Duration = Duration::from_secs(30);

/// What exec and attach speak over SPDY, the best first.
pub const REMOTE_PROTOCOLS: [&str; 4] =
    ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];

/// What port-forward speaks over SPDY.
pub const FORWARD_PROTOCOL: &str = "portforward.k8s.io";

/// The same within a WebSocket.
pub const TUNNEL_PROTOCOL: &str = "SPDY/3.1+portforward.k8s.io";

/// A connection whose bytes travel in the messages of a WebSocket.
pub fn within(socket: WebSocket) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move {
        let (mut writer, mut reader) = socket.split();
        let (mut from_session, mut to_session) = tokio::io::split(theirs);
        let reading = async {
            while let Some(Ok(message)) = reader.next().await {
                if let Message::Binary(bytes) = message
                    && to_session.write_all(&bytes).await.is_err()
                {
                    return;
                }
            }
        };
        let writing = async {
            let mut bytes = BytesMut::with_capacity(64 << 10);
            while from_session.read_buf(&mut bytes).await.is_ok_and(|n| n > 0) {
                if writer.send(Message::Binary(bytes.split().freeze())).await.is_err() {
                    return;
                }
                bytes.reserve(64 << 10);
            }
            // A client that has left need not be told.
            let frame = CloseFrame { code: close_code::NORMAL, reason: "".into() };
            let _ = writer.send(Message::Close(Some(frame))).await;
        };
        tokio::select! {
            () = reading => {}
            () = writing => {}
        }
    });
    ours
}

/// The streams of one exec or attach.
#[derive(Default)]
struct RemoteStreams {
    stdin: Option<Stream>,
    stdout: Option<StreamSender>,
    stderr: Option<StreamSender>,
    error: Option<StreamSender>,
}

/// Carries a process's streams over SPDY until the process ends or the client leaves.
pub async fn remote(mut session: Session, protocol: &str, remote: Remote) {
    let Ok(Some(streams)) =
        tokio::time::timeout(CREATION_TIMEOUT, remote_streams(&mut session, protocol, &remote)).await
    else {
        return;
    };
    let RemoteStreams { stdin, stdout, stderr, error } = streams;
    let Remote { to_process, mut from_process, .. } = remote;
    let reading = async {
        if let Some(mut stdin) = stdin {
            while let Some(bytes) = stdin.next().await {
                if !to_process.push(FromClient::Stdin(bytes)).await {
                    break;
                }
            }
            to_process.push(FromClient::StdinClosed).await;
        }
        // The client leaves when its connection does.
        while session.next().await.is_some() {}
    };
    let writing = async {
        while let Some(item) = from_process.next().await {
            let (stream, bytes) = match item {
                ToClient::Stdout(bytes) => (&stdout, bytes),
                ToClient::Stderr(bytes) => (&stderr, bytes),
                ToClient::Status(status) => {
                    (&error, status_text(protocol, &status).map(Bytes::from).unwrap_or_default())
                }
            };
            if let Some(stream) = stream
                && stream.send(bytes).await.is_err()
            {
                return;
            }
        }
        for stream in [&stdout, &stderr, &error].into_iter().flatten() {
            stream.finish().await;
        }
    };
    tokio::select! {
        () = reading => return,
        () = writing => {}
    }
    // The client closes the connection once it has read all.
    let rest = async { while session.next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(2), rest).await;
}

async fn remote_streams(session: &mut Session, protocol: &str, remote: &Remote) -> Option<RemoteStreams> {
    let wanted = remote.wanted;
    let mut streams = RemoteStreams::default();
    // From version 3 on a terminal has a stream for its size.
    let resize = wanted.tty && (protocol.starts_with("v4") || protocol.starts_with("v3"));
    let count = [true, wanted.stdin, wanted.stdout, wanted.stderr, resize].into_iter().filter(|x| *x).count();
    for _ in 0..count {
        let stream = session.next().await?;
        stream.accept().await.ok()?;
        match stream.header("streamtype") {
            Some("stdin") => streams.stdin = Some(stream),
            Some("stdout") => streams.stdout = Some(stream.sender()),
            Some("stderr") => streams.stderr = Some(stream.sender()),
            Some("error") => streams.error = Some(stream.sender()),
            Some("resize") => {}
            _ => return None,
        }
    }
    Some(streams)
}

/// Carries connections to a pod's ports over SPDY: each is a pair of streams, for data and for what went wrong.
pub async fn forward(mut session: Session, tank: Tank, call: KubeletCall) {
    let mut halves: BTreeMap<String, Stream> = BTreeMap::new();
    while let Some(stream) = session.next().await {
        let port = stream.header("port").and_then(|port| port.parse::<u16>().ok());
        let kind = stream.header("streamtype").unwrap_or_default().to_owned();
        let (Some(port), "data" | "error") = (port, kind.as_str()) else {
            stream.refuse().await;
            continue;
        };
        if stream.accept().await.is_err() {
            return;
        }
        // Clients before 1.10 sent no number: their pairs follow each other.
        let request = match stream.header("requestid") {
            Some(id) => id.to_owned(),
            None if kind == "error" => stream.id.to_string(),
            None => stream.id.saturating_sub(2).to_string(),
        };
        let Some(other) = halves.remove(&request) else {
            halves.insert(request, stream);
            continue;
        };
        let (data, error) = if kind == "data" { (stream, other) } else { (other, stream) };
        let (tank, call) = (tank.clone(), call.clone());
        tokio::spawn(async move { connection(&tank, &call, port, data, error).await });
    }
}

async fn connection(tank: &Tank, call: &KubeletCall, port: u16, mut data: Stream, error: Stream) {
    let (to_client, problems) = (data.sender(), error.sender());
    let opened = forward::open(tank, call, port).await;
    let forward::Connection { to_pod, mut from_pod, .. } = match opened {
        Ok(connection) => connection,
        Err(why) => {
            // A client that has left need not be told.
            let _ = problems.send(why.into()).await;
            problems.finish().await;
            to_client.finish().await;
            return;
        }
    };
    let sending = async {
        while let Some(bytes) = data.next().await {
            if !to_pod.push(bytes).await {
                break;
            }
        }
        // No more comes from the client; the pod may still answer.
        drop(to_pod);
        std::future::pending::<()>().await;
    };
    let receiving = async {
        while let Some(bytes) = from_pod.next().await {
            if to_client.send(bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = sending => {}
        () = receiving => {}
    }
    problems.finish().await;
    to_client.finish().await;
}

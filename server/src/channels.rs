//! Streams numbered within the messages of a WebSocket. Models `staging/src/k8s.io/apimachinery` `pkg/util/httpstream/wsstream`
//! and the kubelet's two users of it.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use podarium_core::apiserver::KubeletCall;
use tokio::sync::mpsc;

use crate::forward;
use crate::remote::{FromClient, Remote, ToClient};
use crate::tank::Tank;

/// What exec and attach speak, the best first.
pub const REMOTE_PROTOCOLS: [&str; 5] =
    ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io"];

/// What port-forward speaks, besides SPDY in a tunnel.
pub const FORWARD_PROTOCOLS: [&str; 2] = ["v4.channel.k8s.io", "v4.base64.channel.k8s.io"];

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
/// Version 5: the other end of the channel named next is closed.
const CLOSE: u8 = 255;

/// How long a client may take to close its end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How bytes of a channel become messages.
#[derive(Clone, Copy)]
struct Codec {
    base64: bool,
}

impl Codec {
    fn of(protocol: &str) -> Self {
        Codec { base64: protocol.contains("base64") }
    }

    fn encode(self, channel: u8, bytes: &[u8]) -> Message {
        if self.base64 {
            return Message::Text(format!("{channel}{}", STANDARD.encode(bytes)).into());
        }
        let mut message = BytesMut::with_capacity(1 + bytes.len());
        message.put_u8(channel);
        message.put_slice(bytes);
        Message::Binary(message.freeze())
    }

    /// The channel and bytes of a message; `None` for one that carries none.
    fn decode(self, message: Message) -> Option<(u8, Bytes)> {
        let mut bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => Bytes::from(text),
            _ => return None,
        };
        if bytes.is_empty() {
            return None;
        }
        let channel = bytes.split_to(1).first().copied()?;
        if !self.base64 {
            return Some((channel, bytes));
        }
        let channel = channel.checked_sub(b'0').filter(|c| *c < 10)?;
        STANDARD.decode(&bytes).ok().map(|decoded| (channel, decoded.into()))
    }
}

type Writer = SplitSink<WebSocket, Message>;
type Reader = SplitStream<WebSocket>;

/// Carries a process's streams over a WebSocket until the process ends or the client leaves.
pub async fn remote(socket: WebSocket, protocol: &str, remote: Remote) {
    let codec = Codec::of(protocol);
    let (mut writer, mut reader) = socket.split();
    let Remote { wanted, to_process, mut from_process } = remote;
    // An empty message on the first channel tells the client that it is connected.
    let first = if wanted.stdout {
        STDOUT
    } else if wanted.stderr {
        STDERR
    } else {
        ERROR
    };
    if writer.send(codec.encode(first, &[])).await.is_err() {
        return;
    }
    let reading = async {
        while let Some(Ok(message)) = reader.next().await {
            let item = match codec.decode(message) {
                Some((STDIN, bytes)) => FromClient::Stdin(bytes),
                Some((CLOSE, bytes)) if bytes.first() == Some(&STDIN) => FromClient::StdinClosed,
                _ => continue,
            };
            if !to_process.push(item).await {
                // The process has ended; the client is still to be read for its close.
                std::future::pending::<()>().await;
            }
        }
    };
    let writing = async {
        while let Some(item) = from_process.next().await {
            let message = match item {
                ToClient::Stdout(bytes) => codec.encode(STDOUT, &bytes),
                ToClient::Stderr(bytes) => codec.encode(STDERR, &bytes),
                ToClient::Status(status) => match status_text(protocol, &status) {
                    Some(text) => codec.encode(ERROR, text.as_bytes()),
                    None => continue,
                },
            };
            if writer.send(message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => return,
        () = writing => {}
    }
    close(writer, reader).await;
}

/// What the error stream says: from version 4 on all of the status, before it only what failed.
pub fn status_text(protocol: &str, status: &serde_json::Value) -> Option<String> {
    if protocol.starts_with("v4") || protocol.starts_with("v5") {
        return Some(status.to_string());
    }
    (status["status"] != "Success").then(|| status["message"].as_str().unwrap_or_default().to_owned())
}

async fn close(mut writer: Writer, mut reader: Reader) {
    // A client that has left need not be told.
    let frame = CloseFrame { code: close_code::NORMAL, reason: "".into() };
    if writer.send(Message::Close(Some(frame))).await.is_err() {
        return;
    }
    let rest = async { while let Some(Ok(_)) = reader.next().await {} };
    // A client that does not answer loses its connection.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, rest).await;
}

/// The ports that a request asks for.
pub fn ports(call: &KubeletCall) -> Vec<u16> {
    call.all("ports").flat_map(|ports| ports.split(',')).filter_map(|port| port.trim().parse().ok()).collect()
}

/// Carries connections to ports over a WebSocket, two channels each: data, and what went wrong.
pub async fn forward(socket: WebSocket, protocol: &str, tank: Tank, call: KubeletCall) {
    let codec = Codec::of(protocol);
    let (mut writer, mut reader) = socket.split();
    let (to_client, mut from_pods) = mpsc::channel::<Message>(64);
    let mut pods = Vec::new();
    for (i, port) in ports(&call).into_iter().enumerate() {
        // A channel's number is one byte.
        let Ok(channel) = u8::try_from(i * 2).and_then(|c| u8::try_from(usize::from(c) + 1).map(|_| c)) else { break };
        let (to_pod, from_client) = mpsc::channel::<Bytes>(64);
        pods.push(to_pod);
        let (tank, call, to_client) = (tank.clone(), call.clone(), to_client.clone());
        tokio::spawn(async move {
            // Both channels begin with the port's number.
            for channel in [channel, channel + 1] {
                if to_client.send(codec.encode(channel, &port.to_le_bytes())).await.is_err() {
                    return;
                }
            }
            if let Err(why) = port_channel(&tank, &call, port, (codec, channel), from_client, &to_client).await {
                // The client may have left meanwhile.
                let _ = to_client.send(codec.encode(channel + 1, why.as_bytes())).await;
            }
        });
    }
    drop(to_client);
    let reading = async {
        while let Some(Ok(message)) = reader.next().await {
            let Some((channel, bytes)) = codec.decode(message) else { continue };
            if channel % 2 == 0
                && let Some(to_pod) = pods.get(usize::from(channel / 2))
            {
                // A connection that has ended takes no more.
                let _ = to_pod.send(bytes).await;
            }
        }
    };
    let writing = async {
        while let Some(message) = from_pods.recv().await {
            if writer.send(message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => return,
        () = writing => {}
    }
    close(writer, reader).await;
}

async fn port_channel(
    tank: &Tank,
    call: &KubeletCall,
    port: u16,
    (codec, channel): (Codec, u8),
    mut from_client: mpsc::Receiver<Bytes>,
    to_client: &mpsc::Sender<Message>,
) -> Result<(), String> {
    let forward::Connection { to_pod, mut from_pod, .. } = forward::open(tank, call, port).await?;
    let sending = async {
        while let Some(bytes) = from_client.recv().await {
            if !to_pod.push(bytes).await {
                // The pod takes no more, but what it sent before is still to be read.
                std::future::pending::<()>().await;
            }
        }
    };
    let receiving = async {
        while let Some(bytes) = from_pod.next().await {
            if to_client.send(codec.encode(channel, &bytes)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = sending => {}
        () = receiving => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_carry_channels() {
        let (plain, base64) = (Codec::of("v5.channel.k8s.io"), Codec::of("v4.base64.channel.k8s.io"));
        assert_eq!(plain.encode(1, b"hi"), Message::Binary(Bytes::from_static(b"\x01hi")));
        assert_eq!(base64.encode(1, b"hi"), Message::Text("1aGk=".into()));
        for codec in [plain, base64] {
            assert_eq!(codec.decode(codec.encode(2, b"\xff\0")), Some((2, Bytes::from_static(b"\xff\0"))));
        }
        assert_eq!(plain.decode(Message::Binary(Bytes::new())), None);
        assert_eq!(base64.decode(Message::Text("x".into())), None);
        assert_eq!(base64.decode(Message::Text("0!".into())), None);
        assert_eq!(plain.decode(Message::Ping(Bytes::from_static(b"12"))), None);
    }
}

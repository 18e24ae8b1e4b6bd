//! A connection whose client opens streams.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::frame::Frame;
use super::headers::{Headers, Reader, Writer};

/// How many frames wait on either side before the writer of them waits too.
const FRAMES_MAX: usize = 64;

/// More streams at once than any client needs.
const STREAMS_MAX: usize = 4_096;

/// Data is sent in frames of at most this size.
const DATA_BYTES_MAX: usize = 32 << 10;

/// RST_STREAM's status for a stream that is not wanted.
const REFUSED_STREAM: u32 = 3;

/// What is to be sent: headers are compressed in the order in which they are written.
enum Outgoing {
    Frame(Frame),
    Reply { stream: u32 },
}

/// A connection. It ends when this and the senders of all its streams are dropped, or the client leaves.
pub struct Session {
    incoming: mpsc::Receiver<Stream>,
    receiving: AbortHandle,
}

/// A stream that the client opened.
pub struct Stream {
    /// Its number.
    pub id: u32,
    headers: Headers,
    data: mpsc::Receiver<Bytes>,
    outgoing: mpsc::Sender<Outgoing>,
}

/// The sending half of a stream.
#[derive(Clone)]
pub struct StreamSender {
    id: u32,
    outgoing: mpsc::Sender<Outgoing>,
}

/// The client has left.
#[derive(Clone, Copy, Debug)]
pub struct Left;

impl Session {
    /// Speaks SPDY over a connection.
    pub fn start(connection: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (read, write) = tokio::io::split(connection);
        let (outgoing, to_send) = mpsc::channel(FRAMES_MAX);
        let (opened, incoming) = mpsc::channel(FRAMES_MAX);
        tokio::spawn(send(write, to_send));
        let receiver = Receiver { opened, outgoing, streams: BTreeMap::new(), reader: Reader::new() };
        let receiving = tokio::spawn(receiver.run(read)).abort_handle();
        Session { incoming, receiving }
    }

    /// The next stream that the client opens; `None` when it has left.
    pub async fn next(&mut self) -> Option<Stream> {
        self.incoming.recv().await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

impl Stream {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Takes the stream: the client may use it from now on.
    pub async fn accept(&self) -> Result<(), Left> {
        self.outgoing.send(Outgoing::Reply { stream: self.id }).await.map_err(|_| Left)
    }

    /// Refuses it.
    pub async fn refuse(self) {
        self.sender().reset(REFUSED_STREAM).await;
    }

    /// The next bytes from the client; `None` when it sends no more.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.data.recv().await
    }

    /// The sending half.
    pub fn sender(&self) -> StreamSender {
        StreamSender { id: self.id, outgoing: self.outgoing.clone() }
    }
}

impl StreamSender {
    /// Sends bytes.
    pub async fn send(&self, bytes: Bytes) -> Result<(), Left> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let bytes = rest.split_to(rest.len().min(DATA_BYTES_MAX));
            let frame = Frame::Data { stream: self.id, fin: false, bytes };
            self.outgoing.send(Outgoing::Frame(frame)).await.map_err(|_| Left)?;
        }
        Ok(())
    }

    /// Sends no more.
    pub async fn finish(&self) {
        let frame = Frame::Data { stream: self.id, fin: true, bytes: Bytes::new() };
        // A client that has left need not be told.
        let _ = self.outgoing.send(Outgoing::Frame(frame)).await;
    }

    async fn reset(&self, status: u32) {
        let frame = Frame::RstStream { stream: self.id, status };
        // A client that has left need not be told.
        let _ = self.outgoing.send(Outgoing::Frame(frame)).await;
    }
}

async fn send(mut write: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Outgoing>) {
    let (mut writer, mut bytes) = (Writer::new(), BytesMut::new());
    while let Some(first) = frames.recv().await {
        let mut next = Some(first);
        while let Some(outgoing) = next {
            match outgoing {
                Outgoing::Frame(frame) => frame.write(&mut bytes),
                Outgoing::Reply { stream } => {
                    let block = writer.write(&Headers::new()).into();
                    Frame::SynReply { stream, fin: false, block }.write(&mut bytes);
                }
            }
            next = frames.try_recv().ok();
        }
        if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
            return;
        }
        bytes.clear();
    }
    // The client may have closed it already.
    let _ = write.shutdown().await;
}

struct Receiver {
    opened: mpsc::Sender<Stream>,
    outgoing: mpsc::Sender<Outgoing>,
    streams: BTreeMap<u32, mpsc::Sender<Bytes>>,
    reader: Reader,
}

impl Receiver {
    async fn run(mut self, mut read: impl AsyncRead + Unpin) {
        let mut buffer = BytesMut::with_capacity(64 << 10);
        loop {
            loop {
                match Frame::take(&mut buffer) {
                    Ok(Some(frame)) => {
                        if self.frame(frame).await.is_none() {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
            match read.read_buf(&mut buffer).await {
                Ok(n) if n > 0 => {}
                _ => return,
            }
        }
    }

    /// Does what a frame says; `None` at the end of the connection.
    async fn frame(&mut self, frame: Frame) -> Option<()> {
        match frame {
            Frame::SynStream { stream, fin, block } => {
                // A block that can't be read spoils all that follow.
                let headers = self.reader.read(&block)?;
                if self.streams.len() >= STREAMS_MAX {
                    let frame = Frame::RstStream { stream, status: REFUSED_STREAM };
                    return self.outgoing.send(Outgoing::Frame(frame)).await.ok();
                }
                let (to_stream, data) = mpsc::channel(FRAMES_MAX);
                if !fin {
                    self.streams.insert(stream, to_stream);
                }
                let outgoing = self.outgoing.clone();
                self.opened.send(Stream { id: stream, headers, data, outgoing }).await.ok()?;
            }
            Frame::Headers { block, stream, fin } | Frame::SynReply { block, stream, fin } => {
                self.reader.read(&block)?;
                if fin {
                    self.streams.remove(&stream);
                }
            }
            Frame::Data { stream, fin, bytes } => {
                if let Some(to_stream) = self.streams.get(&stream)
                    && !bytes.is_empty()
                {
                    // Bytes for a stream that nobody reads any more are dropped.
                    let _ = to_stream.send(bytes).await;
                }
                if fin {
                    self.streams.remove(&stream);
                }
            }
            Frame::RstStream { stream, .. } => {
                self.streams.remove(&stream);
            }
            Frame::Ping { id } => {
                // Ours would have even numbers; we send none.
                if id % 2 == 1 {
                    self.outgoing.send(Outgoing::Frame(Frame::Ping { id })).await.ok()?;
                }
            }
            Frame::GoAway { .. } | Frame::Other => {}
        }
        Some(())
    }
}

//! A client that adds nothing: one connection, one request at a time, bytes as they come.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;

/// What went wrong on a connection.
#[derive(Debug)]
pub struct Failure(pub String);

impl<T: fmt::Display> From<T> for Failure {
    fn from(error: T) -> Self {
        Failure(error.to_string())
    }
}

/// One connection to a server that speaks plain HTTP.
pub struct Client {
    host: String,
    token: String,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects as the administrator of a server that was started with `token`.
    pub async fn connect(host: &str, token: &str) -> Result<Client, Failure> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the client, and what goes wrong on it is told to whoever sends.
        tokio::spawn(connection);
        Ok(Client { host: host.to_owned(), token: token.to_owned(), sender })
    }

    /// Sends a request, and hands over the answer while its body is still on its way.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", &self.host)
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json")
            .header("User-Agent", "podarium-tests/1")
            .body(Full::new(body.into()))?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Sends a request and reads all of the answer.
    pub async fn bytes(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let response = self.send(method, path, body).await?;
        Ok((response.status(), response.into_body().collect().await?.to_bytes()))
    }

    /// Sends a request that must succeed, and reads its answer as JSON.
    pub async fn ask(&mut self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
        let (code, bytes) = self.bytes(method.clone(), path, body).await?;
        if !code.is_success() {
            return Err(Failure(format!("{method} {path}: {code} {}", String::from_utf8_lossy(&bytes))));
        }
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// GET.
    pub async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, &Value::Null).await
    }

    /// POST.
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, body).await
    }

    /// Opens a stream of lines, such as a watch; the connection is its from now on.
    pub async fn lines(mut self, path: &str) -> Result<Lines, Failure> {
        let response = self.send(Method::GET, path, Bytes::new()).await?;
        if !response.status().is_success() {
            let code = response.status();
            let bytes = response.into_body().collect().await?.to_bytes();
            return Err(Failure(format!("GET {path}: {code} {}", String::from_utf8_lossy(&bytes))));
        }
        Ok(Lines { body: response.into_body(), buffer: BytesMut::new(), _client: self })
    }
}

/// A body line by line.
pub struct Lines {
    body: Incoming,
    buffer: BytesMut,
    /// Dropped, the connection ends.
    _client: Client,
}

impl Lines {
    /// The next line; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer.get(searched..).unwrap_or_default().iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(searched + at + 1);
                return Ok(Some(line.freeze()));
            }
            searched = self.buffer.len();
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                None => return Ok(None),
            }
        }
    }

    /// The next line as JSON; an error at the end.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let line = self.next().await?.ok_or_else(|| Failure("the stream has ended".to_owned()))?;
        Ok(serde_json::from_slice(&line)?)
    }
}

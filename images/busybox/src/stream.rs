//! What commands read from and write to: descriptors, pipes between commands, and captured output.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Poll, Waker};

use podarium_guest::{fs, io};

/// What a pipe holds before its writer waits.
const PIPE_BYTES_MAX: usize = 64 << 10;

/// A pipe's two ends share this.
#[derive(Default)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    writers: usize,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// An open descriptor of a file, closed with its last user.
pub struct OpenFile(pub u32);

impl Drop for OpenFile {
    fn drop(&mut self) {
        fs::close(self.0);
    }
}

/// Where output goes.
#[derive(Clone)]
pub enum Output {
    Fd(u32),
    File(Rc<OpenFile>),
    Pipe(Writer),
    Capture(Rc<RefCell<Vec<u8>>>),
}

/// Where input comes from.
#[derive(Clone)]
pub enum Input {
    Fd(u32),
    File(Rc<OpenFile>),
    Pipe(Rc<Reader>),
}

/// The end of a pipe that is written to.
pub struct Writer(Rc<RefCell<Pipe>>);

/// The end that is read.
pub struct Reader(Rc<RefCell<Pipe>>);

/// A new pipe.
pub fn pipe() -> (Writer, Rc<Reader>) {
    let shared = Rc::new(RefCell::new(Pipe { writers: 1, ..Pipe::default() }));
    (Writer(shared.clone()), Rc::new(Reader(shared)))
}

impl Clone for Writer {
    fn clone(&self) -> Self {
        self.0.borrow_mut().writers += 1;
        Writer(self.0.clone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut pipe = self.0.borrow_mut();
        pipe.writers -= 1;
        if let Some(waker) = pipe.reader.take() {
            waker.wake();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut pipe = self.0.borrow_mut();
        pipe.reader_gone = true;
        if let Some(waker) = pipe.writer.take() {
            waker.wake();
        }
    }
}

impl Output {
    /// Writes everything. False once nobody reads any more.
    pub async fn write(&self, bytes: &[u8]) -> bool {
        match self {
            Output::Fd(fd) => io::write_all(*fd, bytes).await.is_ok(),
            Output::File(file) => io::write_all(file.0, bytes).await.is_ok(),
            Output::Capture(captured) => {
                captured.borrow_mut().extend_from_slice(bytes);
                true
            }
            Output::Pipe(writer) => {
                std::future::poll_fn(|context| {
                    let mut pipe = writer.0.borrow_mut();
                    if pipe.reader_gone {
                        return Poll::Ready(false);
                    }
                    if pipe.bytes.len() >= PIPE_BYTES_MAX {
                        pipe.writer = Some(context.waker().clone());
                        return Poll::Pending;
                    }
                    pipe.bytes.extend(bytes);
                    if let Some(waker) = pipe.reader.take() {
                        waker.wake();
                    }
                    Poll::Ready(true)
                })
                .await
            }
        }
    }

    pub async fn print(&self, text: &str) -> bool {
        self.write(text.as_bytes()).await
    }
}

impl Input {
    /// The next bytes; none at the end.
    pub async fn read(&self) -> Vec<u8> {
        let fd = match self {
            Input::Fd(fd) => *fd,
            Input::File(file) => file.0,
            Input::Pipe(reader) => {
                return std::future::poll_fn(|context| {
                    let mut pipe = reader.0.borrow_mut();
                    if pipe.bytes.is_empty() && pipe.writers > 0 {
                        pipe.reader = Some(context.waker().clone());
                        return Poll::Pending;
                    }
                    let bytes: Vec<u8> = pipe.bytes.drain(..).collect();
                    if let Some(waker) = pipe.writer.take() {
                        waker.wake();
                    }
                    Poll::Ready(bytes)
                })
                .await;
            }
        };
        let mut buffer = [0; 2_048];
        let count = io::read(fd, &mut buffer).await.unwrap_or(0);
        buffer[..count].to_vec()
    }

    pub async fn read_to_end(&self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = self.read().await;
            if bytes.is_empty() {
                return all;
            }
            all.extend(bytes);
        }
    }

    /// One byte after the other until a line's end, so that what follows stays for the next reader.
    pub async fn read_line(&self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let byte = match self {
                Input::Pipe(reader) => {
                    let next = reader.0.borrow_mut().bytes.pop_front();
                    match next {
                        Some(byte) => byte,
                        None => {
                            let bytes = self.read().await;
                            if bytes.is_empty() {
                                return (!line.is_empty()).then_some(line);
                            }
                            let mut pipe = reader.0.borrow_mut();
                            bytes.iter().rev().for_each(|byte| pipe.bytes.push_front(*byte));
                            continue;
                        }
                    }
                }
                Input::Fd(fd) => {
                    let mut byte = [0];
                    match io::read(*fd, &mut byte).await {
                        Ok(1) => byte[0],
                        _ => return (!line.is_empty()).then_some(line),
                    }
                }
                Input::File(file) => {
                    let mut byte = [0];
                    match io::read(file.0, &mut byte).await {
                        Ok(1) => byte[0],
                        _ => return (!line.is_empty()).then_some(line),
                    }
                }
            };
            if byte == b'\n' {
                return Some(line);
            }
            line.push(byte);
        }
    }
}

/// A command's three streams.
#[derive(Clone)]
pub struct Streams {
    pub input: Input,
    pub out: Output,
    pub err: Output,
}

impl Streams {
    pub fn standard() -> Self {
        Streams { input: Input::Fd(0), out: Output::Fd(1), err: Output::Fd(2) }
    }
}

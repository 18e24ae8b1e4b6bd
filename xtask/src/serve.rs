//! `cargo xtask serve`, and the small HTTP server of static files that tests use as well.

use std::fs;
use std::hash::Hasher as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::args;
use crate::build::{self, Flavour};
use crate::compress;
use crate::process;
use crate::report::{Context as _, Result};

const PORT: u16 = 8080;

/// Where a server for benches tells what it sent: a line for each answer with a body, its bytes and its path.
const JOURNAL: &str = "/.sent";

/// What a server has sent.
type Journal = Arc<Mutex<String>>;

/// Requests are for our own page; what exceeds this is not.
const REQUEST_BYTES_MAX: u64 = 16 * 1024;

pub fn command(parser: &mut lexopt::Parser) -> Result<()> {
    let mut port = PORT;
    let mut fast = false;
    let mut open = true;
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("port") => {
                let value = parser.value()?.to_string_lossy().into_owned();
                port = value.parse().map_err(|_| format!("'{value}' is not a port: give 0 to 65535"))?;
            }
            lexopt::Arg::Long("fast") => fast = true,
            lexopt::Arg::Long("no-open") => open = false,
            other => return args::unexpected("serve", &other),
        }
    }
    // A taken port is better known before the build than after it.
    let listener = listen(port)?;
    let folder = build::page(Flavour::of(fast))?;
    let address = listener.local_addr().context("the server's address")?;
    println!("\nPodarium is at http://{address}/   (Ctrl-C ends it)");
    if open {
        open_in_browser(&format!("http://{address}/"));
    }
    accept(&listener, folder.into(), None);
    Ok(())
}

/// Serves a folder on a free port from a thread that lives as long as the program. What was sent since the last time
/// that somebody asked is told at [`JOURNAL`].
pub fn in_background(folder: PathBuf) -> Result<SocketAddr> {
    let listener = listen(0)?;
    let address = listener.local_addr().context("the server's address")?;
    std::thread::spawn(move || accept(&listener, folder.into(), Some(Arc::default())));
    Ok(address)
}

fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port))
        .context(format_args!("cannot listen on port {port} (another one: --port N, --port 0 for any free one)"))
}

fn accept(listener: &TcpListener, folder: Arc<Path>, journal: Option<Journal>) {
    for stream in listener.incoming().flatten() {
        let (folder, journal) = (folder.clone(), journal.clone());
        std::thread::spawn(move || {
            // A browser that hangs up halfway is no news to anybody.
            let _ = converse(stream, &folder, journal.as_ref());
        });
    }
}

/// Answers the requests of one connection, one after the other.
fn converse(stream: TcpStream, folder: &Path, journal: Option<&Journal>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader)? {
        let response = match journal.and_then(|j| j.lock().ok()) {
            Some(mut sent) if request.path == JOURNAL => Response::of_journal(std::mem::take(&mut *sent)),
            Some(mut sent) => {
                let response = answer(&request, folder);
                if !response.body.is_empty() {
                    sent.push_str(&format!("{} {}\n", response.body.len(), request.path));
                }
                response
            }
            None => answer(&request, folder),
        };
        writer.write_all(&response.into_bytes(request.method == "HEAD"))?;
    }
    Ok(())
}

#[derive(Default)]
struct Request {
    method: String,
    path: String,
    accept_encoding: String,
    if_none_match: String,
}

impl Request {
    fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
        let mut limited = reader.take(REQUEST_BYTES_MAX);
        let mut line = String::new();
        if limited.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let mut request = Request {
            method: words.next().unwrap_or_default().to_owned(),
            path: words.next().unwrap_or_default().to_owned(),
            ..Request::default()
        };
        loop {
            line.clear();
            if limited.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                return Ok(Some(request));
            };
            match name.to_ascii_lowercase().as_str() {
                "accept-encoding" => request.accept_encoding = value.trim().to_owned(),
                "if-none-match" => request.if_none_match = value.trim().to_owned(),
                _ => {}
            }
        }
    }

    fn accepts(&self, encoding: &str) -> bool {
        self.accept_encoding.split(',').any(|item| item.split(';').next().is_some_and(|name| name.trim() == encoding))
    }
}

struct Response {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Response {
    fn text(status: &'static str) -> Response {
        let headers = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
        Response { status, headers, body: format!("{status}\n").into_bytes() }
    }

    fn of_journal(sent: String) -> Response {
        let headers =
            vec![("Content-Type", "text/plain; charset=utf-8".to_owned()), ("Cache-Control", "no-store".to_owned())];
        Response { status: "200 OK", headers, body: sent.into_bytes() }
    }

    fn into_bytes(self, headers_alone: bool) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut out = out.into_bytes();
        if !headers_alone {
            out.extend(self.body);
        }
        out
    }
}

fn answer(request: &Request, folder: &Path) -> Response {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Response::text("405 Method Not Allowed");
    }
    let Some(file) = locate(folder, &request.path) else {
        return Response::text("404 Not Found");
    };
    let encodings = [("br", "br"), ("gzip", "gz")];
    let compressed = encodings.into_iter().find_map(|(encoding, extension)| {
        let neighbour = compress::neighbour(&file, extension);
        (request.accepts(encoding) && neighbour.is_file()).then_some((encoding, neighbour))
    });
    let (encoding, source) = match compressed {
        Some((encoding, source)) => (Some(encoding), source),
        None => (None, file.clone()),
    };
    let Ok(body) = fs::read(&source) else {
        return Response::text("404 Not Found");
    };
    let tag = entity_tag(&body);
    let mut headers = vec![
        ("Content-Type", media_type(&file).to_owned()),
        // The browser may keep a file, and asks each time whether it is still the newest.
        ("Cache-Control", "no-cache".to_owned()),
        ("Vary", "Accept-Encoding".to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
    ];
    if request.if_none_match == tag {
        headers.push(("ETag", tag));
        return Response { status: "304 Not Modified", headers, body: Vec::new() };
    }
    headers.push(("ETag", tag));
    if let Some(encoding) = encoding {
        headers.push(("Content-Encoding", encoding.to_owned()));
    }
    Response { status: "200 OK", headers, body }
}

/// The file that a path of the page means; nothing outside the folder.
fn locate(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = path.split(['?', '#']).next()?.strip_prefix('/')?;
    let relative = Path::new(if path.is_empty() { "index.html" } else { path });
    if !relative.components().all(|component| matches!(component, Component::Normal(_))) {
        return None;
    }
    let file = folder.join(relative);
    let file = if file.is_dir() { file.join("index.html") } else { file };
    file.is_file().then_some(file)
}

fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("yaml" | "yml") => "application/yaml; charset=utf-8",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn entity_tag(body: &[u8]) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(body);
    format!("\"{:016x}-{:x}\"", hasher.finish(), body.len())
}

fn open_in_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    };
    if process::find(opener).is_none() && !cfg!(windows) {
        return;
    }
    let mut command = Command::new(opener);
    let _ = command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("podarium-serve-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("images")).unwrap();
        fs::write(folder.join("index.html"), "<p>tank").unwrap();
        fs::write(folder.join("app_bg.wasm"), "plain").unwrap();
        fs::write(folder.join("app_bg.wasm.br"), "squeezed").unwrap();
        folder
    }

    fn get(folder: &Path, path: &str, accept_encoding: &str, if_none_match: &str) -> Response {
        let request = Request {
            method: "GET".into(),
            path: path.into(),
            accept_encoding: accept_encoding.into(),
            if_none_match: if_none_match.into(),
        };
        answer(&request, folder)
    }

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn serves_compressed_wasm_to_those_who_take_it() {
        let folder = site("br");
        let response = get(&folder, "/app_bg.wasm", "gzip, deflate, br, zstd", "");
        assert_eq!(response.status, "200 OK");
        assert_eq!(response.body, b"squeezed");
        assert_eq!(header(&response, "Content-Encoding"), Some("br"));
        assert_eq!(header(&response, "Content-Type"), Some("application/wasm"));
        let plain = get(&folder, "/app_bg.wasm", "", "");
        assert_eq!(plain.body, b"plain");
        assert_eq!(header(&plain, "Content-Encoding"), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn unchanged_file_is_not_sent_again() {
        let folder = site("etag");
        let first = get(&folder, "/", "", "");
        let tag = header(&first, "ETag").unwrap().to_owned();
        let second = get(&folder, "/?again", "", &tag);
        assert_eq!(second.status, "304 Not Modified");
        assert!(second.body.is_empty());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let folder = site("outside");
        for path in ["/../secret", "/images/../../secret", "//etc/passwd", "no-slash", "/images", ""] {
            assert_eq!(get(&folder, path, "", "").status, "404 Not Found", "{path}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn several_requests_share_a_connection() {
        let folder = site("keep-alive");
        let address = in_background(folder.clone()).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /gone HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect();
        assert_eq!(statuses, ["200", "404"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_server_for_benches_tells_what_it_sent() {
        let folder = site("journal");
        let address = in_background(folder.clone()).unwrap();
        let get = |path: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br\r\n\r\n").as_bytes())
                .unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
        };
        assert_eq!(get("/app_bg.wasm"), "squeezed");
        assert_eq!(get(JOURNAL), "8 /app_bg.wasm\n");
        assert_eq!(get(JOURNAL), "", "told once");
        fs::remove_dir_all(folder).unwrap();
    }
}

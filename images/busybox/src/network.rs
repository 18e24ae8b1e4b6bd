//! Programs that talk to others: wget, curl, nc, nslookup and a small httpd.

use std::net::IpAddr;

use podarium_guest::http::{self, Bad, Request, Response};
use podarium_guest::net::{self, Stream};
use podarium_guest::time::SECOND;
use podarium_guest::{Errno, fs, sleep, spawn, task};

use crate::stream::Streams;

/// Runs one of them.
pub async fn run(name: &str, args: &[String], streams: &mut Streams) -> i32 {
    match name {
        "wget" => wget(args, streams).await,
        "curl" => curl(args, streams).await,
        "nc" => nc(args, streams).await,
        "nslookup" => nslookup(args, streams).await,
        _ => httpd(args, streams).await,
    }
}

/// An address's parts.
struct Url {
    host: String,
    port: u16,
    target: String,
}

fn url(text: &str) -> Option<Url> {
    let rest = match text.split_once("://") {
        Some(("http", rest)) => rest,
        Some(_) => return None,
        None => text,
    };
    let (authority, target) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, 80),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    (!host.is_empty()).then(|| Url { host, port, target: target.to_owned() })
}

enum Failure {
    Address,
    Connect(IpAddr, Errno),
    Timeout,
    Talk,
}

/// Asks for something, in the time there is.
async fn ask(
    url: &Url,
    method: &str,
    headers: &[(String, String)],
    body: &[u8],
    seconds: u64,
    connected: impl AsyncFnOnce(IpAddr),
) -> Result<(u16, String, Vec<u8>), Failure> {
    let talk = async {
        let addresses = net::resolve(&url.host).await.unwrap_or_default();
        let address = *addresses.first().ok_or(Failure::Address)?;
        connected(address).await;
        let mut stream = Stream::connect(address, url.port).await.map_err(|e| Failure::Connect(address, e))?;
        let host = if url.port == 80 { url.host.clone() } else { format!("{}:{}", url.host, url.port) };
        let answer = http::request(&mut stream, method, &host, &url.target, headers, body).await;
        answer.map_err(|_| Failure::Talk).and_then(|answer| if answer.0 == 0 { Err(Failure::Talk) } else { Ok(answer) })
    };
    let late = async {
        sleep(seconds.saturating_mul(SECOND)).await;
        Err(Failure::Timeout)
    };
    task::first(talk, late).await
}

async fn wget(args: &[String], streams: &Streams) -> i32 {
    let mut quiet = false;
    let mut spider = false;
    let mut output: Option<String> = None;
    let mut seconds = 900;
    let mut target = None;
    let mut headers = vec![("User-Agent".to_owned(), "Wget".to_owned())];
    let mut method = "GET";
    let mut body = String::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-q" => quiet = true,
            "--spider" | "-s" => spider = true,
            "-O" => output = rest.next().cloned(),
            "-qO-" | "-qO" if arg.ends_with('-') => {
                quiet = true;
                output = Some("-".to_owned());
            }
            "-qO" => {
                quiet = true;
                output = rest.next().cloned();
            }
            "-O-" => output = Some("-".to_owned()),
            "-T" => seconds = rest.next().and_then(|n| n.parse().ok()).unwrap_or(900),
            "-t" | "--tries" | "-U" => _ = rest.next(),
            "--no-check-certificate" | "-c" | "-S" => {}
            "--header" => {
                if let Some((name, value)) = rest.next().and_then(|h| h.split_once(':')) {
                    headers.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
            "--post-data" => {
                method = "POST";
                body = rest.next().cloned().unwrap_or_default();
            }
            arg if arg.starts_with("--timeout=") => seconds = arg[10..].parse().unwrap_or(900),
            arg if arg.starts_with("-T") => seconds = arg[2..].parse().unwrap_or(900),
            arg if arg.starts_with("--tries=") => {}
            arg if arg.starts_with('-') => {
                streams.err.print(&format!("wget: unrecognized option: {}\n", arg.trim_start_matches('-'))).await;
                return 1;
            }
            arg => target = Some(arg.to_owned()),
        }
    }
    let Some(text) = target else {
        streams.err.print("BusyBox v1.37.0 multi-call binary.\n\nUsage: wget [-qO FILE] [-T SEC] URL...\n").await;
        return 1;
    };
    let Some(mut url) = url(&text) else {
        streams.err.print(&format!("wget: not an http or ftp url: {text}\n")).await;
        return 1;
    };
    for _ in 0..5 {
        let connecting = async |address: IpAddr| {
            if !quiet {
                let words = format!("Connecting to {}:{} ({address}:{})\n", url.host, url.port, url.port);
                streams.err.print(&words).await;
            }
        };
        let verb = if spider { "HEAD" } else { method };
        let answer = ask(&url, verb, &headers, body.as_bytes(), seconds, connecting).await;
        let words = match answer {
            Err(Failure::Address) => format!("wget: bad address '{}'\n", url.host),
            Err(Failure::Connect(address, error)) => {
                format!("wget: can't connect to remote host ({address}): {}\n", error.message())
            }
            Err(Failure::Timeout) => "wget: download timed out\n".to_owned(),
            Err(Failure::Talk) => "wget: error getting response\n".to_owned(),
            Ok((status, head, _)) if (301..=308).contains(&status) => {
                let location = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
                });
                match location.as_deref().map(|to| (to, self::url(to))) {
                    Some((to, _)) if to.starts_with('/') => url.target = to.to_owned(),
                    Some((_, Some(to))) => url = to,
                    _ => return 1,
                }
                continue;
            }
            Ok((status, head, _)) if !(200..300).contains(&status) => {
                format!("wget: server returned error: {}\n", head.lines().next().unwrap_or_default().trim())
            }
            Ok((_, _, bytes)) => {
                if spider {
                    if !quiet {
                        streams.err.print("remote file exists\n").await;
                    }
                    return 0;
                }
                return save(&url, output.as_deref(), quiet, &bytes, streams).await;
            }
        };
        streams.err.print(&words).await;
        return 1;
    }
    streams.err.print("wget: too many redirections\n").await;
    1
}

async fn save(url: &Url, output: Option<&str>, quiet: bool, bytes: &[u8], streams: &Streams) -> i32 {
    if output == Some("-") {
        streams.out.write(bytes).await;
        if !quiet {
            streams.err.print("written to stdout\n").await;
        }
        return 0;
    }
    let name = url.target.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let name = if name.is_empty() { "index.html" } else { name };
    let path = output.unwrap_or(name);
    match fs::write(path, bytes) {
        Ok(()) => {
            if !quiet {
                let words = format!("saving to '{path}'\n'{path}' saved\n");
                streams.err.print(&words).await;
            }
            0
        }
        Err(error) => {
            streams.err.print(&format!("wget: can't open '{path}': {}\n", error.message())).await;
            1
        }
    }
}

async fn curl(args: &[String], streams: &Streams) -> i32 {
    let mut flags = String::new();
    let mut seconds = 300;
    let mut output = None;
    let mut format = String::new();
    let mut method: Option<String> = None;
    let mut body = String::new();
    let mut target = None;
    let mut headers =
        vec![("User-Agent".to_owned(), "curl/8.14.1".to_owned()), ("Accept".to_owned(), "*/*".to_owned())];
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-o" | "--output" => output = rest.next().cloned(),
            "-w" | "--write-out" => format = rest.next().cloned().unwrap_or_default(),
            "-X" | "--request" => method = rest.next().cloned(),
            "-m" | "--max-time" | "--connect-timeout" => {
                seconds = rest.next().and_then(|n| n.parse().ok()).unwrap_or(300);
            }
            "-d" | "--data" => {
                body = rest.next().cloned().unwrap_or_default();
                method.get_or_insert_with(|| "POST".to_owned());
            }
            "-H" | "--header" => {
                if let Some((name, value)) = rest.next().and_then(|h| h.split_once(':')) {
                    headers.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
            "--silent" => flags.push('s'),
            "--fail" => flags.push('f'),
            "--head" => flags.push('I'),
            "--include" => flags.push('i'),
            arg if arg.starts_with("--") => {}
            arg if arg.starts_with('-') && arg.len() > 1 => flags.push_str(&arg[1..]),
            arg => target = Some(arg.to_owned()),
        }
    }
    let Some(url) = target.as_deref().and_then(url) else {
        streams.err.print("curl: (2) no URL specified\n").await;
        return 2;
    };
    let has = |flag: char| flags.contains(flag);
    let verb = method.unwrap_or_else(|| if has('I') { "HEAD".to_owned() } else { "GET".to_owned() });
    let (code, words) = match ask(&url, &verb, &headers, body.as_bytes(), seconds, async |_| {}).await {
        Ok((status, head, bytes)) => {
            if has('f') && status >= 400 {
                (22, format!("The requested URL returned error: {status}"))
            } else {
                if has('i') || has('I') {
                    streams.out.print(&head).await;
                }
                match output.as_deref() {
                    None => _ = streams.out.write(&bytes).await,
                    Some("/dev/null") => {}
                    Some(path) => _ = fs::write(path, &bytes),
                }
                let format = format.replace("%{http_code}", &format!("{status:03}")).replace("\\n", "\n");
                streams.out.print(&format).await;
                return 0;
            }
        }
        Err(Failure::Address) => (6, format!("Could not resolve host: {}", url.host)),
        Err(Failure::Connect(_, error)) => {
            let code = if error.0 == 73 { 28 } else { 7 };
            (code, format!("Failed to connect to {} port {}: {}", url.host, url.port, error.message()))
        }
        Err(Failure::Timeout) => (28, format!("Operation timed out after {} milliseconds", seconds * 1_000)),
        Err(Failure::Talk) => (52, "Empty reply from server".to_owned()),
    };
    if !has('s') || has('S') {
        streams.err.print(&format!("curl: ({code}) {words}\n")).await;
    }
    streams.out.print(&format.replace("%{http_code}", "000").replace("\\n", "\n")).await;
    code
}

/// `nc [-z] [-w SEC] HOST PORT`, and `nc -l [-p] PORT`, with `-e` and `-k` left out.
async fn nc(args: &[String], streams: &Streams) -> i32 {
    let flags: String = args.iter().filter_map(|arg| arg.strip_prefix('-')).collect();
    let mut words = Vec::new();
    let mut seconds = 0u64;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-w" => seconds = rest.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            "-p" => words.extend(rest.next()),
            arg if arg.starts_with('-') => {}
            _ => words.push(arg),
        }
    }
    let port = words.last().and_then(|port| port.parse::<u16>().ok());
    let Some(port) = port else {
        streams.err.print("BusyBox v1.37.0 multi-call binary.\n\nUsage: nc [-l] [-z] [-w SEC] HOST PORT\n").await;
        return 1;
    };
    if flags.contains('l') {
        let Ok(listener) = net::listen(port) else {
            streams.err.print("nc: bind: Address already in use\n").await;
            return 1;
        };
        let Ok((stream, _, _)) = listener.accept().await else { return 1 };
        return relay(stream, streams).await;
    }
    let host = words.first().map_or("", |host| host.as_str());
    let connect = async {
        let addresses = net::resolve(host).await.unwrap_or_default();
        let Some(address) = addresses.first() else { return Err(format!("nc: bad address '{host}'\n")) };
        let stream = Stream::connect(*address, port).await;
        stream.map_err(|error| format!("nc: {host} ({address}:{port}): {}\n", error.message()))
    };
    let late = async {
        if seconds == 0 {
            std::future::pending::<()>().await;
        }
        sleep(seconds * SECOND).await;
        Err("nc: timed out\n".to_owned())
    };
    match task::first(connect, late).await {
        Ok(stream) if flags.contains('z') => {
            drop(stream);
            if flags.contains('v') {
                streams.err.print(&format!("{host} ({host}:{port}) open\n")).await;
            }
            0
        }
        Ok(stream) => relay(stream, streams).await,
        Err(words) => {
            streams.err.print(&words).await;
            1
        }
    }
}

/// Copies both ways until the peer has no more to say.
async fn relay(mut stream: Stream, streams: &Streams) -> i32 {
    let fd = stream.fd;
    let input = streams.input.clone();
    spawn(async move {
        loop {
            let bytes = input.read().await;
            if bytes.is_empty() {
                unsafe { podarium_guest::sys::shutdown(fd) };
                return;
            }
            if podarium_guest::io::write_all(fd, &bytes).await.is_err() {
                return;
            }
        }
    });
    loop {
        match stream.read_some().await {
            Ok(bytes) if !bytes.is_empty() => _ = streams.out.write(&bytes).await,
            Ok(_) => return 0,
            Err(_) => return 1,
        }
    }
}

async fn nslookup(args: &[String], streams: &Streams) -> i32 {
    let Some(name) = args.iter().find(|arg| !arg.starts_with('-')) else {
        streams
            .err
            .print(
                "BusyBox v1.37.0 multi-call binary.\n\nUsage: nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]\n",
            )
            .await;
        return 1;
    };
    let conf = fs::read("/etc/resolv.conf").unwrap_or_default();
    let conf = String::from_utf8_lossy(&conf).into_owned();
    let server = conf.lines().find_map(|line| line.strip_prefix("nameserver ")).unwrap_or("127.0.0.1").trim();
    streams.out.print(&format!("Server:\t\t{server}\nAddress:\t{server}:53\n\n")).await;
    let addresses = net::resolve(name).await.unwrap_or_default();
    if addresses.is_empty() {
        streams.out.print(&format!("** server can't find {name}: NXDOMAIN\n\n")).await;
        return 1;
    }
    for address in addresses {
        streams.out.print(&format!("Name:\t{name}\nAddress: {address}\n")).await;
    }
    streams.out.print("\n").await;
    0
}

/// Serves files below `-h`, on port `-p`.
async fn httpd(args: &[String], streams: &Streams) -> i32 {
    let mut port = 80;
    let mut home = podarium_guest::process::working_dir();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-p" => {
                let text = rest.next().map_or("", String::as_str);
                port = text.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(80);
            }
            "-h" => home = rest.next().cloned().unwrap_or_default(),
            _ => {}
        }
    }
    let Ok(listener) = net::listen(port) else {
        streams.err.print("httpd: bind: Address already in use\n").await;
        return 1;
    };
    loop {
        let Ok((stream, peer, _)) = listener.accept().await else { return 1 };
        let home = home.clone();
        spawn(async move {
            let answer = async |request: Result<Request, Bad>, _: IpAddr| match request {
                Ok(request) => served(&request, &home),
                Err(Bad(status)) => plain(status),
            };
            let _ = http::serve(stream, peer, "busybox", 60, answer).await;
        });
    }
}

fn plain(status: u16) -> Response {
    let body = format!(
        "<HTML><HEAD><TITLE>{status} {0}</TITLE></HEAD>\n<BODY><H1>{status} {0}</H1>\n</BODY></HTML>\n",
        http::reason(status)
    );
    Response { status, headers: vec![("Content-type", "text/html".to_owned())], body: body.into_bytes() }
}

fn served(request: &Request, home: &str) -> Response {
    let Some(path) = request.path() else { return plain(400) };
    let mut name = format!("{}{path}", home.trim_end_matches('/'));
    if matches!(fs::stat(name.trim_end_matches('/')), Ok((fs::Kind::Directory, _))) {
        name = format!("{}/index.html", name.trim_end_matches('/'));
    }
    match fs::read(&name) {
        Ok(body) => {
            Response { status: 200, headers: vec![("Content-type", http::content_type(&name).to_owned())], body }
        }
        Err(_) => plain(404),
    }
}

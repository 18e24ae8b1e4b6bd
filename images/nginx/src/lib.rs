//! nginx: serves files, answers and proxies as its configuration says, and logs as the official image does.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;

use podarium_guest::http::{self, Bad, Request, Response};
use podarium_guest::net::{self, Stream};
use podarium_guest::time::Date;
use podarium_guest::{fs, io, main, process, spawn};

mod config;

use config::{Config, Location, Server};

main!(async {
    let mut args = process::args();
    if args.first().is_some_and(|program| program.ends_with("docker-entrypoint.sh")) {
        args.remove(0);
        if let Some(code) = entrypoint(&mut args) {
            return code;
        }
    }
    let version = process::env("NGINX_VERSION").unwrap_or_else(|| "1.29.3".to_owned());
    let server = format!("nginx/{version}");
    let mut conf = "/etc/nginx/nginx.conf".to_owned();
    let mut test = false;
    let mut options = args.iter().skip(1);
    while let Some(option) = options.next() {
        match option.as_str() {
            "-v" | "-V" => {
                io::eprint(&format!("nginx version: {server}\n"));
                return 0;
            }
            "-t" | "-T" => test = true,
            "-c" => conf = options.next().cloned().unwrap_or_default(),
            "-g" | "-p" | "-e" => {
                options.next();
            }
            "-s" => {
                // The master is another process, which only a signal from outside reaches.
                io::eprint("nginx: [error] open() \"/run/nginx.pid\" failed (2: No such file or directory)\n");
                return 1;
            }
            "-q" => {}
            other => {
                io::eprint(&format!("nginx: invalid option: \"{other}\"\n"));
                return 1;
            }
        }
    }
    let config = match config::load(&conf) {
        Ok(config) => Rc::new(config),
        Err(why) => {
            let words = format!("[emerg] 1#1: {why}\n");
            io::eprint(&format!("{} {words}nginx: {}", log_time(), words.replace("1#1: ", "")));
            if test {
                io::eprint(&format!("nginx: configuration file {conf} test failed\n"));
            }
            return 1;
        }
    };
    if test {
        io::eprint(&format!(
            "nginx: the configuration file {conf} syntax is ok\nnginx: configuration file {conf} test is successful\n"
        ));
        return 0;
    }
    let time = log_time();
    let notice = |text: &str| format!("{time} [notice] 1#1: {text}\n");
    let mut ports: Vec<u16> = config.servers.iter().map(|server| server.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let mut listeners = Vec::new();
    for port in ports {
        match net::listen(port) {
            Ok(listener) => listeners.push((port, listener)),
            Err(_) => {
                io::eprint(&format!(
                    "{time} [emerg] 1#1: bind() to 0.0.0.0:{port} failed (98: Address already in use)\n"
                ));
                return 1;
            }
        }
    }
    io::eprint(
        &[
            "using the \"epoll\" event method",
            &server,
            "built by gcc 12.2.0 (Debian 12.2.0-14+deb12u1)",
            "OS: Linux 6.12.0",
            "getrlimit(RLIMIT_NOFILE): 1048576:1048576",
            "start worker processes",
            "start worker process 29",
        ]
        .map(|text| notice(text))
        .concat(),
    );
    process::handle_signals(&[process::SIGINT, process::SIGTERM, process::SIGQUIT]);
    let server: Rc<str> = server.into();
    let busy = Rc::new(Cell::new(0u32));
    for (port, listener) in listeners {
        let (config, server, busy) = (config.clone(), server.clone(), busy.clone());
        spawn(async move {
            while let Ok((stream, peer, _)) = listener.accept().await {
                let (config, server, busy) = (config.clone(), server.clone(), busy.clone());
                spawn(async move {
                    let answer = |request, peer| answer(request, peer, &config, port, &server, &busy);
                    let _ = http::serve(stream, peer, &server, config.keep_alive_s, answer).await;
                });
            }
        });
    }
    let signal = process::signal().await;
    let (number, name, words) = match signal {
        process::SIGQUIT => (3, "SIGQUIT", "gracefully shutting down"),
        process::SIGTERM => (15, "SIGTERM", "exiting"),
        _ => (2, "SIGINT", "exiting"),
    };
    while signal == process::SIGQUIT && busy.get() > 0 {
        podarium_guest::sleep(10_000_000).await;
    }
    let time = log_time();
    io::eprint(&format!(
        "{time} [notice] 1#1: signal {number} ({name}) received, {}\n{time} [notice] 29#29: {words}\n\
         {time} [notice] 29#29: exit\n{time} [notice] 1#1: exit\n",
        if number == 3 { "shutting down" } else { "exiting" }
    ));
    0
});

/// What the image's entrypoint says and does before it hands over. A code ends it.
fn entrypoint(args: &mut Vec<String>) -> Option<i32> {
    let program = args.first().cloned().unwrap_or_default();
    if program.is_empty() || program.starts_with('-') {
        io::eprint(&format!("/docker-entrypoint.sh: exec: line 47: {program}: not found\n"));
        return Some(127);
    }
    if program != "nginx" && !program.ends_with("/nginx") {
        let error = process::exec(args);
        let words = if error.0 == 44 { "not found" } else { error.message() };
        io::eprint(&format!("/docker-entrypoint.sh: exec: line 47: {program}: {words}\n"));
        return Some(127);
    }
    io::print(
        "/docker-entrypoint.sh: /docker-entrypoint.d/ is not empty, will attempt to perform configuration\n\
         /docker-entrypoint.sh: Looking for shell scripts in /docker-entrypoint.d/\n\
         /docker-entrypoint.sh: Launching /docker-entrypoint.d/10-listen-on-ipv6-by-default.sh\n\
         /docker-entrypoint.sh: Sourcing /docker-entrypoint.d/15-local-resolvers.envsh\n\
         /docker-entrypoint.sh: Launching /docker-entrypoint.d/20-envsubst-on-templates.sh\n\
         /docker-entrypoint.sh: Launching /docker-entrypoint.d/30-tune-worker-processes.sh\n\
         /docker-entrypoint.sh: Configuration complete; ready for start up\n",
    );
    None
}

/// As nginx's error log has it.
fn log_time() -> String {
    let d = Date::now();
    format!("{}/{:02}/{:02} {:02}:{:02}:{:02}", d.year, d.month, d.day, d.hour, d.minute, d.second)
}

async fn answer(
    request: Result<Request, Bad>,
    peer: IpAddr,
    config: &Config,
    port: u16,
    server: &str,
    busy: &Cell<u32>,
) -> Response {
    busy.set(busy.get() + 1);
    let mut response = match &request {
        Ok(request) => route(request, peer, config, port).await,
        Err(Bad(status)) => page(*status),
    };
    if response.body.is_empty() && response.status >= 300 && response.status != 304 {
        let status = response.status;
        response.body = format!(
            "<html>\r\n<head><title>{status} {0}</title></head>\r\n<body>\r\n<center><h1>{status} {0}</h1></center>\r\n\
             <hr><center>{server}</center>\r\n</body>\r\n</html>\r\n",
            http::reason(status)
        )
        .into_bytes();
    }
    busy.set(busy.get() - 1);
    log(&request, peer, &response);
    response
}

/// One line in the access log.
fn log(request: &Result<Request, Bad>, peer: IpAddr, response: &Response) {
    let d = Date::now();
    let (line, referer, agent, forwarded, head) = match request {
        Ok(r) => (
            format!("{} {} {}", r.method, r.target, r.version),
            r.header("referer").unwrap_or("-"),
            r.header("user-agent").unwrap_or("-"),
            r.header("x-forwarded-for").unwrap_or("-"),
            r.method == "HEAD",
        ),
        Err(_) => (String::new(), "-", "-", "-", false),
    };
    let sent = if head || response.status == 304 { 0 } else { response.body.len() };
    io::print(&format!(
        "{peer} - - [{:02}/{}/{}:{:02}:{:02}:{:02} +0000] \"{line}\" {} {sent} \"{referer}\" \"{agent}\" \"{forwarded}\"\n",
        d.day,
        d.month_name(),
        d.year,
        d.hour,
        d.minute,
        d.second,
        response.status
    ));
}

/// An answer whose body nginx makes up.
fn page(status: u16) -> Response {
    Response { status, headers: vec![("Content-Type", "text/html".to_owned())], body: Vec::new() }
}

async fn route(request: &Request, peer: IpAddr, config: &Config, port: u16) -> Response {
    let Some(path) = request.path() else { return page(400) };
    let host = request.header("host").unwrap_or_default().split(':').next().unwrap_or_default();
    let mut candidates = config.servers.iter().filter(|server| server.port == port);
    let named = candidates.clone().find(|server| server.names.iter().any(|name| name == host));
    let Some(server) = named.or_else(|| candidates.next()) else { return page(404) };
    if let Some((status, text)) = &server.answer {
        return fixed(request, *status, text);
    }
    let exact = server.locations.iter().find(|location| location.exact && location.path == path);
    let prefix = || {
        let matching = server.locations.iter().filter(|l| !l.exact && path.starts_with(&l.path));
        matching.max_by_key(|location| location.path.len())
    };
    let location = exact.or_else(prefix);
    if let Some(location) = location {
        if let Some((status, text)) = &location.answer {
            return fixed(request, *status, text);
        }
        if let Some((host, port, base)) = &location.proxy {
            return proxy(request, peer, config, location, host, *port, base.as_deref()).await;
        }
    }
    let mut response = file(request, &path, server, location);
    for (name, value) in location.iter().flat_map(|location| &location.headers) {
        // The names live as long as the configuration, which is as long as the process.
        response.headers.push((String::leak(name.clone()), value.clone()));
    }
    response
}

/// `return`.
fn fixed(request: &Request, status: u16, text: &str) -> Response {
    let host = request.header("host").unwrap_or_default();
    let text = text
        .replace("$request_uri", &request.target)
        .replace("$hostname", &process::hostname())
        .replace("$host", host.split(':').next().unwrap_or_default())
        .replace("$scheme", "http");
    if (301..=308).contains(&status) {
        let mut response = page(status);
        response.headers.push(("Location", text));
        return response;
    }
    let headers = vec![("Content-Type", "application/octet-stream".to_owned())];
    Response { status, headers, body: text.into_bytes() }
}

/// A file below the location's root.
fn file(request: &Request, path: &str, server: &Server, location: Option<&Location>) -> Response {
    if request.method != "GET" && request.method != "HEAD" {
        return page(405);
    }
    let mut name = match location {
        Some(Location { alias: Some(alias), path: prefix, .. }) => {
            format!("{alias}{}", path.strip_prefix(prefix.as_str()).unwrap_or_default())
        }
        Some(Location { root: Some(root), .. }) => format!("{}{path}", root.trim_end_matches('/')),
        _ => format!("{}{path}", server.root.trim_end_matches('/')),
    };
    if let Ok((fs::Kind::Directory, _)) = fs::stat(name.trim_end_matches('/')) {
        if !path.ends_with('/') {
            let mut response = page(301);
            let host = request.header("host").unwrap_or("localhost");
            response.headers.push(("Location", format!("http://{host}{path}/")));
            return response;
        }
        let own = location.map(|location| &location.index).filter(|index| !index.is_empty());
        let index = own.unwrap_or(&server.index);
        let found = index
            .iter()
            .map(|file| format!("{}/{file}", name.trim_end_matches('/')))
            .find(|file| fs::stat(file).is_ok());
        match found {
            Some(found) => name = found,
            None => {
                let shown = format!("{}/", name.trim_end_matches('/'));
                error(request, &format!("directory index of \"{shown}\" is forbidden"));
                return page(403);
            }
        }
    }
    let Ok(body) = fs::read(&name) else {
        error(request, &format!("open() \"{name}\" failed (2: No such file or directory)"));
        return page(404);
    };
    // A file's tag is what it says, since files have no times here.
    let sum = body.iter().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let tag = format!("\"{sum:x}-{:x}\"", body.len());
    let fresh = request.header("if-none-match").is_some_and(|tags| {
        tags.split(',').any(|candidate| matches!(candidate.trim(), "*") || candidate.trim() == tag)
    });
    if fresh {
        return Response { status: 304, headers: vec![("ETag", tag)], body: Vec::new() };
    }
    let headers = vec![
        ("Content-Type", http::content_type(&name).to_owned()),
        ("ETag", tag),
        ("Accept-Ranges", "bytes".to_owned()),
    ];
    Response { status: 200, headers, body }
}

fn error(request: &Request, words: &str) {
    io::eprint(&format!(
        "{} [error] 29#29: *1 {words}, server: localhost, request: \"{} {} {}\", host: \"{}\"\n",
        log_time(),
        request.method,
        request.target,
        request.version,
        request.header("host").unwrap_or_default()
    ));
}

/// Hands the request on and its answer back.
async fn proxy(
    request: &Request,
    peer: IpAddr,
    config: &Config,
    location: &Location,
    host: &str,
    port: u16,
    base: Option<&str>,
) -> Response {
    let upstream = config.upstreams.iter().find(|(name, _)| name == host).and_then(|(_, servers)| servers.first());
    let (name, port) = upstream.map_or((host.to_owned(), port), Clone::clone);
    let target = match base {
        Some(base) => format!("{base}{}", request.target.strip_prefix(location.path.as_str()).unwrap_or_default()),
        None => request.target.clone(),
    };
    let addresses = net::resolve(&name).await.unwrap_or_default();
    let Some(address) = addresses.first() else {
        error(request, &format!("{name} could not be resolved (3: Host not found)"));
        return page(502);
    };
    let mut stream = match Stream::connect(*address, port).await {
        Ok(stream) => stream,
        Err(why) => {
            error(request, &format!("connect() failed (111: {}) while connecting to upstream", why.message()));
            return page(if why.0 == 73 { 504 } else { 502 });
        }
    };
    let mut headers = vec![("X-Forwarded-For".to_owned(), peer.to_string())];
    for name in ["user-agent", "accept", "content-type", "cookie"] {
        headers.extend(request.header(name).map(|value| (name.to_owned(), value.to_owned())));
    }
    match http::request(&mut stream, &request.method, &name, &target, &headers, &request.body).await {
        Ok((status, head, body)) if status > 0 => {
            let content_type = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
            });
            let headers = content_type.map(|value| ("Content-Type", value)).into_iter().collect();
            Response { status, headers, body }
        }
        _ => {
            error(request, "upstream prematurely closed connection while reading response header from upstream");
            page(502)
        }
    }
}

//! The part of nginx's configuration language that containers are usually given.

use podarium_guest::fs;

/// A server block.
pub struct Server {
    pub port: u16,
    pub names: Vec<String>,
    pub root: String,
    pub index: Vec<String>,
    pub locations: Vec<Location>,
    /// `return` of the server itself.
    pub answer: Option<(u16, String)>,
}

/// A location block.
pub struct Location {
    pub path: String,
    pub exact: bool,
    pub root: Option<String>,
    pub alias: Option<String>,
    pub index: Vec<String>,
    pub answer: Option<(u16, String)>,
    /// `proxy_pass`: a name of an upstream or of a host, a port, and a path to put before.
    pub proxy: Option<(String, u16, Option<String>)>,
    pub headers: Vec<(String, String)>,
}

/// All that a configuration says.
#[derive(Default)]
pub struct Config {
    pub servers: Vec<Server>,
    /// Upstream blocks: their names and `host:port` of their servers.
    pub upstreams: Vec<(String, Vec<(String, u16)>)>,
    pub keep_alive_s: u64,
}

enum Token {
    Word(String),
    Open,
    Close,
    End,
}

fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    let mut line = 1;
    while let Some(c) = chars.next() {
        match c {
            '\n' => line += 1,
            c if c.is_whitespace() => {}
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            '{' => out.push((line, Token::Open)),
            '}' => out.push((line, Token::Close)),
            ';' => out.push((line, Token::End)),
            '"' | '\'' => {
                let mut word = String::new();
                while let Some(next) = chars.next() {
                    match next {
                        next if next == c => break,
                        '\\' => match chars.next() {
                            Some('n') => word.push('\n'),
                            Some('t') => word.push('\t'),
                            Some(other) => word.push(other),
                            None => break,
                        },
                        next => word.push(next),
                    }
                }
                out.push((line, Token::Word(word)));
            }
            c => {
                let mut word = c.to_string();
                while let Some(next) = chars.next_if(|c| !c.is_whitespace() && !";{}".contains(*c)) {
                    word.push(next);
                }
                out.push((line, Token::Word(word)));
            }
        }
    }
    out
}

/// Reads the configuration and all that it includes. The error is what nginx says after `[emerg] `.
pub fn load(path: &str) -> Result<Config, String> {
    let mut config = Config { keep_alive_s: 65, ..Config::default() };
    file(path, &mut config, 0)?;
    Ok(config)
}

fn file(path: &str, config: &mut Config, depth: usize) -> Result<(), String> {
    let bytes = fs::read(path)
        .map_err(|e| format!("open() \"{path}\" failed ({}: {})", if e.0 == 44 { 2 } else { 13 }, e.message()))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut words: Vec<String> = Vec::new();
    let mut blocks: Vec<String> = Vec::new();
    let mut last_line = 1;
    for (line, token) in tokens(&text) {
        last_line = line;
        let at = |what: &str| format!("{what} in {path}:{line}");
        match token {
            Token::Word(word) => words.push(word),
            Token::Open => {
                let name = words.first().cloned().ok_or_else(|| at("unexpected \"{\""))?;
                open(config, &words);
                blocks.push(name);
                words.clear();
            }
            Token::Close => {
                if !words.is_empty() || blocks.pop().is_none() {
                    return Err(at("unexpected \"}\""));
                }
            }
            Token::End => {
                let Some(name) = words.first() else { return Err(at("unexpected \";\"")) };
                if name == "include" && depth < 4 {
                    for included in included(words.get(1).map_or("", String::as_str)) {
                        file(&included, config, depth + 1)?;
                    }
                } else {
                    directive(config, &blocks, &words).map_err(|what| at(&what))?;
                }
                words.clear();
            }
        }
    }
    if !blocks.is_empty() {
        return Err(format!("unexpected end of file, expecting \"}}\" in {path}:{last_line}"));
    }
    Ok(())
}

fn included(pattern: &str) -> Vec<String> {
    let Some((dir, rest)) = pattern.rsplit_once('/') else { return Vec::new() };
    match rest.strip_prefix('*') {
        Some(end) => {
            let names = fs::list(dir).unwrap_or_default();
            names.iter().filter(|name| name.ends_with(end)).map(|name| format!("{dir}/{name}")).collect()
        }
        // The types that files have are built in.
        None if rest == "mime.types" => Vec::new(),
        None => vec![pattern.to_owned()],
    }
}

fn open(config: &mut Config, words: &[String]) {
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    match word(0) {
        "server" => config.servers.push(Server {
            port: 80,
            names: Vec::new(),
            root: "/etc/nginx/html".to_owned(),
            index: vec!["index.html".to_owned()],
            locations: Vec::new(),
            answer: None,
        }),
        "location" => {
            if let Some(server) = config.servers.last_mut() {
                let modified = words.len() > 2;
                server.locations.push(Location {
                    path: word(if modified { 2 } else { 1 }).to_owned(),
                    exact: modified && word(1) == "=",
                    root: None,
                    alias: None,
                    index: Vec::new(),
                    answer: None,
                    proxy: None,
                    headers: Vec::new(),
                });
            }
        }
        "upstream" => config.upstreams.push((word(1).to_owned(), Vec::new())),
        _ => {}
    }
}

fn host_port(text: &str) -> (String, u16) {
    match text.rsplit_once(':') {
        Some((host, port)) => (host.to_owned(), port.parse().unwrap_or(80)),
        None => (text.to_owned(), 80),
    }
}

fn directive(config: &mut Config, blocks: &[String], words: &[String]) -> Result<(), String> {
    const KNOWN: &[&str] = &[
        "access_log",
        "charset",
        "client_max_body_size",
        "default_type",
        "error_log",
        "error_page",
        "expires",
        "gzip",
        "gzip_types",
        "log_format",
        "map",
        "pid",
        "proxy_http_version",
        "proxy_set_header",
        "proxy_read_timeout",
        "sendfile",
        "server_tokens",
        "tcp_nopush",
        "try_files",
        "user",
        "worker_connections",
        "worker_processes",
        "tcp_nodelay",
        "types_hash_max_size",
        "stub_status",
        "resolver",
        "allow",
        "deny",
        "rewrite",
        "set",
        "autoindex",
        "multi_accept",
        "use",
        "etag",
        "if_modified_since",
        "proxy_redirect",
        "proxy_buffering",
        "daemon",
    ];
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let answer = || {
        let status = word(1).parse().unwrap_or(302);
        let text = if word(1).parse::<u16>().is_ok() { word(2) } else { word(1) };
        (status, text.to_owned())
    };
    let block = blocks.last().map_or("", String::as_str);
    if block == "upstream" {
        if let (Some((_, servers)), "server") = (config.upstreams.last_mut(), word(0)) {
            servers.push(host_port(word(1)));
        }
        return Ok(());
    }
    if word(0) == "keepalive_timeout" {
        config.keep_alive_s = word(1).trim_end_matches('s').parse().unwrap_or(65);
        return Ok(());
    }
    let server = config.servers.last_mut();
    match (block, word(0), server) {
        ("server", "listen", Some(server)) => {
            let port = word(1).rsplit(':').next().unwrap_or_default();
            server.port =
                port.parse().map_err(|_| format!("invalid port in \"{}\" of the \"listen\" directive", word(1)))?;
        }
        ("server", "server_name", Some(server)) => server.names = words.iter().skip(1).cloned().collect(),
        ("server", "root", Some(server)) => server.root = word(1).to_owned(),
        ("server", "index", Some(server)) => server.index = words.iter().skip(1).cloned().collect(),
        ("server", "return", Some(server)) => server.answer = Some(answer()),
        ("location", name, Some(server)) => {
            let Some(location) = server.locations.last_mut() else { return Ok(()) };
            match name {
                "root" => location.root = Some(word(1).to_owned()),
                "alias" => location.alias = Some(word(1).to_owned()),
                "index" => location.index = words.iter().skip(1).cloned().collect(),
                "return" => location.answer = Some(answer()),
                "add_header" => location.headers.push((word(1).to_owned(), word(2).to_owned())),
                "proxy_pass" => {
                    let rest = word(1).trim_start_matches("http://");
                    let (host, path) = match rest.find('/') {
                        Some(at) => (&rest[..at], Some(rest[at..].to_owned())),
                        None => (rest, None),
                    };
                    let (host, port) = host_port(host);
                    location.proxy = Some((host, port, path));
                }
                name if KNOWN.contains(&name) => {}
                name => return Err(format!("unknown directive \"{name}\"")),
            }
        }
        (_, name, _) if KNOWN.contains(&name) || ["root", "index", "add_header", "listen"].contains(&name) => {}
        (_, name, _) => return Err(format!("unknown directive \"{name}\"")),
    }
    Ok(())
}

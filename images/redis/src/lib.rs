//! Redis, a small part of it: strings, counters, keys and expiry over RESP, and its command-line client.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use podarium_guest::net::{self, Stream};
use podarium_guest::time::{Date, SECOND, now};
use podarium_guest::{io, main, process, spawn};

/// Values by key, each with the moment it expires.
type Store = Rc<RefCell<BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>>>;

main!(async {
    let mut args = process::args();
    if args.first().is_some_and(|program| program.ends_with("docker-entrypoint.sh")) {
        args.remove(0);
        if args.first().is_none_or(|arg| arg.starts_with('-')) {
            args.insert(0, "redis-server".to_owned());
        }
        if args.first().is_some_and(|program| !program.contains("redis-")) {
            process::exec(&args);
            io::eprint("/usr/local/bin/docker-entrypoint.sh: exec: not found\n");
            return 127;
        }
    }
    if args.first().is_some_and(|program| program.ends_with("redis-cli")) {
        return client(&args[1..]).await;
    }
    let version = process::env("REDIS_VERSION").unwrap_or_else(|| "8.2.2".to_owned());
    if args.iter().any(|arg| arg == "-v" || arg == "--version") {
        io::print(&format!("Redis server v={version} sha=00000000:0 malloc=guest bits=32\n"));
        return 0;
    }
    let port =
        args.iter().position(|arg| arg == "--port").and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(6379);
    let Ok(listener) = net::listen(port) else {
        io::print(&format!(
            "{} # Warning: Could not create server TCP listening socket *:{port}: bind: Address already in use\n",
            time()
        ));
        return 1;
    };
    process::handle_signals(&[process::SIGTERM, process::SIGINT]);
    let t = time();
    io::print(&format!(
        "{t} * oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo\n{t} * Redis version={version}, bits=32, commit=00000000, \
         modified=0, pid=1, just started\n{t} * Running mode=standalone, port={port}.\n{t} * Server initialized\n{t} * Ready to \
         accept connections tcp\n"
    ));
    let store = Store::default();
    spawn(async move {
        while let Ok((stream, _, _)) = listener.accept().await {
            let store = store.clone();
            spawn(async move {
                let _ = serve(stream, store).await;
            });
        }
    });
    process::signal().await;
    let t = time();
    io::print(&format!("{t} * User requested shutdown...\n{t} # Redis is now ready to exit, bye bye...\n"));
    0
});

fn time() -> String {
    let d = Date::now();
    format!(
        "1:M {:02} {} {} {:02}:{:02}:{:02}.{:03}",
        d.day,
        d.month_name(),
        d.year,
        d.hour,
        d.minute,
        d.second,
        now() % SECOND / 1_000_000
    )
}

/// One command: RESP's array of strings, or a line of words.
async fn command(stream: &mut Stream) -> podarium_guest::Result<Option<Vec<Vec<u8>>>> {
    let line = stream.read_until(b"\r\n", 64 << 10).await?;
    if line.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&line).trim().to_owned();
    let Some(count) = text.strip_prefix('*') else {
        return Ok(Some(text.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()));
    };
    let count = count.parse::<usize>().unwrap_or(0).min(1_024);
    let mut words = Vec::new();
    for _ in 0..count {
        let line = stream.read_until(b"\r\n", 64).await?;
        let len = String::from_utf8_lossy(&line).trim().trim_start_matches('$').parse::<usize>().unwrap_or(0);
        words.push(stream.read_exact(len.min(1 << 20)).await?);
        stream.read_exact(2).await?;
    }
    Ok(Some(words))
}

async fn serve(mut stream: Stream, store: Store) -> podarium_guest::Result<()> {
    while let Some(words) = command(&mut stream).await? {
        let Some(name) = words.first() else { continue };
        let name = String::from_utf8_lossy(name).to_uppercase();
        stream.write_all(&answer(&name, &words[1..], &store)).await?;
        if name == "QUIT" {
            break;
        }
    }
    Ok(())
}

fn bulk(bytes: Option<&[u8]>) -> Vec<u8> {
    match bytes {
        None => b"$-1\r\n".to_vec(),
        Some(bytes) => [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat(),
    }
}

fn number(n: i64) -> Vec<u8> {
    format!(":{n}\r\n").into_bytes()
}

fn answer(name: &str, args: &[Vec<u8>], store: &Store) -> Vec<u8> {
    let ok = || b"+OK\r\n".to_vec();
    let time = now();
    let mut store = store.borrow_mut();
    store.retain(|_, (_, expires)| expires.is_none_or(|at| at > time));
    let key = args.first();
    let as_number =
        |bytes: Option<&Vec<u8>>| bytes.and_then(|b| std::str::from_utf8(b).ok()).and_then(|t| t.parse::<i64>().ok());
    match (name, key) {
        ("PING", None) => b"+PONG\r\n".to_vec(),
        ("PING" | "ECHO", Some(text)) => bulk(Some(text)),
        ("QUIT" | "SELECT" | "CLIENT" | "AUTH", _) => ok(),
        ("FLUSHALL" | "FLUSHDB", _) => {
            store.clear();
            ok()
        }
        ("DBSIZE", _) => number(store.len() as i64),
        ("COMMAND" | "CONFIG", _) => b"*0\r\n".to_vec(),
        ("INFO", _) => {
            bulk(Some(b"# Server\r\nredis_mode:standalone\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"))
        }
        ("GET", Some(key)) => bulk(store.get(key).map(|(value, _)| value.as_slice())),
        ("SET", Some(key)) if args.len() >= 2 => {
            let option = args.get(2).map(|word| String::from_utf8_lossy(word).to_uppercase());
            let unit = match option.as_deref() {
                Some("EX") => SECOND,
                Some("PX") => SECOND / 1_000,
                _ => 0,
            };
            let expires = (unit > 0).then(|| time + as_number(args.get(3)).unwrap_or(0).max(0) as u64 * unit);
            if option.as_deref() == Some("NX") && store.contains_key(key) {
                return bulk(None);
            }
            store.insert(key.clone(), (args[1].clone(), expires));
            ok()
        }
        ("INCR" | "DECR" | "INCRBY" | "DECRBY", Some(key)) => {
            let by = if name.ends_with("BY") { as_number(args.get(1)).unwrap_or(0) } else { 1 };
            let by = if name.starts_with("DECR") { by.wrapping_neg() } else { by };
            let entry = store.entry(key.clone()).or_insert_with(|| (b"0".to_vec(), None));
            match as_number(Some(&entry.0)) {
                Some(value) => {
                    let value = value.wrapping_add(by);
                    entry.0 = value.to_string().into_bytes();
                    number(value)
                }
                None => b"-ERR value is not an integer or out of range\r\n".to_vec(),
            }
        }
        ("APPEND", Some(key)) if args.len() == 2 => {
            let entry = store.entry(key.clone()).or_default();
            entry.0.extend_from_slice(&args[1]);
            number(entry.0.len() as i64)
        }
        ("DEL", Some(_)) => number(args.iter().filter(|key| store.remove(*key).is_some()).count() as i64),
        ("EXISTS", Some(_)) => number(args.iter().filter(|key| store.contains_key(*key)).count() as i64),
        ("EXPIRE", Some(key)) => match store.get_mut(key) {
            Some(entry) => {
                entry.1 = Some(time + as_number(args.get(1)).unwrap_or(0).max(0) as u64 * SECOND);
                number(1)
            }
            None => number(0),
        },
        ("TTL", Some(key)) => number(match store.get(key) {
            None => -2,
            Some((_, None)) => -1,
            Some((_, Some(at))) => at.saturating_sub(time).div_ceil(SECOND) as i64,
        }),
        ("KEYS", Some(_)) => {
            let mut out = format!("*{}\r\n", store.len()).into_bytes();
            store.keys().for_each(|key| out.extend(bulk(Some(key))));
            out
        }
        ("GET" | "SET" | "INCR" | "DECR" | "DEL" | "EXISTS" | "EXPIRE" | "TTL" | "KEYS" | "ECHO" | "APPEND", _) => {
            format!("-ERR wrong number of arguments for '{}' command\r\n", name.to_lowercase()).into_bytes()
        }
        _ => {
            let shown: String = args.iter().map(|arg| format!("'{}' ", String::from_utf8_lossy(arg))).collect();
            format!("-ERR unknown command '{name}', with args beginning with: {shown}\r\n").into_bytes()
        }
    }
}

/// `redis-cli [-h HOST] [-p PORT] COMMAND...`
async fn client(args: &[String]) -> i32 {
    let (mut host, mut port) = ("127.0.0.1".to_owned(), 6379);
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-h" if words.is_empty() => host = rest.next().cloned().unwrap_or_default(),
            "-p" if words.is_empty() => port = rest.next().and_then(|p| p.parse().ok()).unwrap_or(6379),
            _ => words.push(arg),
        }
    }
    let addresses = net::resolve(&host).await.unwrap_or_default();
    let Some(address) = addresses.first() else {
        io::eprint(&format!("Could not connect to Redis at {host}:{port}: Name or service not known\n"));
        return 1;
    };
    let mut stream = match Stream::connect(*address, port).await {
        Ok(stream) => stream,
        Err(error) => {
            io::eprint(&format!("Could not connect to Redis at {host}:{port}: {}\n", error.message()));
            return 1;
        }
    };
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    words.iter().for_each(|word| out.extend(bulk(Some(word.as_bytes()))));
    if stream.write_all(&out).await.is_err() {
        return 1;
    }
    match reply(&mut stream).await {
        Ok(text) => {
            io::print(&text);
            0
        }
        Err(_) => 1,
    }
}

async fn reply(stream: &mut Stream) -> podarium_guest::Result<String> {
    let mut lines = 1;
    let mut out = String::new();
    while lines > 0 {
        lines -= 1;
        let line = stream.read_until(b"\r\n", 64 << 10).await?;
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let (kind, rest) = text.split_at(text.len().min(1));
        match kind {
            "*" => lines += rest.parse::<usize>().unwrap_or(0).min(1 << 16),
            "$" => match rest.parse::<usize>() {
                Ok(len) => {
                    let bytes = stream.read_exact(len.min(1 << 20)).await?;
                    stream.read_exact(2).await?;
                    out.push_str(&String::from_utf8_lossy(&bytes));
                    out.push('\n');
                }
                Err(_) => out.push('\n'),
            },
            _ => {
                out.push_str(rest);
                out.push('\n');
            }
        }
    }
    Ok(out)
}

//! The small programs, by name.

use podarium_guest::time::{Date, SECOND, now};
use podarium_guest::{fs, process, sleep};

use crate::stream::Streams;
use crate::{network, text};

/// All of them.
pub const NAMES: &[&str] = &[
    "[", "base64", "basename", "cat", "clear", "cp", "curl", "cut", "date", "dirname", "echo", "env", "expr", "false",
    "grep", "head", "hostname", "httpd", "id", "ls", "mkdir", "mv", "nc", "nslookup", "printenv", "printf", "ps",
    "pwd", "rm", "rmdir", "sed", "seq", "sleep", "sort", "stat", "sync", "tail", "tee", "test", "touch", "tr", "true",
    "uname", "uniq", "uptime", "wc", "wget", "which", "whoami", "yes",
];

/// Runs a program; none if there is none of that name.
pub async fn run(name: &str, args: &[String], streams: &mut Streams, environment: &[(String, String)]) -> Option<i32> {
    let rest = args.get(1..).unwrap_or_default();
    Some(match name {
        "true" | "sync" | "clear" => 0,
        "false" => 1,
        "echo" => echo(rest, streams).await,
        "printf" => printf(rest, streams).await,
        "test" | "[" => test(name, rest, streams).await,
        "sleep" => sleep_for(rest, streams).await,
        "env" | "printenv" => env(name, rest, streams, environment).await,
        "hostname" => line(streams, &process::hostname()).await,
        "pwd" => line(streams, rest.last().map_or(&process::working_dir(), |dir| dir)).await,
        "date" => date(rest, streams).await,
        "whoami" => line(streams, "root").await,
        "id" => line(streams, "uid=0(root) gid=0(root) groups=0(root),10(wheel)").await,
        "uname" => uname(rest, streams).await,
        "uptime" => {
            let d = Date::now();
            let text = format!(
                " {:02}:{:02}:{:02} up 0 min,  0 users,  load average: 0.00, 0.00, 0.00",
                d.hour, d.minute, d.second
            );
            line(streams, &text).await
        }
        "ps" => {
            streams.out.print(&crate::ps::processes()).await;
            0
        }
        "seq" => seq(rest, streams).await,
        "yes" => {
            let text = if rest.is_empty() { "y\n".to_owned() } else { format!("{}\n", rest.join(" ")) };
            let page = text.repeat(64);
            while streams.out.print(&page).await {
                podarium_guest::yield_now().await;
            }
            0
        }
        "which" => {
            let known = rest.iter().filter(|name| NAMES.contains(&name.as_str()) || *name == "sh");
            let found: Vec<String> = known.map(|name| format!("/bin/{name}\n")).collect();
            streams.out.print(&found.concat()).await;
            i32::from(found.len() < rest.len())
        }
        "basename" => {
            let name = rest.first().map_or("", |path| path.trim_end_matches('/'));
            let name = name.rsplit('/').next().unwrap_or_default();
            let suffix = rest.get(1).map_or("", String::as_str);
            line(streams, name.strip_suffix(suffix).filter(|n| !n.is_empty()).unwrap_or(name)).await
        }
        "dirname" => {
            let path = rest.first().map_or("", |path| path.trim_end_matches('/'));
            let dir = path.rsplit_once('/').map_or(".", |(dir, _)| if dir.is_empty() { "/" } else { dir });
            line(streams, dir).await
        }
        "expr" => expr(rest, streams).await,
        "ls" => ls(rest, streams).await,
        "mkdir" | "rm" | "rmdir" | "touch" | "stat" | "cp" | "mv" => files(name, rest, streams).await,
        "cat" | "head" | "tail" | "wc" | "grep" | "sed" | "sort" | "uniq" | "cut" | "tr" | "tee" | "base64" => {
            text::run(name, rest, streams).await
        }
        "wget" | "curl" | "nc" | "nslookup" | "httpd" => network::run(name, rest, streams).await,
        _ => return None,
    })
}

async fn line(streams: &Streams, text: &str) -> i32 {
    streams.out.print(&format!("{text}\n")).await;
    0
}

/// Backslash escapes of `echo -e` and `printf`.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('e') => out.push('\x1b'),
            Some('\\') => out.push('\\'),
            Some('"') => out.push('"'),
            Some('0') => {
                let mut code = 0;
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) {
                    code = (code * 8 + digit) & 0xff;
                    chars.next();
                }
                out.push(code as u8 as char);
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

async fn echo(args: &[String], streams: &Streams) -> i32 {
    let is_option = |arg: &&String| {
        arg.len() > 1 && arg.strip_prefix('-').is_some_and(|flags| flags.chars().all(|c| "neE".contains(c)))
    };
    let options: String = args.iter().take_while(is_option).map(String::as_str).collect();
    let words: Vec<&str> = args.iter().skip_while(is_option).map(String::as_str).collect();
    let mut text = words.join(" ");
    if options.contains('e') {
        text = unescape(&text);
    }
    if !options.contains('n') {
        text.push('\n');
    }
    i32::from(!streams.out.print(&text).await)
}

async fn printf(args: &[String], streams: &Streams) -> i32 {
    let Some(format) = args.first() else {
        streams.err.print("printf: usage: printf FORMAT [ARG]...\n").await;
        return 1;
    };
    let mut values = args.iter().skip(1);
    let mut out = String::new();
    loop {
        let before = values.len();
        let mut chars = unescape(format).chars().collect::<Vec<_>>().into_iter().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut flags = String::new();
            while let Some(c) = chars.next_if(|c| "-+ 0#.123456789".contains(*c)) {
                flags.push(c);
            }
            let conversion = chars.next().unwrap_or('%');
            let text = match conversion {
                '%' => "%".to_owned(),
                's' => values.next().cloned().unwrap_or_default(),
                'b' => unescape(values.next().map_or("", String::as_str)),
                'c' => values.next().and_then(|v| v.chars().next()).map(String::from).unwrap_or_default(),
                'd' | 'i' | 'u' => values.next().and_then(|v| v.trim().parse::<i64>().ok()).unwrap_or(0).to_string(),
                'x' => format!("{:x}", values.next().and_then(|v| v.parse::<i64>().ok()).unwrap_or(0)),
                'X' => format!("{:X}", values.next().and_then(|v| v.parse::<i64>().ok()).unwrap_or(0)),
                'o' => format!("{:o}", values.next().and_then(|v| v.parse::<i64>().ok()).unwrap_or(0)),
                'f' => values.next().cloned().unwrap_or_default(),
                other => format!("%{flags}{other}"),
            };
            let left = flags.starts_with('-');
            let zero = flags.starts_with('0') && conversion != 's';
            let width = flags.trim_start_matches(['-', '+', ' ', '#']).split('.').next().unwrap_or_default();
            let width = width.parse::<usize>().unwrap_or(0).min(4_096);
            let fill = width.saturating_sub(text.chars().count());
            let padding = if zero { "0" } else { " " }.repeat(fill);
            if left {
                out.push_str(&text);
                out.push_str(&" ".repeat(fill));
            } else {
                out.push_str(&padding);
                out.push_str(&text);
            }
        }
        if values.len() == 0 || values.len() == before {
            break;
        }
    }
    streams.out.print(&out).await;
    0
}

/// The value of a test: a grammar of `!`, `-a`, `-o`, parentheses and primaries.
struct Test<'a> {
    args: &'a [String],
    at: usize,
}

impl Test<'_> {
    fn peek(&self) -> Option<&str> {
        self.args.get(self.at).map(String::as_str)
    }

    fn or(&mut self) -> Option<bool> {
        let mut value = self.and()?;
        while self.peek() == Some("-o") {
            self.at += 1;
            value |= self.and()?;
        }
        Some(value)
    }

    fn and(&mut self) -> Option<bool> {
        let mut value = self.primary()?;
        while self.peek() == Some("-a") {
            self.at += 1;
            value &= self.primary()?;
        }
        Some(value)
    }

    fn primary(&mut self) -> Option<bool> {
        let mut negated = false;
        while self.peek() == Some("!") && self.args.len() > self.at + 1 {
            self.at += 1;
            negated = !negated;
        }
        Some(self.value()? != negated)
    }

    fn value(&mut self) -> Option<bool> {
        let first = self.peek()?.to_owned();
        let second = self.args.get(self.at + 1).cloned();
        let third = self.args.get(self.at + 2).cloned();
        if let (Some(operator), Some(right)) = (&second, &third) {
            let number = |text: &str| text.trim().parse::<i64>().ok();
            let compare = |f: fn(i64, i64) -> bool| Some(f(number(&first)?, number(right)?));
            let value = match operator.as_str() {
                "=" | "==" => Some(first == *right),
                "!=" => Some(first != *right),
                "<" => Some(first < *right),
                ">" => Some(first > *right),
                "-eq" => Some(compare(|a, b| a == b)?),
                "-ne" => Some(compare(|a, b| a != b)?),
                "-lt" => Some(compare(|a, b| a < b)?),
                "-le" => Some(compare(|a, b| a <= b)?),
                "-gt" => Some(compare(|a, b| a > b)?),
                "-ge" => Some(compare(|a, b| a >= b)?),
                _ => None,
            };
            if value.is_some() {
                self.at += 3;
                return value;
            }
        }
        if let (true, Some(operand)) = (first.starts_with('-') && first.len() == 2, &second) {
            let stat = || fs::stat(operand).ok();
            self.at += 2;
            return Some(match first.as_str() {
                "-n" => !operand.is_empty(),
                "-z" => operand.is_empty(),
                "-e" | "-r" | "-w" | "-x" => stat().is_some(),
                "-f" => stat().is_some_and(|(kind, _)| kind == fs::Kind::File),
                "-d" => stat().is_some_and(|(kind, _)| kind == fs::Kind::Directory),
                "-s" => stat().is_some_and(|(_, size)| size > 0),
                "-L" | "-h" | "-p" | "-S" | "-b" | "-c" | "-t" => false,
                _ => return None,
            });
        }
        self.at += 1;
        Some(!first.is_empty())
    }
}

async fn test(name: &str, args: &[String], streams: &Streams) -> i32 {
    let mut args = args;
    if name == "[" {
        match args.split_last() {
            Some((last, rest)) if last == "]" => args = rest,
            _ => {
                streams.err.print("[: missing ]\n").await;
                return 2;
            }
        }
    }
    if args.is_empty() {
        return 1;
    }
    let mut test = Test { args, at: 0 };
    match test.or() {
        Some(value) if test.at == args.len() => i32::from(!value),
        _ => {
            let culprit = args.get(test.at).or(args.last()).cloned().unwrap_or_default();
            streams.err.print(&format!("sh: {culprit}: unknown operand\n")).await;
            2
        }
    }
}

/// A duration of `sleep`'s in nanoseconds.
fn duration(text: &str) -> Option<u64> {
    let (number, unit) = match text.chars().last()? {
        's' => (&text[..text.len() - 1], 1),
        'm' => (&text[..text.len() - 1], 60),
        'h' => (&text[..text.len() - 1], 3_600),
        'd' => (&text[..text.len() - 1], 86_400),
        _ => (text, 1),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let nanos: u64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX / SECOND / 86_400) };
    whole.checked_mul(SECOND)?.checked_add(nanos)?.checked_mul(unit)
}

async fn sleep_for(args: &[String], streams: &Streams) -> i32 {
    if args.is_empty() {
        streams.err.print("BusyBox v1.37.0 multi-call binary.\n\nUsage: sleep [N]...\n").await;
        return 1;
    }
    let mut total: u64 = 0;
    for arg in args {
        if arg == "infinity" || arg == "inf" {
            std::future::pending::<()>().await;
        }
        match duration(arg) {
            Some(ns) => total = total.saturating_add(ns),
            None => {
                streams.err.print(&format!("sleep: invalid number '{arg}'\n")).await;
                return 1;
            }
        }
    }
    sleep(total).await;
    0
}

async fn env(name: &str, args: &[String], streams: &mut Streams, environment: &[(String, String)]) -> i32 {
    if name == "printenv" && !args.is_empty() {
        let mut status = 0;
        for arg in args {
            match environment.iter().find(|(n, _)| n == arg) {
                Some((_, value)) => _ = streams.out.print(&format!("{value}\n")).await,
                None => status = 1,
            }
        }
        return status;
    }
    let mut all = environment.to_vec();
    let mut rest = args.iter();
    let mut command: Vec<String> = Vec::new();
    while let Some(arg) = rest.next() {
        match arg.split_once('=') {
            Some((name, value)) => {
                all.retain(|(n, _)| n != name);
                all.push((name.to_owned(), value.to_owned()));
            }
            None if arg == "-i" || arg == "-" => all.clear(),
            None => {
                command.push(arg.clone());
                command.extend(rest.by_ref().cloned());
            }
        }
    }
    if let Some(program) = command.first() {
        let program = crate::base_name(program).to_owned();
        return match Box::pin(run(&program, &command, streams, &all)).await {
            Some(code) => code,
            None => {
                streams.err.print(&format!("env: can't execute '{program}': No such file or directory\n")).await;
                127
            }
        };
    }
    for (name, value) in &all {
        streams.out.print(&format!("{name}={value}\n")).await;
    }
    0
}

async fn date(args: &[String], streams: &Streams) -> i32 {
    let format = args.iter().find_map(|arg| arg.strip_prefix('+')).unwrap_or("%a %b %e %H:%M:%S UTC %Y");
    let seconds = now() / SECOND;
    let d = Date::of(seconds);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        out.push_str(&match chars.next().unwrap_or('%') {
            'Y' => d.year.to_string(),
            'y' => format!("{:02}", d.year % 100),
            'm' => format!("{:02}", d.month),
            'd' => format!("{:02}", d.day),
            'e' => format!("{:2}", d.day),
            'H' => format!("{:02}", d.hour),
            'M' => format!("{:02}", d.minute),
            'S' => format!("{:02}", d.second),
            'N' => format!("{:09}", now() % SECOND),
            's' => seconds.to_string(),
            'a' => d.weekday_name().to_owned(),
            'b' | 'h' => d.month_name().to_owned(),
            'F' => format!("{}-{:02}-{:02}", d.year, d.month, d.day),
            'T' => format!("{:02}:{:02}:{:02}", d.hour, d.minute, d.second),
            'Z' => "UTC".to_owned(),
            'z' => "+0000".to_owned(),
            'n' => "\n".to_owned(),
            other => other.to_string(),
        });
    }
    line(streams, &out).await
}

async fn uname(args: &[String], streams: &Streams) -> i32 {
    let flags: String = args.iter().filter_map(|arg| arg.strip_prefix('-')).collect();
    let all = flags.contains('a');
    let host = process::hostname();
    let fields = [('s', "Linux"), ('n', &host), ('r', "6.12.0"), ('v', "#1 SMP"), ('m', "x86_64"), ('o', "GNU/Linux")];
    let shown: Vec<&str> = fields
        .iter()
        .filter(|(flag, _)| all || flags.contains(*flag) || (flags.is_empty() && *flag == 's'))
        .map(|(_, text)| *text)
        .collect();
    line(streams, &shown.join(" ")).await
}

async fn seq(args: &[String], streams: &Streams) -> i32 {
    let numbers: Vec<i64> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] if *step != 0 => (*first, *step, *last),
        _ => {
            streams.err.print("BusyBox v1.37.0 multi-call binary.\n\nUsage: seq [FIRST [INC]] LAST\n").await;
            return 1;
        }
    };
    let mut n = first;
    let mut page = String::new();
    while (step > 0 && n <= last) || (step < 0 && n >= last) {
        page.push_str(&format!("{n}\n"));
        if page.len() > 8_192 {
            if !streams.out.print(&std::mem::take(&mut page)).await {
                return 0;
            }
            podarium_guest::yield_now().await;
        }
        let Some(next) = n.checked_add(step) else { break };
        n = next;
    }
    streams.out.print(&page).await;
    0
}

async fn expr(args: &[String], streams: &Streams) -> i32 {
    let value = match args {
        [left, operator, right] => match (left.parse::<i64>(), right.parse::<i64>()) {
            (Ok(a), Ok(b)) => match operator.as_str() {
                "+" => a.checked_add(b),
                "-" => a.checked_sub(b),
                "*" => a.checked_mul(b),
                "/" => a.checked_div(b),
                "%" => a.checked_rem(b),
                "=" => Some(i64::from(a == b)),
                "<" => Some(i64::from(a < b)),
                ">" => Some(i64::from(a > b)),
                _ => None,
            },
            _ if operator == "=" => Some(i64::from(left == right)),
            _ => None,
        }
        .map(|value| value.to_string()),
        [only] => Some(only.clone()),
        _ => None,
    };
    match value {
        Some(value) => {
            line(streams, &value).await;
            i32::from(value.is_empty() || value == "0")
        }
        None => {
            streams.err.print("expr: syntax error\n").await;
            2
        }
    }
}

async fn ls(args: &[String], streams: &Streams) -> i32 {
    let flags: String = args.iter().filter_map(|arg| arg.strip_prefix('-')).collect();
    let mut paths: Vec<String> = args.iter().filter(|arg| !arg.starts_with('-')).cloned().collect();
    if paths.is_empty() {
        paths.push(process::working_dir());
    }
    let long = |path: &str, name: &str| {
        let (kind, size) = fs::stat(path).unwrap_or((fs::Kind::File, 0));
        let mode = if kind == fs::Kind::Directory { "drwxr-xr-x" } else { "-rw-r--r--" };
        let d = Date::now();
        format!(
            "{mode}    1 root     root     {size:9} {} {:2} {:02}:{:02} {name}\n",
            d.month_name(),
            d.day,
            d.hour,
            d.minute
        )
    };
    let mut status = 0;
    let several = paths.len() > 1;
    for path in paths {
        let shown = |full: &str, name: &str| if flags.contains('l') { long(full, name) } else { format!("{name}\n") };
        match fs::stat(&path) {
            Ok((fs::Kind::Directory, _)) if !flags.contains('d') => {
                let names = fs::list(&path).unwrap_or_default();
                if several {
                    streams.out.print(&format!("{path}:\n")).await;
                }
                let base = path.trim_end_matches('/');
                let visible = names.iter().filter(|name| flags.contains(['a', 'A']) || !name.starts_with('.'));
                let text: String = visible.map(|name| shown(&format!("{base}/{name}"), name)).collect();
                streams.out.print(&text).await;
            }
            Ok(_) => _ = streams.out.print(&shown(&path, &path)).await,
            Err(error) => {
                streams.err.print(&format!("ls: {path}: {}\n", error.message())).await;
                status = 1;
            }
        }
    }
    status
}

/// Removes a directory with all that is in it.
fn remove_all(path: &str) -> podarium_guest::Result<()> {
    if fs::stat(path)?.0 == fs::Kind::File {
        return fs::remove(path, false);
    }
    for name in fs::list(path)? {
        remove_all(&format!("{}/{name}", path.trim_end_matches('/')))?;
    }
    fs::remove(path, true)
}

/// Makes a directory and those above it.
fn make_all(path: &str) -> podarium_guest::Result<()> {
    let mut at = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        at = format!("{at}/{part}");
        if fs::stat(&at).is_err() {
            fs::make_dir(&at)?;
        }
    }
    Ok(())
}

async fn files(name: &str, args: &[String], streams: &Streams) -> i32 {
    let flags: String = args.iter().filter_map(|arg| arg.strip_prefix('-')).collect();
    let paths: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if name == "cp" || name == "mv" {
        return copy(name, &paths, streams).await;
    }
    if paths.is_empty() && !flags.contains('f') {
        streams.err.print(&format!("BusyBox v1.37.0 multi-call binary.\n\nUsage: {name} FILE...\n")).await;
        return 1;
    }
    let mut status = 0;
    for path in paths {
        let result = match name {
            "mkdir" if flags.contains('p') => make_all(path),
            "mkdir" => fs::make_dir(path),
            "rmdir" => fs::remove(path, true),
            "rm" if flags.contains(['r', 'R']) => remove_all(path),
            "rm" => fs::remove(path, false),
            "stat" => match fs::stat(path) {
                Ok((kind, size)) => {
                    let kind = if kind == fs::Kind::Directory { "directory" } else { "regular file" };
                    streams.out.print(&format!("  File: {path}\n  Size: {size}\t{kind}\n")).await;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            _ => match fs::stat(path) {
                Ok(_) => Ok(()),
                Err(_) => fs::write(path, b""),
            },
        };
        if let Err(error) = result
            && !(name == "rm" && flags.contains('f') && error == podarium_guest::Errno::NOENT)
        {
            let words = match name {
                "rm" => format!("rm: can't remove '{path}': {}\n", error.message()),
                "mkdir" => format!("mkdir: can't create directory '{path}': {}\n", error.message()),
                "stat" => format!("stat: can't stat '{path}': {}\n", error.message()),
                name => format!("{name}: {path}: {}\n", error.message()),
            };
            streams.err.print(&words).await;
            status = 1;
        }
    }
    status
}

async fn copy(name: &str, paths: &[&String], streams: &Streams) -> i32 {
    let [from, to] = paths else {
        streams.err.print(&format!("BusyBox v1.37.0 multi-call binary.\n\nUsage: {name} SOURCE DEST\n")).await;
        return 1;
    };
    let mut target = (*to).clone();
    if matches!(fs::stat(&target), Ok((fs::Kind::Directory, _))) {
        target = format!("{}/{}", target.trim_end_matches('/'), crate::base_name(from));
    }
    let result = fs::read(from).and_then(|bytes| fs::write(&target, &bytes));
    let result = result.and_then(|()| if name == "mv" { fs::remove(from, false) } else { Ok(()) });
    if let Err(error) = result {
        streams.err.print(&format!("{name}: can't stat '{from}': {}\n", error.message())).await;
        return 1;
    }
    0
}

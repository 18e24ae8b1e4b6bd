//! Programs that turn text into text.

use podarium_guest::{fs, sleep};

use crate::stream::{Input, OpenFile, Streams};

/// Runs one of them.
pub async fn run(name: &str, args: &[String], streams: &mut Streams) -> i32 {
    match name {
        "cat" => cat(args, streams).await,
        "head" | "tail" => ends(name, args, streams).await,
        "wc" => wc(args, streams).await,
        "grep" => grep(args, streams).await,
        "sed" => sed(args, streams).await,
        "sort" | "uniq" => sort(name, args, streams).await,
        "cut" => cut(args, streams).await,
        "tr" => tr(args, streams).await,
        "tee" => tee(args, streams).await,
        _ => base64(args, streams).await,
    }
}

/// The named files, or the input when none is named. Files that can't be read are complained about.
async fn inputs(name: &str, paths: &[&String], streams: &Streams) -> (Vec<(String, Vec<u8>)>, i32) {
    if paths.is_empty() {
        return (vec![("-".to_owned(), streams.input.read_to_end().await)], 0);
    }
    let mut all = Vec::new();
    let mut status = 0;
    for path in paths {
        if *path == "-" {
            all.push(("-".to_owned(), streams.input.read_to_end().await));
            continue;
        }
        match fs::read(path) {
            Ok(bytes) => all.push(((*path).clone(), bytes)),
            Err(error) => {
                let words = match name {
                    "grep" | "sed" => format!("{name}: {path}: {}\n", error.message()),
                    _ => format!("{name}: can't open '{path}': {}\n", error.message()),
                };
                streams.err.print(&words).await;
                status = 1;
            }
        }
    }
    (all, status)
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = String> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let empty = bytes.is_empty();
    text.split(|b| *b == b'\n').filter(move |_| !empty).map(|line| String::from_utf8_lossy(line).into_owned())
}

async fn cat(args: &[String], streams: &Streams) -> i32 {
    let paths: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-') || *arg == "-").collect();
    let mut status = 0;
    let standard = "-".to_owned();
    let paths = if paths.is_empty() { vec![&standard] } else { paths };
    for path in paths {
        let input = if path == "-" {
            streams.input.clone()
        } else {
            match fs::stat(path).and_then(|(kind, _)| match kind {
                fs::Kind::Directory => Err(podarium_guest::Errno(31)),
                fs::Kind::File => fs::open(path, 0),
            }) {
                Ok(fd) => Input::File(OpenFile(fd).into()),
                Err(error) => {
                    let words = match error.0 {
                        31 => "cat: read error: Is a directory\n".to_owned(),
                        _ => format!("cat: can't open '{path}': {}\n", error.message()),
                    };
                    streams.err.print(&words).await;
                    status = 1;
                    continue;
                }
            }
        };
        loop {
            let bytes = input.read().await;
            if bytes.is_empty() {
                break;
            }
            if !streams.out.write(&bytes).await {
                return 1;
            }
        }
    }
    status
}

async fn ends(name: &str, args: &[String], streams: &Streams) -> i32 {
    let mut count = 10usize;
    let mut bytes_mode = false;
    let mut from_start = false;
    let mut follow = false;
    let mut paths = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut number = None;
        match arg.as_str() {
            "-n" => number = rest.next().cloned(),
            "-c" => {
                bytes_mode = true;
                number = rest.next().cloned();
            }
            "-f" | "-F" => follow = true,
            arg if arg.starts_with("-n") => number = Some(arg[2..].to_owned()),
            arg if arg.len() > 1 && arg.starts_with('-') && arg[1..].bytes().all(|b| b.is_ascii_digit()) => {
                number = Some(arg[1..].to_owned());
            }
            _ => paths.push(arg),
        }
        if let Some(number) = number {
            from_start = number.starts_with('+');
            count = number.trim_start_matches(['+', '-']).parse().unwrap_or(10);
        }
    }
    let (files, status) = if name == "head" && paths.is_empty() {
        // No more is read than is shown, so that an endless writer ends.
        let mut bytes: Vec<u8> = Vec::new();
        let enough = |bytes: &[u8]| {
            if bytes_mode { bytes.len() >= count } else { bytes.iter().filter(|b| **b == b'\n').count() >= count }
        };
        while !enough(&bytes) {
            let more = streams.input.read().await;
            if more.is_empty() {
                break;
            }
            bytes.extend(more);
        }
        (vec![("-".to_owned(), bytes)], 0)
    } else {
        inputs(name, &paths, streams).await
    };
    for (_, bytes) in &files {
        let pieces: Vec<&[u8]> =
            if bytes_mode { bytes.chunks(1).collect() } else { bytes.split_inclusive(|b| *b == b'\n').collect() };
        let shown = match (name, from_start) {
            ("head", _) => &pieces[..count.min(pieces.len())],
            (_, true) => &pieces[count.saturating_sub(1).min(pieces.len())..],
            _ => &pieces[pieces.len().saturating_sub(count)..],
        };
        streams.out.write(&shown.concat()).await;
    }
    if follow && let Some(path) = paths.first() {
        let mut seen = files.first().map_or(0, |(_, bytes)| bytes.len());
        loop {
            if *path == "/dev/null" {
                // Nothing will ever come.
                std::future::pending::<()>().await;
            }
            sleep(1_000_000_000).await;
            let bytes = fs::read(path).unwrap_or_default();
            seen = seen.min(bytes.len());
            streams.out.write(&bytes[seen..]).await;
            seen = bytes.len();
        }
    }
    status
}

async fn wc(args: &[String], streams: &Streams) -> i32 {
    let flags: String = args.iter().filter_map(|arg| arg.strip_prefix('-')).collect();
    let paths: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let (files, status) = inputs("wc", &paths, streams).await;
    for (path, bytes) in files {
        let text = String::from_utf8_lossy(&bytes);
        let counts = [
            ('l', bytes.iter().filter(|b| **b == b'\n').count()),
            ('w', text.split_whitespace().count()),
            ('c', bytes.len()),
        ];
        let shown = counts.iter().filter(|(flag, _)| flags.is_empty() || flags.contains(*flag));
        let numbers: Vec<String> = shown.map(|(_, n)| n.to_string()).collect();
        let text = if numbers.len() == 1 {
            numbers.concat()
        } else {
            numbers.iter().map(|n| format!("{n:>9}")).collect::<Vec<_>>().join(" ")
        };
        let name = if path == "-" { String::new() } else { format!(" {path}") };
        streams.out.print(&format!("{text}{name}\n")).await;
    }
    status
}

/// A small regular expression: `^ $ . * [..]` and, of the extended ones, `+ ? |`.
struct Pattern {
    alternatives: Vec<Vec<(Atom, char)>>,
    start: Vec<bool>,
    end: Vec<bool>,
    fold: bool,
}

enum Atom {
    Any,
    Literal(char),
    Class(Vec<(char, char)>, bool),
}

impl Pattern {
    fn new(text: &str, extended: bool, fixed: bool, fold: bool) -> Self {
        let text = if fold { text.to_lowercase() } else { text.to_owned() };
        let mut pattern = Pattern { alternatives: Vec::new(), start: Vec::new(), end: Vec::new(), fold };
        let split = if extended && !fixed { "|" } else { "\\|" };
        for part in text.split(split) {
            let start = !fixed && part.starts_with('^');
            let end = !fixed && part.ends_with('$') && !part.ends_with("\\$");
            let inner = &part[usize::from(start)..part.len() - usize::from(end)];
            pattern.alternatives.push(atoms(inner, extended, fixed));
            pattern.start.push(start);
            pattern.end.push(end);
        }
        pattern
    }

    /// Where the first match lies.
    fn find(&self, text: &[char]) -> Option<(usize, usize)> {
        let folded: Vec<char> =
            if self.fold { text.iter().map(|c| c.to_ascii_lowercase()).collect() } else { text.to_vec() };
        (0..=text.len()).find_map(|from| {
            self.alternatives.iter().enumerate().find_map(|(index, atoms)| {
                if self.start[index] && from > 0 {
                    return None;
                }
                let mut steps = 20_000;
                match_here(atoms, &folded, from, self.end[index], &mut steps).map(|to| (from, to))
            })
        })
    }
}

fn atoms(text: &str, extended: bool, fixed: bool) -> Vec<(Atom, char)> {
    let mut out: Vec<(Atom, char)> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if fixed {
            out.push((Atom::Literal(c), '1'));
            continue;
        }
        let atom = match c {
            '.' => Atom::Any,
            '\\' => Atom::Literal(chars.next().unwrap_or('\\')),
            '(' | ')' if extended => continue,
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                let mut first = true;
                while let Some(low) = chars.next() {
                    if low == ']' && !first {
                        break;
                    }
                    first = false;
                    if chars.peek() == Some(&'-') {
                        chars.next();
                        match chars.next() {
                            Some(']') | None => {
                                ranges.extend([(low, low), ('-', '-')]);
                                break;
                            }
                            Some(high) => ranges.push((low, high)),
                        }
                    } else {
                        ranges.push((low, low));
                    }
                }
                Atom::Class(ranges, negated)
            }
            c => Atom::Literal(c),
        };
        let count = chars.next_if(|c| *c == '*' || (extended && matches!(c, '+' | '?'))).unwrap_or('1');
        out.push((atom, count));
    }
    out
}

fn match_here(atoms: &[(Atom, char)], text: &[char], at: usize, end: bool, steps: &mut u32) -> Option<usize> {
    *steps = steps.checked_sub(1)?;
    let Some(((atom, count), rest)) = atoms.split_first() else {
        return (!end || at == text.len()).then_some(at);
    };
    let fits = |at: usize| match (atom, text.get(at)) {
        (_, None) => false,
        (Atom::Any, _) => true,
        (Atom::Literal(c), Some(t)) => c == t,
        (Atom::Class(ranges, negated), Some(t)) => ranges.iter().any(|(a, b)| (a..=b).contains(&t)) != *negated,
    };
    let most = match count {
        '1' => return if fits(at) { match_here(rest, text, at + 1, end, steps) } else { None },
        '?' => usize::from(fits(at)),
        _ => (at..text.len()).take_while(|at| fits(*at)).count(),
    };
    let least = usize::from(*count == '+');
    (least..=most).rev().find_map(|n| match_here(rest, text, at + n, end, steps))
}

async fn grep(args: &[String], streams: &Streams) -> i32 {
    let mut flags = String::new();
    let mut words: Vec<&String> = Vec::new();
    let mut pattern = None;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.strip_prefix('-') {
            Some("e") => pattern = rest.next(),
            Some(more) if !more.is_empty() => flags.push_str(more),
            _ => words.push(arg),
        }
    }
    let pattern = match pattern {
        Some(pattern) => pattern,
        None if !words.is_empty() => words.remove(0),
        None => {
            streams
                .err
                .print("BusyBox v1.37.0 multi-call binary.\n\nUsage: grep [-HhnlLoqvsrRiwFE] PATTERN [FILE]...\n")
                .await;
            return 2;
        }
    };
    let has = |flag: char| flags.contains(flag);
    let pattern = Pattern::new(pattern, has('E'), has('F'), has('i'));
    let (files, status) = inputs("grep", &words, streams).await;
    let several = files.len() > 1;
    let mut total = 0;
    for (path, bytes) in &files {
        let mut count = 0;
        for (number, line) in lines(bytes).enumerate() {
            let chars: Vec<char> = line.chars().collect();
            if pattern.find(&chars).is_some() == has('v') {
                continue;
            }
            count += 1;
            if has('q') || has('c') || has('l') {
                continue;
            }
            let name = if several && !has('h') { format!("{path}:") } else { String::new() };
            let number = if has('n') { format!("{}:", number + 1) } else { String::new() };
            streams.out.print(&format!("{name}{number}{line}\n")).await;
        }
        total += count;
        if has('c') {
            streams.out.print(&format!("{count}\n")).await;
        } else if has('l') && count > 0 {
            streams.out.print(&format!("{path}\n")).await;
        }
    }
    if status != 0 { 2 } else { i32::from(total == 0) }
}

/// `s/from/to/flags`, `/pattern/d`, `/pattern/p`, `Nd`, `Np` and `$`.
async fn sed(args: &[String], streams: &Streams) -> i32 {
    let mut quiet = false;
    let mut extended = false;
    let mut in_place = false;
    let mut scripts: Vec<String> = Vec::new();
    let mut words: Vec<&String> = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-n" => quiet = true,
            "-E" | "-r" => extended = true,
            "-i" => in_place = true,
            "-e" => scripts.extend(rest.next().cloned()),
            _ => words.push(arg),
        }
    }
    if scripts.is_empty() && !words.is_empty() {
        scripts.push(words.remove(0).clone());
    }
    let (files, status) = inputs("sed", &words, streams).await;
    for (path, bytes) in files {
        let all: Vec<String> = lines(&bytes).collect();
        let mut out = String::new();
        for (index, line) in all.iter().enumerate() {
            let mut line = line.clone();
            let mut deleted = false;
            for command in scripts.iter().flat_map(|script| script.split(';')) {
                let command = command.trim();
                let (selected, action) = address(command, &line, index + 1, all.len(), extended);
                if !selected || deleted {
                    continue;
                }
                match action.chars().next() {
                    Some('d') => deleted = true,
                    Some('p') => out.push_str(&format!("{line}\n")),
                    Some('s') => match substitute(&action[1..], &line, extended) {
                        Some(new) => line = new,
                        None => {
                            streams.err.print(&format!("sed: unmatched '/' in {command}\n")).await;
                            return 1;
                        }
                    },
                    Some('q') | None => {}
                    Some(other) => {
                        streams.err.print(&format!("sed: unsupported command {other}\n")).await;
                        return 1;
                    }
                }
            }
            if !deleted && !quiet {
                out.push_str(&line);
                out.push('\n');
            }
        }
        if in_place {
            if let Err(error) = fs::write(&path, out.as_bytes()) {
                streams.err.print(&format!("sed: {path}: {}\n", error.message())).await;
                return 1;
            }
        } else {
            streams.out.print(&out).await;
        }
    }
    status
}

/// Whether a command's address means this line, and the command without it.
fn address<'a>(command: &'a str, line: &str, number: usize, last: usize, extended: bool) -> (bool, &'a str) {
    if let Some(rest) = command.strip_prefix('/')
        && let Some(end) = rest.find('/')
    {
        let chars: Vec<char> = line.chars().collect();
        let found = Pattern::new(&rest[..end], extended, false, false).find(&chars).is_some();
        return (found, &rest[end + 1..]);
    }
    if let Some(rest) = command.strip_prefix('$') {
        return (number == last, rest);
    }
    let digits = command.len() - command.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 {
        return (true, command);
    }
    let first: usize = command[..digits].parse().unwrap_or(0);
    let rest = &command[digits..];
    if let Some(range) = rest.strip_prefix(',') {
        let digits = range.len() - range.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (end, action) = if let Some(action) = range.strip_prefix('$') {
            (last, action)
        } else {
            (range[..digits].parse().unwrap_or(0), &range[digits..])
        };
        return ((first..=end).contains(&number), action);
    }
    (number == first, rest)
}

fn substitute(text: &str, line: &str, extended: bool) -> Option<String> {
    let separator = text.chars().next()?;
    let mut parts = text[separator.len_utf8()..].split(separator);
    let (from, to, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let pattern = Pattern::new(from, extended, false, flags.contains('i'));
    let mut rest: Vec<char> = line.chars().collect();
    let mut out = String::new();
    while let Some((start, end)) = pattern.find(&rest) {
        let found: String = rest[start..end].iter().collect();
        out.extend(&rest[..start]);
        out.push_str(&to.replace('&', &found).replace("\\n", "\n"));
        let step = if end == start { 1.min(rest.len() - start) } else { 0 };
        out.extend(&rest[end..end + step]);
        rest.drain(..end + step);
        if !flags.contains('g') || rest.is_empty() || from.starts_with('^') {
            break;
        }
    }
    out.extend(rest);
    Some(out)
}

async fn sort(name: &str, args: &[String], streams: &Streams) -> i32 {
    let flags: String = args.iter().filter_map(|arg| arg.strip_prefix('-')).collect();
    let paths: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let (files, status) = inputs(name, &paths, streams).await;
    let mut all: Vec<String> = files.iter().flat_map(|(_, bytes)| lines(bytes).collect::<Vec<_>>()).collect();
    if name == "sort" {
        if flags.contains('n') {
            let number = |line: &String| {
                let digits = line.trim_start();
                let end = digits.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(digits.len());
                digits[..end].parse::<i64>().unwrap_or(0)
            };
            all.sort_by_key(number);
        } else {
            all.sort();
        }
        if flags.contains('r') {
            all.reverse();
        }
        if flags.contains('u') {
            all.dedup();
        }
    } else {
        let mut counted: Vec<(String, usize)> = Vec::new();
        for line in all {
            match counted.last_mut() {
                Some((last, count)) if *last == line => *count += 1,
                _ => counted.push((line, 1)),
            }
        }
        let with_count =
            |(line, count): (String, usize)| if flags.contains('c') { format!("{count:7} {line}") } else { line };
        all = counted.into_iter().map(with_count).collect();
    }
    let text: String = all.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    streams.out.print(&text).await;
    status
}

async fn cut(args: &[String], streams: &Streams) -> i32 {
    let mut delimiter = '\t';
    let mut list = String::new();
    let mut characters = false;
    let mut paths = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = |flag: &str| if arg == flag { rest.next().cloned() } else { Some(arg[2..].to_owned()) };
        match arg.get(..2) {
            Some("-d") => delimiter = value("-d").and_then(|v| v.chars().next()).unwrap_or('\t'),
            Some("-f") => list = value("-f").unwrap_or_default(),
            Some("-c") => {
                characters = true;
                list = value("-c").unwrap_or_default();
            }
            _ => paths.push(arg),
        }
    }
    let wanted = |n: usize| {
        list.split(',').any(|range| match range.split_once('-') {
            Some((a, b)) => (a.parse().unwrap_or(1)..=b.parse().unwrap_or(usize::MAX)).contains(&n),
            None => range.parse() == Ok(n),
        })
    };
    let (files, status) = inputs("cut", &paths, streams).await;
    for line in files.iter().flat_map(|(_, bytes)| lines(bytes).collect::<Vec<_>>()) {
        let text = if characters {
            line.chars().enumerate().filter(|(i, _)| wanted(i + 1)).map(|(_, c)| c).collect()
        } else if line.contains(delimiter) {
            let fields: Vec<&str> =
                line.split(delimiter).enumerate().filter(|(i, _)| wanted(i + 1)).map(|(_, f)| f).collect();
            fields.join(&delimiter.to_string())
        } else {
            line
        };
        streams.out.print(&format!("{text}\n")).await;
    }
    status
}

async fn tr(args: &[String], streams: &Streams) -> i32 {
    let expand = |set: &str| {
        let set = set.replace("\\n", "\n").replace("\\t", "\t");
        let set = set.replace("[:upper:]", "A-Z").replace("[:lower:]", "a-z").replace("[:digit:]", "0-9");
        let chars: Vec<char> = set.chars().collect();
        let mut out = Vec::new();
        let mut at = 0;
        while at < chars.len() {
            if at + 2 < chars.len() && chars[at + 1] == '-' {
                out.extend(chars[at]..=chars[at + 2]);
                at += 3;
            } else {
                out.push(chars[at]);
                at += 1;
            }
        }
        out
    };
    let delete = args.first().is_some_and(|arg| arg == "-d");
    let squeeze = args.first().is_some_and(|arg| arg == "-s");
    let sets: Vec<Vec<char>> =
        args.iter().filter(|arg| !arg.starts_with('-') || arg.len() == 1).map(|s| expand(s)).collect();
    let Some(from) = sets.first() else { return 1 };
    let bytes = streams.input.read_to_end().await;
    let mut out = String::new();
    for c in String::from_utf8_lossy(&bytes).chars() {
        match from.iter().position(|f| *f == c) {
            Some(_) if delete => {}
            Some(_) if squeeze && sets.len() == 1 => {
                if !out.ends_with(c) {
                    out.push(c);
                }
            }
            Some(index) => match sets.get(1) {
                Some(to) => out.extend(to.get(index).or(to.last())),
                None => out.push(c),
            },
            None => out.push(c),
        }
    }
    streams.out.print(&out).await;
    0
}

async fn tee(args: &[String], streams: &Streams) -> i32 {
    let append = args.iter().any(|arg| arg == "-a");
    let flags = fs::WRITE | fs::CREATE | if append { fs::APPEND } else { fs::TRUNCATE };
    let files: Vec<OpenFile> = args
        .iter()
        .filter(|arg| !arg.starts_with('-'))
        .filter_map(|path| fs::open(path, flags).ok().map(OpenFile))
        .collect();
    loop {
        let bytes = streams.input.read().await;
        if bytes.is_empty() {
            return 0;
        }
        streams.out.write(&bytes).await;
        for file in &files {
            let _ = podarium_guest::io::write_all(file.0, &bytes).await;
        }
    }
}

async fn base64(args: &[String], streams: &Streams) -> i32 {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let decode = args.iter().any(|arg| arg == "-d" || arg == "--decode");
    let paths: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let (files, status) = inputs("base64", &paths, streams).await;
    let bytes: Vec<u8> = files.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let mut out = Vec::new();
    if decode {
        let mut bits = 0u32;
        let mut count = 0;
        for byte in bytes {
            let Some(digit) = DIGITS.iter().position(|d| *d == byte) else { continue };
            bits = bits << 6 | digit as u32;
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push((bits >> count) as u8);
            }
        }
    } else {
        let mut column = 0;
        for group in bytes.chunks(3) {
            let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
            for place in 0..4 {
                out.push(if place <= group.len() { DIGITS[(bits >> (18 - 6 * place)) as usize & 63] } else { b'=' });
            }
            column += 4;
            if column == 76 {
                out.push(b'\n');
                column = 0;
            }
        }
        if column > 0 {
            out.push(b'\n');
        }
    }
    streams.out.write(&out).await;
    status
}

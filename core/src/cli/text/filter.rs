//! Programs that turn lines into other lines: cat, head, tail, grep, wc, sort, uniq, cut, tr, sed, awk, base64, tee, nl, column.

use base64::Engine as _;
use regex_lite::{Regex, RegexBuilder};

use super::{complain, edit};
use crate::cli::Shell;

/// Single letters that were given, values of those that take one, and the other words.
pub(super) struct Options {
    letters: String,
    pub(super) values: Vec<(char, String)>,
    pub(super) words: Vec<String>,
}

/// Sorts words: `valued` letters take what follows them.
pub(super) fn options(words: &[String], valued: &str) -> Options {
    let mut out = Options { letters: String::new(), values: Vec::new(), words: Vec::new() };
    let mut it = words.iter();
    while let Some(w) = it.next() {
        if w == "--" {
            out.words.extend(it.cloned());
            break;
        }
        let Some(letters) = w.strip_prefix('-').filter(|l| !l.is_empty() && !l.starts_with('-')) else {
            match w.strip_prefix("--").map(|l| l.split_once('=').unwrap_or((l, ""))) {
                Some((name, v)) => out.values.push((name.chars().next().unwrap_or(' '), v.to_owned())),
                None => out.words.push(w.clone()),
            }
            continue;
        };
        if letters.bytes().all(|b| b.is_ascii_digit()) {
            out.values.push(('n', letters.to_owned()));
            continue;
        }
        for (i, c) in letters.char_indices() {
            if !valued.contains(c) {
                out.letters.push(c);
                continue;
            }
            let tail = &letters[i + c.len_utf8()..];
            let v = if tail.is_empty() { it.next().cloned().unwrap_or_default() } else { tail.to_owned() };
            out.values.push((c, v));
            break;
        }
    }
    out
}

impl Options {
    pub(super) fn value(&self, c: char) -> Option<&str> {
        self.values.iter().rev().find(|(k, _)| *k == c).map(|(_, v)| v.as_str())
    }

    pub(super) fn on(&self, c: char) -> bool {
        self.letters.contains(c)
    }
}

/// The text that a program works on: its files', or what is fed to it.
pub(super) fn input(shell: &Shell, name: &str, files: &[String]) -> Result<String, i32> {
    if files.is_empty() {
        return Ok(shell.stdin.as_deref().unwrap_or_default().to_owned());
    }
    let mut out = String::new();
    for f in files {
        match shell.read(f) {
            Some(t) => out.push_str(&t),
            None => {
                complain(shell, &format!("{name}: {f}: No such file or directory"));
                return Err(if name == "grep" { 2 } else { 1 });
            }
        }
    }
    Ok(out)
}

/// Runs a filter; none if there is none of the name.
pub(super) fn run(shell: &Shell, name: &str, words: &[String]) -> Option<i32> {
    let done = match name {
        "cat" | "tac" => input(shell, name, &options(words, "").words).map(|t| {
            shell.out(if name == "tac" { t.lines().rev().map(|l| format!("{l}\n")).collect() } else { t });
            0
        }),
        "head" | "tail" => ends(shell, name, words),
        "grep" | "egrep" | "fgrep" => grep(shell, name, words),
        "wc" => wc(shell, words),
        "sort" => sort(shell, words),
        "uniq" => uniq(shell, words),
        "cut" => cut(shell, words),
        "tr" => tr(shell, words),
        "sed" => edit::sed(shell, words),
        "awk" => edit::awk(shell, words),
        "base64" => base64(shell, words),
        "tee" => tee(shell, words),
        "nl" => input(shell, name, &options(words, "").words).map(|t| {
            t.lines().enumerate().for_each(|(i, l)| shell.out(format!("{:>6}\t{l}\n", i + 1)));
            0
        }),
        "column" => input(shell, name, &options(words, "s").words).map(|t| {
            let rows: Vec<Vec<String>> = t.lines().map(|l| l.split_whitespace().map(str::to_owned).collect()).collect();
            shell.out(columns(&rows));
            0
        }),
        _ => return None,
    };
    Some(done.unwrap_or_else(|code| code))
}

fn columns(rows: &[Vec<String>]) -> String {
    let width = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
    let line = |r: &Vec<String>| {
        let cells = r
            .iter()
            .enumerate()
            .map(|(i, c)| if i + 1 == r.len() { c.clone() } else { format!("{c:<w$}", w = width(i)) });
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    rows.iter().map(line).collect()
}

fn ends(shell: &Shell, name: &str, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "nc");
    let text = input(shell, name, &o.words)?;
    if let Some(n) = o.value('c') {
        let n: usize = n.parse().map_err(|_| complain(shell, &format!("{name}: invalid number of bytes: ‘{n}’")))?;
        let bytes = text.as_bytes();
        let part = if name == "head" { &bytes[..n.min(bytes.len())] } else { &bytes[bytes.len().saturating_sub(n)..] };
        shell.out(String::from_utf8_lossy(part).into_owned());
        return Ok(0);
    }
    let given = o.value('n').unwrap_or("10");
    let wrong = |_| complain(shell, &format!("{name}: invalid number of lines: ‘{given}’"));
    let n: i64 = given.trim_start_matches('+').parse().map_err(wrong)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let many = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
    let part = match (name, given.starts_with('+'), n < 0) {
        ("head", _, false) => &lines[..many.min(lines.len())],
        ("head", _, true) => &lines[..lines.len().saturating_sub(many)],
        (_, true, _) => &lines[many.saturating_sub(1).min(lines.len())..],
        _ => &lines[lines.len().saturating_sub(many)..],
    };
    shell.out(part.concat());
    Ok(0)
}

/// A pattern of grep or sed; basic ones take `\|`, `\(`, `\+` for what extended ones have without the backslash.
pub(super) fn pattern(p: &str, extended: bool, fixed: bool, ignore_case: bool) -> Option<Regex> {
    let mut out = String::new();
    let mut chars = p.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if fixed => {
                if !c.is_alphanumeric() {
                    out.push('\\');
                }
                out.push(c);
            }
            '\\' if !extended && chars.peek().is_some_and(|c| "|(){}+?".contains(*c)) => out.extend(chars.next()),
            '|' | '(' | ')' | '{' | '}' | '+' | '?' if !extended => out.extend(['\\', c]),
            '\\' => {
                out.push(c);
                out.extend(chars.next());
            }
            c => out.push(c),
        }
    }
    RegexBuilder::new(&out).case_insensitive(ignore_case).size_limit(1 << 20).build().ok()
}

fn grep(shell: &Shell, name: &str, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "eABCm");
    let mut words = o.words.clone();
    let wanted = match o.value('e') {
        Some(p) => p.to_owned(),
        None if words.is_empty() => {
            shell.err("Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.\n");
            return Err(2);
        }
        None => words.remove(0),
    };
    let text = input(shell, "grep", &words)?;
    let extended = name == "egrep" || o.on('E') || o.on('P');
    let mut wanted = wanted;
    if o.on('w') {
        wanted = format!(r"\b{wanted}\b");
    }
    let Some(re) = pattern(&wanted, extended, name == "fgrep" || o.on('F'), o.on('i')) else {
        shell.err("grep: Invalid regular expression\n");
        return Err(2);
    };
    let number = |c: char| o.value(c).and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    let (after, before) = (number('A').max(number('C')), number('B').max(number('C')));
    let lines: Vec<&str> = text.lines().collect();
    let most = o.value('m').and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let found: Vec<usize> = (0..lines.len()).filter(|i| re.is_match(lines[*i]) != o.on('v')).take(most).collect();
    if o.on('c') {
        shell.out(format!("{}\n", found.len()));
    } else if o.on('o') {
        found.iter().flat_map(|i| re.find_iter(lines[*i])).for_each(|m| shell.out(format!("{}\n", m.as_str())));
    } else if !o.on('q') {
        let mut last: Option<usize> = None;
        for i in &found {
            let from = i.saturating_sub(before).max(last.map_or(0, |l| l + 1));
            if last.is_some_and(|l| from > l + 1) && after + before > 0 {
                shell.out("--\n");
            }
            for (n, line) in lines.iter().enumerate().take((i + after + 1).min(lines.len())).skip(from) {
                let mark = if found.contains(&n) { ':' } else { '-' };
                shell.out(if o.on('n') { format!("{}{mark}{line}\n", n + 1) } else { format!("{line}\n") });
                last = Some(n);
            }
        }
    }
    Ok(i32::from(found.is_empty()))
}

fn wc(shell: &Shell, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "");
    let text = input(shell, "wc", &o.words)?;
    let counts = [('l', text.matches('\n').count()), ('w', text.split_whitespace().count()), ('c', text.len())];
    let all = !['l', 'w', 'c'].iter().any(|c| o.on(*c));
    let shown: Vec<String> = counts.iter().filter(|(c, _)| all || o.on(*c)).map(|(_, n)| n.to_string()).collect();
    let shown =
        if all { shown.iter().map(|n| format!("{n:>7}")).collect::<Vec<_>>().join(" ") } else { shown.join(" ") };
    let name = o.words.first().map_or(String::new(), |f| format!(" {f}"));
    shell.out(format!("{shown}{name}\n"));
    Ok(0)
}

/// The number at the beginning of a text.
fn leading_number(s: &str) -> f64 {
    let s = s.trim_start();
    let end = s.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(s.len());
    s[..end].parse().unwrap_or(0.0)
}

fn sort(shell: &Shell, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "kt");
    let text = input(shell, "sort", &o.words)?;
    let key = o.value('k').unwrap_or("1");
    let field: usize = key.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(1);
    let numeric = o.on('n') || key.contains('n');
    let reverse = o.on('r') || key.contains('r');
    let of = |line: &str| match (o.value('k'), o.value('t')) {
        (None, _) => line.to_owned(),
        (Some(_), Some(t)) => line.split(t).nth(field - 1).unwrap_or_default().to_owned(),
        (Some(_), None) => line.split_whitespace().skip(field.saturating_sub(1)).collect::<Vec<_>>().join(" "),
    };
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by(|a, b| {
        let (x, y) = (of(a), of(b));
        let order = if numeric { leading_number(&x).total_cmp(&leading_number(&y)) } else { x.cmp(&y) };
        order.then_with(|| a.cmp(b))
    });
    if reverse {
        lines.reverse();
    }
    if o.on('u') {
        lines.dedup();
    }
    shell.out(lines.iter().map(|l| format!("{l}\n")).collect::<String>());
    Ok(0)
}

fn uniq(shell: &Shell, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "");
    let text = input(shell, "uniq", &o.words)?;
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for l in text.lines() {
        match groups.last_mut() {
            Some((same, n)) if *same == l => *n += 1,
            _ => groups.push((l, 1)),
        }
    }
    groups.retain(|(_, n)| !o.on('d') || *n > 1);
    let line = |(l, n): &(&str, usize)| if o.on('c') { format!("{n:>7} {l}\n") } else { format!("{l}\n") };
    shell.out(groups.iter().map(line).collect::<String>());
    Ok(0)
}

fn cut(shell: &Shell, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "dfc");
    let text = input(shell, "cut", &o.words)?;
    let Some(list) = o.value('f').or_else(|| o.value('c')) else {
        return Err(complain(shell, "cut: you must specify a list of bytes, characters, or fields"));
    };
    let ranges: Vec<(usize, usize)> = list
        .split(',')
        .map(|r| match r.split_once('-') {
            Some((a, b)) => (a.parse().unwrap_or(1), b.parse().unwrap_or(usize::MAX)),
            None => r.parse().map_or((1, 0), |n: usize| (n, n)),
        })
        .collect();
    let wanted = |n: usize| ranges.iter().any(|(a, b)| (*a..=*b).contains(&n));
    for l in text.lines() {
        let line = match o.value('c') {
            Some(_) => l.chars().enumerate().filter(|(i, _)| wanted(i + 1)).map(|(_, c)| c).collect(),
            None => {
                let d = o.value('d').unwrap_or("\t");
                if l.contains(d) {
                    let parts = l.split(d).enumerate().filter(|(i, _)| wanted(i + 1)).map(|(_, p)| p);
                    parts.collect::<Vec<_>>().join(d)
                } else {
                    l.to_owned()
                }
            }
        };
        shell.out(format!("{line}\n"));
    }
    Ok(0)
}

/// A set of letters: `a-z`, `\n`, `[:upper:]`.
fn letters(s: &str) -> Vec<char> {
    let s = super::escapes(s).replace("[:upper:]", "A-Z").replace("[:lower:]", "a-z").replace("[:space:]", " \t\n");
    let all: Vec<char> = s.chars().collect();
    let mut out = Vec::new();
    let mut i = 0;
    while i < all.len() {
        match (all.get(i + 1), all.get(i + 2)) {
            (Some('-'), Some(to)) => {
                out.extend(all[i]..=*to);
                i += 3;
            }
            _ => {
                out.push(all[i]);
                i += 1;
            }
        }
    }
    out
}

fn tr(shell: &Shell, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "");
    let text = input(shell, "tr", &[])?;
    let from = o.words.first().map(|w| letters(w)).unwrap_or_default();
    let to = o.words.get(1).map(|w| letters(w)).unwrap_or_default();
    let mut out = String::new();
    for c in text.chars() {
        let at = from.iter().position(|f| *f == c);
        match at {
            Some(_) if o.on('d') => {}
            Some(_) if o.on('s') && to.is_empty() => {
                if !out.ends_with(c) {
                    out.push(c);
                }
            }
            Some(i) => out.push(*to.get(i).or(to.last()).unwrap_or(&c)),
            None => out.push(c),
        }
    }
    shell.out(out);
    Ok(0)
}

fn base64(shell: &Shell, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "w");
    let text = input(shell, "base64", &o.words)?;
    let engine = base64::engine::general_purpose::STANDARD;
    if o.on('d') || o.on('D') || o.values.iter().any(|(c, _)| *c == 'd') {
        let packed: String = text.split_whitespace().collect();
        match engine.decode(packed) {
            Ok(b) => shell.out(String::from_utf8_lossy(&b).into_owned()),
            Err(_) => return Err(complain(shell, "base64: invalid input")),
        }
        return Ok(0);
    }
    let width = o.value('w').and_then(|w| w.parse().ok()).unwrap_or(76usize);
    let encoded: Vec<char> = engine.encode(text).chars().collect();
    let lines: Vec<String> = match width {
        0 => vec![encoded.iter().collect()],
        w => encoded.chunks(w).map(|c| c.iter().collect()).collect(),
    };
    shell.out(lines.join("\n") + if width == 0 { "" } else { "\n" });
    Ok(0)
}

fn tee(shell: &Shell, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "");
    let text = input(shell, "tee", &[])?;
    o.words.iter().for_each(|f| shell.home.write(f, text.clone(), o.on('a')));
    shell.out(text);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_basic_or_extended() {
        for (p, extended, text, want) in [
            ("a|b", false, "b", false),
            ("a\\|b", false, "b", true),
            ("a|b", true, "b", true),
            ("^web-[0-9]+", true, "web-12", true),
            ("1.2", false, "1x2", true),
        ] {
            assert_eq!(pattern(p, extended, false, false).expect("a pattern").is_match(text), want, "{p} {text}");
        }
        assert!(!pattern("1.2", false, true, false).expect("a pattern").is_match("1x2"));
    }
}

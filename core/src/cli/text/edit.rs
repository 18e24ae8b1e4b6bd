//! sed and awk, as far as people use them between programs.

use super::complain;
use super::filter::{input, options, pattern};
use crate::cli::Shell;

pub(super) fn sed(shell: &Shell, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "e");
    let mut files = o.words.clone();
    let scripts: Vec<String> = match o.value('e') {
        Some(_) => o.values.iter().filter(|(c, _)| *c == 'e').map(|(_, v)| v.clone()).collect(),
        None if files.is_empty() => {
            return Err(complain(shell, "Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]..."));
        }
        None => vec![files.remove(0)],
    };
    let mut lines: Vec<String> = input(shell, "sed", &files)?.lines().map(str::to_owned).collect();
    for script in &scripts {
        lines = sed_step(script, lines, o.on('n'), o.on('E') || o.on('r')).ok_or_else(|| {
            complain(shell, &format!("sed: -e expression #1, char {}: unknown command", script.len()))
        })?;
    }
    let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
    match files.first().filter(|_| o.on('i')) {
        Some(f) => shell.home.write(f, text, false),
        None => shell.out(text),
    }
    Ok(0)
}

/// One command of sed: `s/a/b/g`, `1d`, `2,5p`, `/x/d`, `$d`.
fn sed_step(script: &str, lines: Vec<String>, quiet: bool, extended: bool) -> Option<Vec<String>> {
    if let Some(rest) = script.strip_prefix('s') {
        let mark = rest.chars().next()?;
        let parts: Vec<&str> = rest[mark.len_utf8()..].splitn(3, mark).collect();
        let [from, to, how] = parts.as_slice() else { return None };
        let re = pattern(from, extended, false, how.contains('i') || how.contains('I'))?;
        let to = to.replace('$', "$$").replace('&', "$0");
        let to = (1..=9).fold(to, |t, n| t.replace(&format!("\\{n}"), &format!("${{{n}}}")));
        let times = usize::from(!how.contains('g'));
        return Some(lines.iter().map(|l| re.replacen(l, times, to.as_str()).into_owned()).collect());
    }
    let what = script.chars().last()?;
    let address = &script[..script.len() - what.len_utf8()];
    let last = lines.len();
    let number = |a: &str| if a == "$" { Some(last) } else { a.parse().ok() };
    let chosen: Box<dyn Fn(usize, &str) -> bool> =
        if let Some(p) = address.strip_prefix('/').and_then(|a| a.strip_suffix('/')) {
            let re = pattern(p, extended, false, false)?;
            Box::new(move |_, l| re.is_match(l))
        } else if let Some((a, b)) = address.split_once(',') {
            let (a, b) = (number(a)?, number(b)?);
            Box::new(move |n, _| (a..=b).contains(&n))
        } else {
            let a = number(address)?;
            Box::new(move |n, _| n == a)
        };
    let numbered = lines.into_iter().enumerate();
    Some(match what {
        'd' => numbered.filter(|(i, l)| !chosen(i + 1, l)).map(|(_, l)| l).collect(),
        'p' if quiet => numbered.filter(|(i, l)| chosen(i + 1, l)).map(|(_, l)| l).collect(),
        'p' => numbered.flat_map(|(i, l)| if chosen(i + 1, &l) { vec![l.clone(), l] } else { vec![l] }).collect(),
        'q' => numbered.take_while(|(i, _)| *i == 0 || !chosen(*i, "")).map(|(_, l)| l).collect(),
        _ => return None,
    })
}

/// awk's commonest form: `/pattern/ {print $1, $NF}`, `NR>1 {..}`.
pub(super) fn awk(shell: &Shell, words: &[String]) -> Result<i32, i32> {
    let o = options(words, "Fv");
    let Some((script, files)) = o.words.split_first() else {
        return Err(complain(shell, "usage: awk [-F fs][-v var=value][prog | -f progfile][file ...]"));
    };
    let text = input(shell, "awk", files)?;
    let (condition, action) = match script.split_once('{') {
        Some((c, a)) => (c.trim(), a.trim().trim_end_matches('}').trim()),
        None => (script.trim(), "print"),
    };
    let Some(list) = action.strip_prefix("print") else {
        return Err(complain(shell, &format!("awk: only print is known here: {action}")));
    };
    let re = condition.strip_prefix('/').and_then(|c| c.strip_suffix('/')).map(|c| pattern(c, true, false, false));
    if matches!(re, Some(None)) {
        return Err(complain(shell, "awk: illegal regular expression"));
    }
    for (i, line) in text.lines().enumerate() {
        let fields: Vec<&str> = match o.value('F') {
            Some(f) => line.split(f).collect(),
            None => line.split_whitespace().collect(),
        };
        let value = |t: &str| awk_value(t, line, &fields, i + 1);
        let holds = match &re {
            Some(Some(re)) => re.is_match(line),
            _ if condition.is_empty() => true,
            _ => awk_holds(condition, &value),
        };
        if holds {
            let shown: Vec<String> =
                list.split(',').map(|part| awk_words(part).iter().map(|t| value(t)).collect()).collect();
            let shown = if list.trim().is_empty() { line.to_owned() } else { shown.join(" ") };
            shell.out(format!("{shown}\n"));
        }
    }
    Ok(0)
}

/// Splits `$1 "x" $2` into its terms.
fn awk_words(s: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut quoted = false;
    let mut now = String::new();
    for c in s.chars() {
        if c == '"' {
            quoted = !quoted;
        }
        if c == ' ' && !quoted {
            out.extend(Some(std::mem::take(&mut now)).filter(|n| !n.is_empty()));
        } else {
            now.push(c);
        }
    }
    out.extend(Some(now).filter(|n| !n.is_empty()));
    out
}

fn awk_value(term: &str, line: &str, fields: &[&str], number: usize) -> String {
    let term = term.trim();
    if let Some(s) = term.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        return super::escapes(s);
    }
    match term {
        "NR" => number.to_string(),
        "NF" => fields.len().to_string(),
        "$0" => line.to_owned(),
        "$NF" => fields.last().copied().unwrap_or_default().to_owned(),
        t => match t.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()) {
            Some(n) => fields.get(n.wrapping_sub(1)).copied().unwrap_or_default().to_owned(),
            None => t.to_owned(),
        },
    }
}

fn awk_holds(condition: &str, value: &dyn Fn(&str) -> String) -> bool {
    for op in ["==", "!=", ">=", "<=", ">", "<", "!~", "~"] {
        let Some((a, b)) = condition.split_once(op) else { continue };
        let left = value(a);
        if op.ends_with('~') {
            let re = pattern(b.trim().trim_matches('/'), true, false, false);
            return re.is_some_and(|r| r.is_match(&left)) == (op == "~");
        }
        let right = value(b);
        let order = match (left.parse::<f64>(), right.parse::<f64>()) {
            (Ok(x), Ok(y)) => x.total_cmp(&y),
            _ => left.cmp(&right),
        };
        return match op {
            "==" => order.is_eq(),
            "!=" => order.is_ne(),
            ">=" => order.is_ge(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            _ => order.is_lt(),
        };
    }
    !matches!(value(condition).as_str(), "" | "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_edited() {
        let lines = || ["a 1", "b 2", "c 3"].map(str::to_owned).to_vec();
        for (script, want) in [
            ("s/ /-/", vec!["a-1", "b-2", "c-3"]),
            ("1d", vec!["b 2", "c 3"]),
            ("$d", vec!["a 1", "b 2"]),
            ("/b/d", vec!["a 1", "c 3"]),
            (r"s/\(.\) \(.\)/\2 \1/", vec!["1 a", "2 b", "3 c"]),
        ] {
            assert_eq!(sed_step(script, lines(), false, false).expect("a script"), want, "{script}");
        }
        assert_eq!(sed_step("2,3p", lines(), true, false).expect("a script"), ["b 2", "c 3"]);
        assert!(awk_holds("NR>1", &|t| awk_value(t, "x y", &["x", "y"], 2)));
        assert!(awk_holds("$2 == \"y\"", &|t| awk_value(t, "x y", &["x", "y"], 1)));
    }
}

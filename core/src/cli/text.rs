//! Small programs that read and write text, as the person's shell has them: what commands are piped through.

mod edit;
mod filter;

use super::Shell;
use super::home::plain;

/// Runs one of them; none if there is no such program.
pub(super) fn run(shell: &Shell, name: &str, words: &[String]) -> Option<i32> {
    if let Some(code) = filter::run(shell, name, words) {
        return Some(code);
    }
    Some(match name {
        "echo" => echo(shell, words),
        "printf" => printf(shell, words),
        "true" | ":" | "clear" | "alias" | "set" | "source" | "." | "mkdir" | "chmod" => 0,
        "false" => 1,
        "pwd" => say(shell, "/root"),
        "cd" => match words.first().map(String::as_str) {
            None | Some("~" | "/root" | ".") => 0,
            Some(d) => complain(shell, &format!("bash: cd: {d}: No such file or directory")),
        },
        "whoami" => say(shell, "root"),
        "hostname" => say(shell, shell.on.as_ref().map_or("laptop", |l| &*l.machine.name)),
        "env" => {
            for (k, v) in shell.home.variables.borrow().iter().filter(|(k, _)| *k != "?") {
                shell.out(format!("{k}={v}\n"));
            }
            0
        }
        "which" => match words.first().map(String::as_str) {
            Some("kubectl") => say(shell, "/usr/local/bin/kubectl"),
            _ => 1,
        },
        "ls" => ls(shell, words),
        "rm" => each_file(shell, "rm", "remove", words, |f| shell.home.remove(f)),
        "touch" => each_file(shell, "touch", "touch", words, |f| {
            shell.home.write(f, String::new(), true);
            true
        }),
        "cp" | "mv" => copy(shell, name, words),
        "seq" => seq(shell, words),
        "vi" | "vim" | "nano" | "emacs" | "code" | "less" | "more"
            if shell.stdin.is_some() && matches!(name, "less" | "more") =>
        {
            shell.out(shell.stdin.as_deref().unwrap_or_default());
            0
        }
        "vi" | "vim" | "nano" | "emacs" => complain(
            shell,
            &format!("{name}: this terminal shows lines, not a screen; write a file with: cat > FILE <<EOF"),
        ),
        _ => return None,
    })
}

fn say(shell: &Shell, text: &str) -> i32 {
    shell.out(format!("{text}\n"));
    0
}

fn complain(shell: &Shell, text: &str) -> i32 {
    shell.err(format!("{text}\n"));
    1
}

fn escapes(s: &str) -> String {
    let mut out = String::new();
    let mut chars = s.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('\\') => out.push('\\'),
                Some(c) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            (c, _) => out.push(c),
        }
    }
    out
}

fn echo(shell: &Shell, words: &[String]) -> i32 {
    let (mut newline, mut escaped, mut at) = (true, false, 0);
    while let Some(w) = words.get(at).filter(|w| matches!(w.as_str(), "-n" | "-e" | "-ne" | "-en")) {
        newline &= !w.contains('n');
        escaped |= w.contains('e');
        at += 1;
    }
    let text = words[at..].join(" ");
    let text = if escaped { escapes(&text) } else { text };
    shell.out(if newline { text + "\n" } else { text });
    0
}

fn printf(shell: &Shell, words: &[String]) -> i32 {
    let Some((format, values)) = words.split_first() else {
        return complain(shell, "printf: usage: printf [-v var] format [arguments]");
    };
    let mut values = values.iter();
    let mut out = String::new();
    loop {
        let mut rest = format.as_str();
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            let kind = after.chars().next();
            rest = kind.map_or("", |c| &after[c.len_utf8()..]);
            match kind {
                Some('%') => out.push('%'),
                Some(_) => out.push_str(values.next().map(String::as_str).unwrap_or_default()),
                None => out.push('%'),
            }
        }
        out.push_str(rest);
        if values.len() == 0 || !format.contains('%') {
            break;
        }
    }
    shell.out(escapes(&out));
    0
}

fn ls(shell: &Shell, words: &[String]) -> i32 {
    let folder = words.iter().find(|w| !w.starts_with('-')).map_or("", String::as_str);
    let hidden = words.iter().any(|w| w.starts_with('-') && w.contains('a'));
    if !folder.is_empty() && shell.home.read(folder).is_some() {
        return say(shell, folder);
    }
    let below = shell.home.below(folder);
    if below.is_empty() && !matches!(folder, "" | "." | "~" | "/root") {
        shell.err(format!("ls: cannot access '{folder}': No such file or directory\n"));
        return 2;
    }
    let base = plain(folder);
    // Without a folder those of the home folder, which have no slash before them.
    let inside = |f: &'_ String| match (base.as_str(), folder.starts_with('/')) {
        ("", true) => f.strip_prefix('/').map(str::to_owned),
        ("", false) => Some(f.clone()).filter(|f| !f.starts_with('/')),
        (base, _) => f.strip_prefix(base).and_then(|f| f.strip_prefix('/')).map(str::to_owned),
    };
    let mut names: Vec<String> =
        below.iter().filter_map(inside).filter_map(|f| f.split('/').next().map(str::to_owned)).collect();
    names.retain(|n| hidden || !n.starts_with('.'));
    names.dedup();
    names.iter().for_each(|n| shell.out(format!("{n}\n")));
    0
}

fn each_file(shell: &Shell, name: &str, verb: &str, words: &[String], does: impl Fn(&str) -> bool) -> i32 {
    let forced = words.iter().any(|w| w.starts_with('-') && w.contains('f'));
    let mut code = 0;
    for f in words.iter().filter(|w| !w.starts_with('-')) {
        if !does(f) && !forced {
            code = complain(shell, &format!("{name}: cannot {verb} '{f}': No such file or directory"));
        }
    }
    code
}

fn copy(shell: &Shell, name: &str, words: &[String]) -> i32 {
    let plain: Vec<&String> = words.iter().filter(|w| !w.starts_with('-')).collect();
    let [from, to] = plain.as_slice() else {
        return complain(shell, &format!("{name}: missing file operand"));
    };
    let Some(text) = shell.home.read(from) else {
        return complain(shell, &format!("{name}: cannot stat '{from}': No such file or directory"));
    };
    let into = to.ends_with('/') || *to == "." || !shell.home.below(to).is_empty();
    let file = from.rsplit('/').next().unwrap_or(from);
    let to = if into { format!("{}/{file}", to.trim_end_matches('/')) } else { (*to).clone() };
    shell.home.write(&to, text, false);
    if name == "mv" {
        shell.home.remove(from);
    }
    0
}

fn seq(shell: &Shell, words: &[String]) -> i32 {
    let numbers: Vec<i64> = words.iter().filter_map(|w| w.parse().ok()).collect();
    let (from, to) = match numbers.as_slice() {
        [to] => (1, *to),
        [from, to] => (*from, *to),
        _ => return complain(shell, "seq: missing operand"),
    };
    (from..=to.min(from.saturating_add(100_000))).for_each(|n| shell.out(format!("{n}\n")));
    0
}

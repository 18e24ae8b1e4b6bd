//! The tree of kubectl's commands: which there are, what flags they take, what help says. Models spf13/cobra and
//! `pkg/util/templates`; the commands themselves are data, in `commands.txt`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::api::field::quote;
use crate::cli::args::{Args, Flag, Kind, Wrong};

/// A command: `rollout status`.
#[derive(Debug, Default)]
pub(super) struct Command {
    /// Its words after `kubectl`, none for kubectl itself.
    pub path: &'static str,
    aliases: Vec<&'static str>,
    suggested_for: Vec<&'static str>,
    usage: &'static str,
    short: &'static str,
    long: Vec<String>,
    examples: Vec<&'static str>,
    flags: Vec<Flag>,
}

struct Tree {
    commands: BTreeMap<&'static str, Command>,
    global: Vec<Flag>,
}

/// Groups of kubectl's help.
const GROUPS: &[(&str, &[&str])] = &[
    ("Basic Commands (Beginner):", &["create", "expose", "run", "set"]),
    ("Basic Commands (Intermediate):", &["explain", "get", "edit", "delete"]),
    ("Deploy Commands:", &["rollout", "scale", "autoscale"]),
    ("Cluster Management Commands:", &["certificate", "cluster-info", "top", "cordon", "uncordon", "drain", "taint"]),
    (
        "Troubleshooting and Debugging Commands:",
        &["describe", "logs", "attach", "exec", "port-forward", "proxy", "cp", "auth", "debug", "events"],
    ),
    ("Advanced Commands:", &["diff", "apply", "patch", "replace", "wait", "kustomize"]),
    ("Settings Commands:", &["label", "annotate", "completion"]),
    ("Other Commands:", &["api-resources", "api-versions", "config", "plugin", "version"]),
];

fn flag(line: &'static str) -> Flag {
    let mut parts = line.split('|');
    let mut next = || parts.next().unwrap_or_default();
    let (name, short, kind, default) = (next(), next(), next(), next());
    let kind = match kind {
        "bool" => Kind::Switch,
        "int" => Kind::Number,
        "duration" => Kind::Duration,
        "list" | "map" => Kind::List,
        "array" => Kind::Array,
        _ => Kind::Text,
    };
    // A usage may have bars of its own: only the two flags that can go without a value end with one.
    let rest = line.splitn(5, '|').nth(4).unwrap_or_default();
    let (usage, bare) = match (name, rest.rsplit_once('|')) {
        ("validate" | "dry-run" | "cascade", Some((u, b))) => (u, Some(b)),
        _ => (rest, (kind == Kind::Switch).then_some("true")),
    };
    Flag { name, short: short.chars().next(), kind, default, usage, bare }
}

static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let mut sets: BTreeMap<&str, Vec<Flag>> = BTreeMap::new();
    let mut commands: BTreeMap<&'static str, Command> = BTreeMap::new();
    let (mut set, mut path) = ("", "");
    for line in include_str!("commands.txt").lines().filter(|l| !l.starts_with('#')) {
        let (what, text) = (line.get(..1).unwrap_or_default(), line.get(2..).unwrap_or_default());
        match what {
            "*" => set = text,
            "f" if !set.is_empty() => sets.entry(set).or_default().push(flag(text)),
            "=" => {
                set = "";
                path = text;
                commands.insert(path, Command { path, ..Command::default() });
            }
            _ => {
                let Some(c) = commands.get_mut(path) else { continue };
                match what {
                    "a" => c.aliases = text.split(' ').collect(),
                    "q" => c.suggested_for = text.split(' ').collect(),
                    "u" => c.usage = text,
                    "s" => c.short = text,
                    "l" => c.long.push(text.to_owned()),
                    "i" => match c.long.last_mut().filter(|l| l.contains("\n  ") || l.starts_with("  ")) {
                        Some(l) => l.push_str(&format!("\n{text}")),
                        None => c.long.push(text.to_owned()),
                    },
                    "e" => c.examples.push(text),
                    "f" => c.flags.push(flag(text)),
                    "+" => c.flags.extend(sets.get(text).cloned().unwrap_or_default()),
                    _ => {}
                }
            }
        }
    }
    for c in commands.values_mut() {
        c.flags.sort_by_key(|f| f.name);
        c.flags.dedup_by_key(|f| f.name);
    }
    Tree { commands, global: sets.remove("global").unwrap_or_default() }
});

/// What words ask for.
pub(super) enum Found {
    /// A command with its words sorted.
    Run(&'static Command, Args),
    /// Its help.
    Help(&'static Command),
    /// An error; it is printed behind `error: `.
    Wrong(String),
}

impl Command {
    /// `kubectl rollout status`
    pub fn full(&self) -> String {
        if self.path.is_empty() { "kubectl".into() } else { format!("kubectl {}", self.path) }
    }

    /// Its last word.
    fn name(&self) -> &'static str {
        self.path.rsplit(' ').next().unwrap_or_default()
    }

    fn child(&self, word: &str) -> Option<&'static Command> {
        self.children().into_iter().find(|c| c.name() == word || c.aliases.contains(&word))
    }

    /// Its subcommands, by name.
    pub fn children(&self) -> Vec<&'static Command> {
        let depth = if self.path.is_empty() { 1 } else { self.path.split(' ').count() + 1 };
        let below = |c: &&Command| {
            !c.path.is_empty()
                && c.path.split(' ').count() == depth
                && (self.path.is_empty() || c.path.starts_with(&format!("{} ", self.path)))
        };
        TREE.commands.values().filter(below).collect()
    }

    fn all_flags(&self) -> Vec<&'static Flag> {
        let own = TREE.commands.get(self.path).map(|c| c.flags.as_slice()).unwrap_or_default();
        let parents = TREE.commands.get("config").filter(|c| self.path.starts_with(c.path)).map(|c| c.flags.as_slice());
        own.iter().chain(parents.unwrap_or_default()).chain(&TREE.global).collect()
    }

    fn suggestions(&self, typed: &str) -> String {
        let fits = |c: &&Command| {
            let name = c.name();
            distance(&typed.to_lowercase(), name) <= 2
                || name.starts_with(&typed.to_lowercase())
                || c.suggested_for.iter().any(|s| s.eq_ignore_ascii_case(typed))
        };
        let names: Vec<String> =
            self.children().into_iter().filter(fits).map(|c| format!("\t{}\n", c.name())).collect();
        if names.is_empty() { String::new() } else { format!("\n\nDid you mean this?\n{}", names.concat()) }
    }

    /// Its help, as printed where there is no terminal's width to keep to.
    pub fn help(&self) -> String {
        if self.path == "options" {
            return format!("The following options can be passed to any command:\n\n{}", usages(&TREE.global, true));
        }
        let mut out = match self.long.split_first() {
            None => self.short.to_owned(),
            Some((first, more)) => {
                let more: Vec<String> =
                    more.iter()
                        .map(|l| {
                            if l.starts_with("Use \"kubectl") || l.starts_with(' ') {
                                l.clone()
                            } else {
                                format!(" {l}")
                            }
                        })
                        .collect();
                std::iter::once(first.trim_start().to_owned()).chain(more).collect::<Vec<_>>().join("\n\n")
            }
        };
        out.push_str("\n\n");
        if !self.aliases.is_empty() {
            out.push_str(&format!("Aliases:\n{}, {}\n\n", self.name(), self.aliases.join(", ")));
        }
        if !self.examples.is_empty() {
            let lines: Vec<String> =
                self.examples.iter().map(|l| if l.is_empty() { String::new() } else { format!("  {l}") }).collect();
            out.push_str(&format!("Examples:\n{}\n\n", lines.join("\n")));
        }
        let children = self.children();
        if !children.is_empty() {
            out.push_str(&self.groups(&children));
        }
        if !self.flags.is_empty() {
            out.push_str(&format!("Options:\n{}\n\n", usages(&self.flags, false).trim_end()));
        }
        let parent = match self.path.rsplit_once(' ') {
            _ if self.path.is_empty() => String::new(),
            Some((p, _)) => format!("kubectl {p} "),
            None => "kubectl ".into(),
        };
        let usage = if self.usage.contains("[options]") { "" } else { " [options]" };
        out.push_str(&format!("Usage:\n  {parent}{}{usage}\n\n", self.usage));
        if !children.is_empty() {
            out.push_str(&format!(
                "Use \"{} <command> --help\" for more information about a given command.\n",
                self.full()
            ));
        }
        out.push_str("Use \"kubectl options\" for a list of global command-line options (applies to all commands).\n");
        out
    }

    fn groups(&self, children: &[&Command]) -> String {
        let width = children.iter().map(|c| c.name().len()).max().unwrap_or(0).max(11);
        let line = |c: &Command| format!("  {:<width$}   {}\n", c.name(), c.short);
        if !self.path.is_empty() {
            return format!("Available Commands:\n{}\n", children.iter().map(|c| line(c)).collect::<String>());
        }
        let group = |(title, names): &(&str, &[&str])| {
            let lines: String = names.iter().filter_map(|n| self.child(n)).map(line).collect();
            format!("{title}\n{lines}\n")
        };
        GROUPS.iter().map(group).collect()
    }
}

fn usages(flags: &[Flag], all: bool) -> String {
    let shown = |f: &&Flag| all || !f.usage.is_empty();
    let mut out = String::new();
    for f in flags.iter().filter(shown) {
        let short = f.short.map_or_else(String::new, |c| format!("-{c}, "));
        let default = if f.kind == Kind::Text { format!("'{}'", f.default) } else { f.default.to_owned() };
        out.push_str(&format!("    {short}--{}={default}:\n\t{}\n\n", f.name, f.usage));
    }
    out
}

/// How many letters must change, come or go. Models cobra's ld.
pub(in crate::cli) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let change = before[j] + usize::from(x != y);
            row.push(change.min(before[j + 1] + 1).min(row[j] + 1));
        }
        before = row;
    }
    before.last().copied().unwrap_or(0)
}

/// kubectl itself.
fn root() -> Option<&'static Command> {
    TREE.commands.get("")
}

/// Finds what words ask for.
pub(super) fn find(words: &[String]) -> Found {
    let Some(mut command) = root() else { return Found::Wrong("no commands".into()) };
    let mut left: Vec<String> = Vec::new();
    let mut it = words.iter();
    // The first words that are no flags, nor their values, lead down the tree.
    while let Some(w) = it.next() {
        if w == "--" {
            left.push(w.clone());
            break;
        }
        if w.starts_with('-') && w.len() > 1 {
            left.push(w.clone());
            if takes_value(command, w) {
                left.extend(it.next().cloned());
            }
            continue;
        }
        if command.path.is_empty() && w == "help" {
            return help_topic(it.as_slice());
        }
        match command.child(w) {
            Some(c) => command = c,
            None if command.path.is_empty() => {
                let why = format!("unknown command {} for \"kubectl\"{}", quote(w), command.suggestions(w));
                return Found::Wrong(why);
            }
            None => {
                left.push(w.clone());
                break;
            }
        }
    }
    left.extend(it.cloned());
    match Args::parse(&left, &command.all_flags()) {
        Ok(args) => Found::Run(command, args),
        Err(Wrong::Help) => Found::Help(command),
        Err(Wrong::Text(why)) if command.path == "options" => {
            Found::Wrong(format!("{why}\nRun 'kubectl options' without flags."))
        }
        Err(Wrong::Text(why)) => Found::Wrong(format!("{why}\nSee '{} --help' for usage.", command.full())),
    }
}

fn takes_value(command: &Command, word: &str) -> bool {
    if word.contains('=') {
        return false;
    }
    let flags = command.all_flags();
    match word.strip_prefix("--") {
        Some(name) => flags.iter().find(|f| f.name == name).is_some_and(|f| f.bare.is_none()),
        // `-n` takes the next word, `-nweb` has its value already.
        None => {
            let mut letters = word.chars().skip(1);
            while let Some(c) = letters.next() {
                let Some(f) = flags.iter().find(|f| f.short == Some(c)) else { return false };
                if f.bare.is_none() {
                    return letters.next().is_none();
                }
            }
            false
        }
    }
}

fn help_topic(words: &[String]) -> Found {
    let mut command = match root() {
        Some(c) => c,
        None => return Found::Wrong("no commands".into()),
    };
    for w in words.iter().filter(|w| !w.starts_with('-')) {
        match command.child(w) {
            Some(c) => command = c,
            None if command.path.is_empty() => {
                return Found::Wrong(format!("Unknown help topic [`{}`]", words.join("` `")));
            }
            None => break,
        }
    }
    Found::Help(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> String {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match find(&words) {
            Found::Run(c, a) => format!("{} {}", c.path, a.words.join(",")),
            Found::Help(c) => format!("help of {}", c.full()),
            Found::Wrong(why) => why,
        }
    }

    #[test]
    fn words_lead_to_commands() {
        for (line, want) in [
            ("get pods", "get pods"),
            ("-n kube-system get pods -o wide", "get pods"),
            ("--namespace=x get pods", "get pods"),
            ("rollout status deploy/web", "rollout status deploy/web"),
            ("create deploy web --image=x", "create deployment web"),
            ("create secret generic s", "create secret generic s"),
            ("get -h", "help of kubectl get"),
            ("help rollout undo", "help of kubectl rollout undo"),
            ("exec web -- kubectl get", "exec web"),
            ("gett pods", "unknown command \"gett\" for \"kubectl\"\n\nDid you mean this?\n\tget\n\tset\n"),
            ("list", "unknown command \"list\" for \"kubectl\"\n\nDid you mean this?\n\tget\n"),
            ("frobnicate", "unknown command \"frobnicate\" for \"kubectl\""),
            ("get --frob", "unknown flag: --frob\nSee 'kubectl get --help' for usage."),
            ("rollout status --frob", "unknown flag: --frob\nSee 'kubectl rollout status --help' for usage."),
        ] {
            assert_eq!(found(line), want, "{line}");
        }
    }

    #[test]
    fn every_command_has_its_help() {
        for c in TREE.commands.values() {
            assert!(!c.short.is_empty() && !c.usage.is_empty(), "{}", c.path);
            assert!(c.help().contains("Usage:\n  kubectl") || c.path == "options", "{}", c.path);
        }
        let help = TREE.commands["scale"].help();
        assert!(
            help.starts_with(
                "Set a new size for a deployment, replica set, replication controller, or stateful set.\n"
            )
        );
        assert!(help.contains("    -f, --filename=[]:\n\tFilename, directory, or URL to files identifying"));
        assert!(help.contains("    --dry-run='none':\n\tMust be \"none\", \"server\", or \"client\"."));
        let all = TREE.commands[""].help();
        assert!(
            all.contains("Basic Commands (Beginner):\n  create          Create a resource from a file or from stdin\n")
        );
    }
}

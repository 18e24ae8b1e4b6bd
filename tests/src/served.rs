//! A running `podarium` server for tests of real clients, and what makes their transcripts comparable.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use regex::Regex;

/// A server of its own process. Dropping it ends it.
pub struct Served {
    child: Child,
    /// Its folder, for the kubeconfig and what sessions write.
    pub folder: PathBuf,
    /// The kubeconfig that it wrote.
    pub kubeconfig: PathBuf,
    /// Where it serves.
    pub url: String,
}

impl Served {
    /// Starts the server that `cargo xtask test` built, with these options besides.
    pub fn start(name: &str, options: &[&str]) -> Served {
        let program = std::env::var_os("PODARIUM_SERVER")
            .expect("PODARIUM_SERVER is not set: run client tests with `cargo xtask test --only clients`");
        let folder = std::env::temp_dir().join(format!("podarium-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let mut child = Command::new(program)
            .current_dir(&folder)
            .args(["--listen", "127.0.0.1:0", "--kubeconfig", "kubeconfig"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let stdout = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let said = |line: String, what: &str| line.strip_prefix(what).map(str::to_owned);
        let url = lines.find_map(|line| said(line, "Serving Kubernetes v1.36.2 on ")).expect("it says where it serves");
        let kubeconfig = lines.find_map(|line| said(line, "kubeconfig: ")).expect("it says where its kubeconfig is");
        std::thread::spawn(move || lines.for_each(drop));
        Served { child, folder, kubeconfig: kubeconfig.into(), url }
    }

    /// A command that finds the server by its kubeconfig, and nothing of the person's own settings.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.folder)
            .env_remove("http_proxy")
            .env_remove("https_proxy")
            .env_remove("HTTP_PROXY")
            .env_remove("HTTPS_PROXY")
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What differs from run to run, and what stands for it.
static VOLATILE: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let rules = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", "<time>"),
        (r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} 20\d\d \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
        (r"20\d\d/\d\d/\d\d \d\d:\d\d:\d\d", "<time>"),
        (r"\d\d/\w{3}/20\d\d:\d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
        (r"https?://127\.0\.0\.1:\d+", "<server>"),
        // Names of pods: of Deployments, then of others.
        (
            r"\b([a-z][a-z0-9-]*?)-[bcdf0-9][bcdfghjklmnpqrstvwxz0-9]{7,9}-[bcdfghjklmnpqrstvwxz2-9]{5}\b",
            "$1-<hash>-<id>",
        ),
        (r"\b([a-z][a-z0-9-]*?)-[bcdfghjklmnpqrstvwxz2-9]{5}\b", "$1-<id>"),
        (r"\b([a-z][a-z0-9-]*?)-[bcdf0-9][bcdfghjklmnpqrstvwxz0-9]{7,9}\b", "$1-<hash>"),
        (r"(pod-template-hash[=:] ?)[bcdfghjklmnpqrstvwxz0-9]{8,10}", "$1<hash>"),
        (r"\b10\.244\.\d+\.\d+\b", "<pod-ip>"),
        (r"\b10\.(?:9[6-9]|10\d|11[01])\.\d+\.\d+\b", "<cluster-ip>"),
        (r#"(resourceVersion"?: ?"?)\d+"#, "$1<rv>"),
        (r"(^|\s|\()(?:\d+[dhms]){1,3}( ago|\)|\s|$)", "$1<age>$2"),
        (r"[ \t]{2,}", "  "),
    ];
    rules.map(|(text, by)| (Regex::new(text).expect("a valid expression"), by)).into()
});

/// A transcript with all that is volatile replaced.
pub fn normal(text: &str) -> String {
    let mut out = text.to_owned();
    for (rule, by) in VOLATILE.iter() {
        // Neighbouring matches share a blank, so one pass may leave every second.
        for _ in 0..2 {
            out = rule.replace_all(&out, *by).into_owned();
        }
    }
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Runs a session: each line that begins with `$ ` is a command, and what it prints follows it. Answers the
/// transcript as it came out, so that a session's file is its script and its expectation at once.
pub fn transcript(script: &str, mut run: impl FnMut(&str) -> (String, i32)) -> String {
    let mut out = String::new();
    for line in script.lines() {
        if line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let (printed, exit) = run(command);
        out.push_str(&format!("\n{line}\n{}", normal(&printed)));
        if exit != 0 {
            out.push_str(&format!("[exit {exit}]\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_volatile_is_replaced() {
        let check = |text: &str, expected: &str| assert_eq!(normal(text), format!("{expected}\n"), "{text}");
        check("web-7c5b8d6f9d-x2zqk   1/1     Running   0   5m4s", "web-<hash>-<id>  1/1  Running  0  <age>");
        check("myapp-rc-9mz2x   1/1   Running   1 (3s ago)   44s", "myapp-rc-<id>  1/1  Running  1 (<age> ago)  <age>");
        check("worker-1   Ready   <none>   3m   v1.36.2", "worker-1  Ready  <none>  <age>  v1.36.2");
        check("uid: 01234567-89ab-cdef-0123-456789abcdef", "uid: <uid>");
    }

    #[test]
    fn a_session_is_script_and_expectation_at_once() {
        let told = transcript("# Greets.\n\n$ echo a\nold\n$ false\n", |command| {
            if command == "false" { (String::new(), 1) } else { ("a\n".into(), 0) }
        });
        assert_eq!(told, "# Greets.\n\n$ echo a\na\n\n$ false\n[exit 1]\n");
    }
}

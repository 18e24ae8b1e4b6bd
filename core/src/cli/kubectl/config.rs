//! kubectl config, and what the kubeconfig says about the cluster, the user and the namespace. Models `pkg/cmd/config` and
//! client-go's clientcmd.

mod edit;

use serde_json::{Value, json};

use super::print;
use super::show::{items, text};
use super::{Cx, Failure, Outcome, tabs};
use crate::api::field::quote;
use crate::api::yaml::to_yaml;
use crate::cli::Shell;
use crate::cli::args::Args;
use crate::cli::door::SERVER;

/// Where the kubeconfig is, from the home folder on.
const PATH: &str = ".kube/config";

/// A kubeconfig file.
#[derive(Clone)]
pub(super) struct Config {
    /// Its path as messages name it.
    path: String,
    /// Its content.
    value: Value,
}

/// Who asks in which namespace.
#[derive(Default)]
pub(super) struct Access {
    pub namespace: String,
    pub token: Option<String>,
}

/// What `kubeadm init` writes.
fn of_kubeadm() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "kubernetes-admin@kubernetes",
        "clusters": [{"name": "kubernetes", "cluster": {
            "certificate-authority-data": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", "server": format!("https://{SERVER}")}}],
        "contexts": [{"name": "kubernetes-admin@kubernetes", "context": {"cluster": "kubernetes", "user": "kubernetes-admin"}}],
        "users": [{"name": "kubernetes-admin", "user": {
            "client-certificate-data": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
            "client-key-data": "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0t"}}],
    })
}

impl Config {
    /// Reads the kubeconfig; without a file it is kubeadm's.
    pub fn load(shell: &Shell, explicit: Option<&str>) -> Self {
        let path = explicit.map_or_else(
            || shell.home.variables.borrow().get("KUBECONFIG").cloned().unwrap_or_else(|| PATH.to_owned()),
            str::to_owned,
        );
        let value = shell.home.read(&path).and_then(|t| crate::api::decode::parse_yaml(t.as_bytes()).ok());
        let shown = if path == PATH { format!("/root/{PATH}") } else { path };
        Config { path: shown, value: value.filter(Value::is_object).unwrap_or_else(of_kubeadm) }
    }

    fn save(&self, shell: &Shell) {
        shell.home.write(&self.path, to_yaml(&self.value), false);
    }

    fn current(&self) -> String {
        text(&self.value["current-context"])
    }

    /// An entry of a list: `contexts`, `clusters`, `users`.
    fn entry(&self, list: &str, name: &str) -> Option<&Value> {
        let field = list.trim_end_matches('s');
        items(&self.value[list]).iter().find(|e| e["name"] == name).map(|e| &e[field])
    }

    fn names(&self, list: &str) -> Vec<String> {
        let mut names: Vec<String> = items(&self.value[list]).iter().map(|e| text(&e["name"])).collect();
        names.sort();
        names
    }

    /// Sets an entry of a list; whether there was one.
    fn put(&mut self, list: &str, name: &str, value: Value) -> bool {
        let field = list.trim_end_matches('s');
        if !self.value[list].is_array() {
            self.value[list] = json!([]);
        }
        let Some(all) = self.value[list].as_array_mut() else { return false };
        if let Some(e) = all.iter_mut().find(|e| e["name"] == name) {
            e[field] = value;
            return true;
        }
        all.push(json!({"name": name, field: value}));
        all.sort_by_key(|e| text(&e["name"]));
        false
    }

    fn remove(&mut self, list: &str, name: &str) -> bool {
        let Some(all) = self.value[list].as_array_mut() else { return false };
        let before = all.len();
        all.retain(|e| e["name"] != name);
        all.len() < before
    }

    /// What the flags and the context in use say.
    pub fn access(&self, args: &Args) -> Result<Access, Failure> {
        let given = args.get("context").filter(|c| !c.is_empty());
        let name = given.map_or_else(|| self.current(), str::to_owned);
        let context = self.entry("contexts", &name).cloned();
        if context.is_none() && !name.is_empty() {
            return Err(Failure::error(match given {
                Some(_) => format!("context {} does not exist", quote(&name)),
                None => format!("Error in configuration: context was not found for specified context: {name}"),
            }));
        }
        let context = context.unwrap_or_default();
        let cluster = args.get("cluster").map_or_else(|| text(&context["cluster"]), str::to_owned);
        let user = args.get("user").map_or_else(|| text(&context["user"]), str::to_owned);
        let known = self.entry("clusters", &cluster);
        if known.is_none() && args.get("cluster").is_some() {
            return Err(Failure::error(format!("cluster {} does not exist", quote(&cluster))));
        }
        let entry = self.entry("users", &user);
        if entry.is_none() && args.get("user").is_some() {
            return Err(Failure::error(format!("auth info {} does not exist", quote(&user))));
        }
        let server =
            args.get("server").map_or_else(|| known.map(|c| text(&c["server"])).unwrap_or_default(), str::to_owned);
        reachable(&server)?;
        let token = args.get("token").map(str::to_owned).or_else(|| entry?["token"].as_str().map(str::to_owned));
        let namespace = Some(text(&context["namespace"])).filter(|n| !n.is_empty());
        Ok(Access { namespace: namespace.unwrap_or_else(|| "default".into()), token })
    }
}

/// There is one cluster; nobody answers at other addresses.
fn reachable(server: &str) -> Outcome {
    let host = server.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    if host == SERVER {
        return Ok(());
    }
    let (host, named) =
        if host.is_empty() { ("localhost:8080", false) } else { (host, host.starts_with(|c: char| c.is_alphabetic())) };
    let name = host.split(':').next().unwrap_or(host);
    Err(Failure::plain(if named && name != "localhost" {
        format!("Unable to connect to the server: dial tcp: lookup {name}: no such host")
    } else {
        format!("The connection to the server {host} was refused - did you specify the right host or port?")
    }))
}

/// Hides what is secret.
fn redacted(config: &Value) -> Value {
    let mut v = config.clone();
    let hidden = [
        ("clusters", "cluster", "certificate-authority-data", "DATA+OMITTED"),
        ("users", "user", "client-certificate-data", "DATA+OMITTED"),
        ("users", "user", "client-key-data", "DATA+OMITTED"),
        ("users", "user", "token", "REDACTED"),
        ("users", "user", "password", "REDACTED"),
    ];
    for (list, field, key, word) in hidden {
        for e in v[list].as_array_mut().into_iter().flatten() {
            if e[field].get(key).is_some() {
                e[field][key] = word.into();
            }
        }
    }
    v
}

/// What the context in use needs, and no more.
fn minified(config: &Config, name: &str) -> Result<Value, Failure> {
    let Some(context) = config.entry("contexts", name) else {
        let why = if name.is_empty() {
            "no current-context is set".to_owned()
        } else {
            format!("cannot locate context {name}")
        };
        return Err(Failure::error(why));
    };
    let mut v = config.value.clone();
    for (list, wanted) in
        [("contexts", name.to_owned()), ("clusters", text(&context["cluster"])), ("users", text(&context["user"]))]
    {
        if let Some(all) = v[list].as_array_mut() {
            all.retain(|e| e["name"] == wanted.as_str());
        }
    }
    Ok(v)
}

fn view(cx: &Cx<'_>, config: &Config) -> Outcome {
    if !cx.args.words.is_empty() {
        return Err(super::usage(cx, &format!("unexpected arguments: [{}]", cx.args.words.join(" "))));
    }
    let mut v = config.value.clone();
    if cx.args.on("minify") {
        let name = cx.args.get("context").map_or_else(|| config.current(), str::to_owned);
        v = minified(config, &name)?;
        v["current-context"] = name.into();
    }
    if !cx.args.on("raw") && !cx.args.on("flatten") {
        v = redacted(&v);
    }
    match print::parse(cx, cx.args.text("output"))? {
        Some(format) => print::print(cx, &[], &format, &v),
        None => {
            cx.out(to_yaml(&v));
            Ok(())
        }
    }
}

fn contexts(cx: &Cx<'_>, config: &Config) -> Outcome {
    let output = cx.args.text("output");
    if !matches!(output, "" | "name") {
        return Err(Failure::error(format!(
            "output must be one of '' or 'name': {output} is not available in kubectl config get-contexts"
        )));
    }
    let all = config.names("contexts");
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    if output.is_empty() && !cx.args.on("no-headers") {
        rows.push(["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"].map(str::to_owned).to_vec());
    }
    let wanted = if cx.args.words.is_empty() { all.clone() } else { cx.args.words.clone() };
    for name in wanted {
        let Some(c) = config.entry("contexts", &name) else {
            wrong.push(Failure::error(format!("context {name} not found")));
            continue;
        };
        if output == "name" {
            rows.push(vec![name]);
            continue;
        }
        let mark = if name == config.current() { "*" } else { "" };
        rows.push(vec![mark.to_owned(), name, text(&c["cluster"]), text(&c["user"]), text(&c["namespace"])]);
    }
    cx.out(tabs::table(&rows));
    Failure::many(wrong)
}

/// Runs a subcommand of config.
pub(super) fn run(cx: &Cx<'_>, verb: &str) -> Outcome {
    let mut config = Config::load(cx.shell, cx.args.get("kubeconfig"));
    match verb {
        "view" => view(cx, &config),
        "get-contexts" => contexts(cx, &config),
        "current-context" => {
            if config.current().is_empty() {
                return Err(Failure::error("current-context is not set"));
            }
            cx.out(format!("{}\n", config.current()));
            Ok(())
        }
        "get-clusters" | "get-users" => {
            cx.out("NAME\n");
            config.names(&verb[4..]).iter().for_each(|n| cx.out(format!("{n}\n")));
            Ok(())
        }
        _ => edit::run(cx, verb, &mut config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cluster_answers() {
        assert!(reachable(&format!("https://{SERVER}")).is_ok());
        for (server, why) in [
            ("", "The connection to the server localhost:8080 was refused - did you specify the right host or port?\n"),
            (
                "https://prod.example.com",
                "Unable to connect to the server: dial tcp: lookup prod.example.com: no such host\n",
            ),
        ] {
            assert_eq!(reachable(server).expect_err("an error").text, why);
        }
    }

    #[test]
    fn secrets_stay_hidden() {
        let v = redacted(&of_kubeadm());
        assert_eq!(v["users"][0]["user"]["client-key-data"], "DATA+OMITTED");
        assert_eq!(v["clusters"][0]["cluster"]["server"], format!("https://{SERVER}"));
    }
}

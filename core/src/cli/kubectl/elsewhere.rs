//! Commands that need what the page's computer hasn't: an editor, open ports, a shell's completion. They check what upstream
//! checks, then say plainly what to do instead.

use super::show::text;
use super::{Cx, Failure, Outcome, builder, resources};
use crate::api::field::quote;

/// kubectl edit: there is no editor, and upstream says so in these words. Models `pkg/cmd/util/editor`.
pub(super) async fn edit(cx: &Cx<'_>) -> Outcome {
    let all = resources::discover(cx).await?;
    let (found, wrong) = builder::objects(cx, &all, &cx.args.words).await?;
    Failure::many(wrong)?;
    let Some(f) = found.first() else { return Err(Failure::error("edit cancelled, no objects found")) };
    let name = format!("{}/{}", f.resource.qualified(), f.name);
    let scope = match f.namespace.as_deref().filter(|_| cx.namespace_given) {
        Some(n) => format!(" -n {n}"),
        None => String::new(),
    };
    Err(Failure::printed(format!(
        "error: unable to launch the editor \"vi\"\n\nThis terminal has no screen editor. Write the object to a file, change it, and replace it:\n  kubectl get {name}{scope} -o yaml > object.yaml\n  kubectl replace -f object.yaml\nOr change single fields with kubectl patch, kubectl set and kubectl scale.\n"
    )))
}

pub(super) async fn port_forward(cx: &Cx<'_>) -> Outcome {
    let [given, ports @ ..] = cx.args.words.as_slice() else {
        return Err(super::usage(cx, "TYPE/NAME and list of ports are required for port-forward"));
    };
    if ports.is_empty() {
        return Err(super::usage(cx, "TYPE/NAME and list of ports are required for port-forward"));
    }
    let all = resources::discover(cx).await?;
    let (kind, name) = given.split_once('/').unwrap_or(("pods", given));
    let found = resources::find(&all, kind)?;
    let Some(r) = found.first() else { return Err(Failure::error("expected a resource")) };
    let object = cx.ask("GET", &format!("{}/{name}", r.path(Some(&cx.namespace))), "", None).await?;
    for p in ports {
        let remote = p.rsplit(':').next().unwrap_or(p);
        if remote.parse::<u16>().is_err() && !remote.chars().any(char::is_alphabetic) {
            return Err(Failure::error(format!("error parsing remote port {}", quote(remote))));
        }
    }
    let name = text(&object["metadata"]["name"]);
    Err(Failure::error(format!(
        "unable to listen on any of the requested ports: [{}]: a browser tab has no ports of its own; open {kind}/{name} in the page instead",
        ports.join(" ")
    )))
}

/// kubectl plugin list.
pub(super) fn plugins() -> Outcome {
    Err(Failure::error("unable to find any kubectl plugins in your PATH"))
}

pub(super) async fn run(cx: &Cx<'_>, what: &str) -> Outcome {
    let why = match what {
        "completion" => {
            return match cx.args.words.as_slice() {
                [] => Err(super::usage(cx, "Shell not specified.")),
                [shell] if matches!(shell.as_str(), "bash" | "zsh" | "fish" | "powershell") => {
                    cx.out(format!("# {shell} completion for kubectl: this terminal completes nothing.\n"));
                    Ok(())
                }
                [shell] => Err(super::usage(cx, &format!("Unsupported shell type {}.", quote(shell)))),
                _ => Err(super::usage(cx, "Too many arguments. Expected only the shell type.")),
            };
        }
        "kustomize" => {
            let dir = cx.args.words.first().map_or(".", String::as_str);
            format!(
                "must build at directory: not a valid directory: evalsymlink failure on '{dir}' : lstat /root/{dir}: no such file or directory"
            )
        }
        "proxy" => {
            "listen tcp 127.0.0.1:8001: a browser tab has no ports of its own; use kubectl get --raw PATH instead"
                .into()
        }
        "cp" => "containers' file systems can't be reached from here; kubectl exec POD -- cat FILE shows a file".into(),
        _ => "ephemeral containers have no terminal here; use kubectl exec, or kubectl run with another image".into(),
    };
    Err(Failure::error(why))
}

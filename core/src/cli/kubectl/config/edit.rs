//! The subcommands of kubectl config that change the kubeconfig.

use serde_json::{Value, json};

use super::super::{Cx, Failure, Outcome};
use super::Config;
use crate::api::field::quote;

fn one<'a>(cx: &'a Cx<'_>) -> Result<&'a str, Failure> {
    match cx.args.words.as_slice() {
        [one] => Ok(one),
        words => {
            cx.shell.out(cx.command.help());
            Err(Failure::error(format!("Unexpected args: [{}]", words.join(" "))))
        }
    }
}

/// Sets fields that flags give.
fn fields(cx: &Cx<'_>, into: &mut Value, flags: &[(&str, &str)]) {
    if !into.is_object() {
        *into = json!({});
    }
    for (flag, field) in flags {
        let Some(v) = cx.args.get(flag) else { continue };
        match v {
            "" => {
                if let Some(o) = into.as_object_mut() {
                    o.remove(*field);
                }
            }
            "true" if *flag == "insecure-skip-tls-verify" => into[*field] = true.into(),
            v => into[*field] = v.into(),
        }
    }
}

pub(super) fn run(cx: &Cx<'_>, verb: &str, config: &mut Config) -> Outcome {
    let said = match verb {
        "use-context" => {
            let name = one(cx)?;
            if config.entry("contexts", name).is_none() {
                return Err(Failure::error(format!("no context exists with the name: {}", quote(name))));
            }
            config.value["current-context"] = name.into();
            format!("Switched to context {}.", quote(name))
        }
        "set-context" => set_context(cx, config)?,
        "set-cluster" => {
            let name = one(cx)?;
            let mut entry = config.entry("clusters", name).cloned().unwrap_or_default();
            fields(
                cx,
                &mut entry,
                &[
                    ("server", "server"),
                    ("tls-server-name", "tls-server-name"),
                    ("insecure-skip-tls-verify", "insecure-skip-tls-verify"),
                    ("certificate-authority", "certificate-authority"),
                    ("proxy-url", "proxy-url"),
                ],
            );
            config.put("clusters", name, entry);
            format!("Cluster {} set.", quote(name))
        }
        "set-credentials" => {
            let name = one(cx)?;
            let mut entry = config.entry("users", name).cloned().unwrap_or_default();
            fields(
                cx,
                &mut entry,
                &[
                    ("client-certificate", "client-certificate"),
                    ("client-key", "client-key"),
                    ("token", "token"),
                    ("username", "username"),
                    ("password", "password"),
                ],
            );
            config.put("users", name, entry);
            format!("User {} set.", quote(name))
        }
        "delete-context" | "delete-cluster" | "delete-user" => {
            let what = verb.trim_start_matches("delete-");
            let name = one(cx)?;
            if !config.remove(&format!("{what}s"), name) {
                return Err(Failure::error(format!("cannot delete {what} {name}, not in {}", config.path)));
            }
            if what == "context" && config.current() == name {
                cx.shell.err("warning: this removed your active context, use \"kubectl config use-context\" to select a different one\n");
            }
            format!("deleted {what} {name} from {}", config.path)
        }
        "rename-context" => rename_context(cx, config)?,
        "set" => {
            let [property, value] = cx.args.words.as_slice() else {
                return Err(Failure::error(format!("Unexpected args: [{}]", cx.args.words.join(" "))));
            };
            property_set(config, property, Some(value))?;
            format!("Property {} set.", quote(property))
        }
        _ => {
            let property = one(cx)?;
            property_set(config, property, None)?;
            format!("Property {} unset.", quote(property))
        }
    };
    config.save(cx.shell);
    cx.out(format!("{said}\n"));
    Ok(())
}

fn set_context(cx: &Cx<'_>, config: &mut Config) -> Result<String, Failure> {
    let name = match (cx.args.on("current"), cx.args.words.as_slice()) {
        (true, []) => config.current(),
        (true, _) => return Err(Failure::error("you cannot specify both a context name and --current")),
        (false, [one]) => one.clone(),
        (false, _) => return Err(Failure::error("you must specify a non-empty context name or --current")),
    };
    if name.is_empty() {
        return Err(Failure::error("no current context is set"));
    }
    let mut entry = config.entry("contexts", &name).cloned().unwrap_or_default();
    fields(cx, &mut entry, &[("cluster", "cluster"), ("user", "user"), ("namespace", "namespace")]);
    let was = config.put("contexts", &name, entry);
    Ok(format!("Context {} {}.", quote(&name), if was { "modified" } else { "created" }))
}

fn rename_context(cx: &Cx<'_>, config: &mut Config) -> Result<String, Failure> {
    let [old, new] = cx.args.words.as_slice() else {
        return Err(Failure::error(format!("Unexpected args: [{}]", cx.args.words.join(" "))));
    };
    let Some(entry) = config.entry("contexts", old).cloned() else {
        return Err(Failure::error(format!("cannot rename the context {}, it's not in {}", quote(old), config.path)));
    };
    if config.entry("contexts", new).is_some() {
        return Err(Failure::error(format!(
            "cannot rename the context {}, the context {} already exists in {}",
            quote(old),
            quote(new),
            config.path
        )));
    }
    let current = config.current() == *old;
    config.remove("contexts", old);
    config.put("contexts", new, entry);
    if current {
        config.value["current-context"] = new.as_str().into();
    }
    Ok(format!("Context {} renamed to {}.", quote(old), quote(new)))
}

/// Sets or takes away `current-context`, `contexts.NAME.namespace`.
fn property_set(config: &mut Config, property: &str, value: Option<&str>) -> Outcome {
    let parts: Vec<&str> = property.split('.').collect();
    let (list, name, field) = match parts.as_slice() {
        ["current-context"] => {
            config.value["current-context"] = value.unwrap_or_default().into();
            return Ok(());
        }
        // Names may have dots of their own.
        [list @ ("contexts" | "clusters" | "users"), name @ .., field] if !name.is_empty() => {
            (*list, name.join("."), *field)
        }
        [list @ ("contexts" | "clusters" | "users"), name] if value.is_none() => {
            config.remove(list, name);
            return Ok(());
        }
        [first, ..] => {
            return Err(Failure::error(format!("unable to parse one or more field values of {first}")));
        }
        [] => return Err(Failure::error("you must specify a property")),
    };
    let mut entry = config.entry(list, &name).cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    match value {
        Some(v) => entry[field] = v.into(),
        None => {
            if let Some(o) = entry.as_object_mut() {
                o.remove(field);
            }
        }
    }
    config.put(list, &name, entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::show::text;
    use super::*;

    #[test]
    fn properties_are_paths() {
        let mut c = Config { path: "x".into(), value: super::super::of_kubeadm() };
        property_set(&mut c, "contexts.kubernetes-admin@kubernetes.namespace", Some("web")).expect("set");
        assert_eq!(
            c.entry("contexts", "kubernetes-admin@kubernetes").map(|e| text(&e["namespace"])),
            Some("web".into())
        );
        property_set(&mut c, "users.kubernetes-admin", None).expect("unset");
        assert!(c.names("users").is_empty());
        assert!(property_set(&mut c, "nope.a", Some("b")).is_err());
    }
}

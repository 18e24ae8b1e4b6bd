//! kubectl scale. Models `pkg/cmd/scale`.

use serde_json::json;

use super::{Cx, Failure, Outcome, get, resources};
use crate::cli::args::{Flag, value};

pub(super) const FLAGS: &[Flag] = &[
    value("replicas", ' '),
    value("current-replicas", ' '),
    value("resource-version", ' '),
    value("timeout", ' '),
    value("output", 'o'),
];

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let Some(replicas) = cx.args.get("replicas") else {
        return Err(Failure::error("required flag(s) \"replicas\" not set"));
    };
    let replicas: i64 = replicas.parse().map_err(|_| {
        Failure::error(format!("invalid argument \"{replicas}\" for \"--replicas\" flag: strconv.ParseInt: parsing \"{replicas}\": invalid syntax"))
    })?;
    if replicas < 0 {
        return Err(Failure::error(
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0",
        ));
    }
    let all = resources::discover(cx).await?;
    for (r, names) in get::targets(&all, &cx.args.words, "scale")? {
        if names.is_empty() {
            return Err(Failure::error("resource(s) were provided, but no name was specified"));
        }
        for name in names {
            let path = format!("{}/{name}/scale", r.path(Some(&cx.namespace)));
            if let Some(expected) = cx.args.get("current-replicas").and_then(|c| c.parse::<i64>().ok()) {
                let scale = cx.ask("GET", &path, "", None).await?;
                let have = scale["spec"]["replicas"].as_i64().unwrap_or(0);
                if expected >= 0 && have != expected {
                    return Err(Failure::error(format!("Expected replicas to be {expected}, was {have}")));
                }
            }
            cx.patch(&path, "application/merge-patch+json", &json!({"spec": {"replicas": replicas}}), "").await?;
            cx.out(format!("{}/{name} scaled\n", r.qualified()));
        }
    }
    Ok(())
}

//! kubectl certificate. Models `pkg/cmd/certificates`.

use serde_json::json;

use super::show::{items, text};
use super::{Cx, Failure, Outcome, builder, print, resources};
use crate::api::decode::show_seconds;

pub(super) async fn run(cx: &Cx<'_>, verb: &str) -> Outcome {
    if cx.args.words.is_empty() && !builder::has_files(cx) {
        return Err(Failure::error("one or more CSRs must be specified as <name> or -f <filename>"));
    }
    let all = resources::discover(cx).await?;
    let mut words = cx.args.words.clone();
    if !words.is_empty() && !words[0].contains('/') {
        words.insert(0, "certificatesigningrequests".into());
    }
    let (found, mut wrong) = builder::objects(cx, &all, &words).await?;
    let (wanted, other, done, reason) = match verb {
        "approve" => ("Approved", "Denied", "approved", "KubectlApprove"),
        _ => ("Denied", "Approved", "denied", "KubectlDeny"),
    };
    for f in found {
        let mut new = f.object.clone();
        let conditions = items(&f.object["status"]["conditions"]);
        let has = |t: &str| conditions.iter().any(|c| c["type"] == t);
        if !has(wanted) || cx.args.on("force") {
            if has(other) {
                wrong.push(Failure::error(format!("certificate signing request \"{}\" is already {other}", f.name)));
                continue;
            }
            let now = text(&json!(show_seconds(cx.shell.door.sim.timestamp())));
            let mut list = conditions.to_vec();
            list.push(json!({"type": wanted, "status": "True", "reason": reason,
                "message": format!("This CSR was {done} by kubectl certificate {verb}."), "lastUpdateTime": now}));
            new["status"]["conditions"] = list.into();
            match cx.ask("PUT", &format!("{}/approval", f.path), "", Some(&new)).await {
                Ok(o) => new = o,
                Err(e) => {
                    wrong.push(e);
                    continue;
                }
            }
        }
        print::done(cx, &all, &new, done)?;
    }
    Failure::many(wrong)
}

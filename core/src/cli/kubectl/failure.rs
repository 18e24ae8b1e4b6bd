//! Why a command failed, in the words that kubectl prints. Models `pkg/cmd/util/helpers.go` (checkErr).

use serde_json::Value;

use crate::api::field::quote;
use crate::cli::door::Reply;

/// Why a command failed: what is printed, and its exit code.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Failure {
    /// What is printed.
    pub text: String,
    /// The exit code.
    pub code: i32,
    /// The api-server's answer, when that is what failed.
    status: Option<Box<Value>>,
}

impl Failure {
    /// `error: ..`, exit 1.
    pub fn error(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let prefix = if text.starts_with("error: ") { "" } else { "error: " };
        Failure::printed(format!("{prefix}{}\n", text.trim_end_matches('\n')))
    }

    /// A text as it stands with its line end, exit 1.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Failure::printed(format!("{}\n", text.as_ref()))
    }

    /// A text as it stands, exit 1.
    pub fn printed(text: String) -> Self {
        Failure { text, code: 1, status: None }
    }

    /// All was said already.
    pub fn silent() -> Self {
        Failure::printed(String::new())
    }

    /// What the api-server answered.
    pub fn server(reply: &Reply) -> Self {
        let v = reply.json();
        if v["kind"] == "Status" {
            return Failure::of(v);
        }
        let text = String::from_utf8_lossy(&reply.body).trim().to_owned();
        let why = match reply.code {
            404 => "the server could not find the requested resource",
            _ => &text,
        };
        let reason = if reply.code == 404 { "NotFound" } else { "InternalError" };
        Failure::of(serde_json::json!({"code": reply.code, "reason": reason, "message": why, "details": {}}))
    }

    /// A status that is a failure.
    fn of(status: Value) -> Self {
        Failure { text: standard(&status), code: 1, status: Some(Box::new(status)) }
    }

    /// Whether the api-server's answer has a reason.
    pub fn is(&self, reason: &str) -> bool {
        self.status.as_ref().is_some_and(|s| s["reason"] == reason)
    }

    /// Whether the object wasn't there.
    pub fn is_not_found(&self) -> bool {
        self.is("NotFound")
    }

    /// The error's own words.
    pub fn message(&self) -> String {
        match &self.status {
            Some(s) => s["message"].as_str().unwrap_or_default().to_owned(),
            None => self.text.strip_prefix("error: ").unwrap_or(&self.text).trim_end_matches('\n').to_owned(),
        }
    }

    /// The same error with other words: it stays an answer of the api-server. Models cmdutil.AddSourceToErr.
    pub fn worded(self, words: impl FnOnce(&str) -> String) -> Self {
        let message = words(&self.message());
        match self.status {
            Some(mut s) => {
                s["message"] = message.into();
                Failure::of(*s)
            }
            None => Failure { code: self.code, ..Failure::error(message) },
        }
    }

    /// The same while a file was being worked on.
    pub fn about_file(self, verb: &str, file: &str) -> Self {
        self.worded(|m| format!("error when {verb} {}: {m}", quote(file)))
    }

    /// An error of kubectl's own that repeats another's words.
    pub fn wrapped(self, what: &str) -> Self {
        Failure::error(format!("{what}: {}", self.message()))
    }

    /// How it stands among others. Models messageForError.
    fn among(&self) -> String {
        match &self.status {
            Some(s) => from_server(s),
            None => self.text.strip_prefix("error: ").unwrap_or(&self.text).trim_end_matches('\n').to_owned(),
        }
    }

    /// Several at once; one alone is itself.
    pub fn many(mut all: Vec<Failure>) -> Result<(), Failure> {
        match all.len() {
            0 => Ok(()),
            1 => Err(all.remove(0)),
            _ => Err(Failure::printed(all.iter().map(|f| f.among() + "\n").collect())),
        }
    }
}

/// Models cmdutil.StandardErrorMessage.
fn from_server(status: &Value) -> String {
    let message = status["message"].as_str().unwrap_or_default();
    match status["reason"].as_str().unwrap_or_default() {
        "Unauthorized" => format!("error: You must be logged in to the server ({message})"),
        "" => format!("Error from server: {message}"),
        reason => format!("Error from server ({reason}): {message}"),
    }
}

fn standard(status: &Value) -> String {
    if status["reason"] != "Invalid" {
        return from_server(status) + "\n";
    }
    let details = &status["details"];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let (kind, name, message) = (text(&details["kind"]), text(&details["name"]), text(&status["message"]));
    let causes = details["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut head = "The request is invalid".to_owned();
    if !kind.is_empty() || !name.is_empty() {
        head = format!("The {kind} {} is invalid", quote(&name));
    } else if !message.is_empty() && causes.is_empty() {
        head = format!("{head}: {message}");
    }
    let mut lines: Vec<String> = Vec::new();
    for c in causes {
        let line = format!("{}: {}", text(&c["field"]), text(&c["message"]));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    match lines.as_slice() {
        [] => format!("{head}\n"),
        [one] => format!("{head}: {one}\n"),
        many => format!("{head}: \n{}", many.iter().map(|l| format!("* {l}\n")).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure(status: Value) -> Failure {
        Failure::of(status)
    }

    #[test]
    fn answers_are_put_as_upstream_does() {
        for (status, want) in [
            (
                json!({"reason": "NotFound", "message": "pods \"a\" not found"}),
                "Error from server (NotFound): pods \"a\" not found\n",
            ),
            (json!({"reason": "", "message": "x"}), "Error from server: x\n"),
            (
                json!({"reason": "Unauthorized", "message": "Unauthorized"}),
                "error: You must be logged in to the server (Unauthorized)\n",
            ),
            (json!({"reason": "Invalid", "message": "no", "details": {}}), "The request is invalid: no\n"),
            (
                json!({"reason": "Invalid", "message": "m", "details": {"kind": "Pod", "name": "p", "causes": [
                    {"field": "a", "message": "1"}, {"field": "a", "message": "1"}]}}),
                "The Pod \"p\" is invalid: a: 1\n",
            ),
            (
                json!({"reason": "Invalid", "message": "m", "details": {"kind": "Pod", "name": "p", "causes": [
                    {"field": "a", "message": "1"}, {"field": "b", "message": "2"}]}}),
                "The Pod \"p\" is invalid: \n* a: 1\n* b: 2\n",
            ),
        ] {
            assert_eq!(failure(status).text, want);
        }
        let gone = failure(json!({"reason": "NotFound", "message": "gone"}));
        assert_eq!(
            gone.clone().about_file("creating", "a.yaml").text,
            "Error from server (NotFound): error when creating \"a.yaml\": gone\n"
        );
        assert_eq!(gone.clone().wrapped("failed").text, "error: failed: gone\n");
        let both = Failure::many(vec![gone, Failure::error("other")]).expect_err("two");
        assert_eq!(both.text, "Error from server (NotFound): gone\nother\n");
    }
}

//! Requests and what is expected of their answers, as data.

use serde_json::{Value, json};

use super::server::{Answer, Server};

fn media(method: &str, kind: &str) -> &'static str {
    match kind {
        "json" => "application/json-patch+json",
        "smp" => "application/strategic-merge-patch+json",
        "apply" => "application/apply-patch+yaml",
        "yaml" => "application/yaml",
        _ if method == "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    }
}

fn check(answer: &Answer, expected: &str) -> Result<(), String> {
    let (code, rest) = expected.split_once(' ').unwrap_or((expected, ""));
    if answer.code.to_string() != code {
        return Err(format!("the code is {}", answer.code));
    }
    if !rest.starts_with('/') && !rest.starts_with("warning=") {
        let found = rest.is_empty() || answer.message() == rest;
        return if found { Ok(()) } else { Err(format!("the message is {}", answer.message())) };
    }
    for pair in rest.split("; ") {
        let (at, want) = pair.split_once('=').unwrap_or((pair, "-"));
        if at == "warning" {
            let have = answer.header("Warning");
            if !have.contains(want) {
                return Err(format!("the warnings are {have}"));
            }
            continue;
        }
        let have = answer.body.pointer(at).cloned();
        let want = (want != "-").then(|| serde_json::from_str::<Value>(want).unwrap_or_else(|_| json!(want)));
        if have != want {
            return Err(format!("{at} is {}", have.map_or_else(|| "missing".to_owned(), |v| v.to_string())));
        }
    }
    Ok(())
}

/// Runs the steps. A step is the request, its body and what is expected. A request is a method, a path, and maybe how the
/// body is written or what is accepted.
///
/// An expectation begins with the code. What follows is the message that the answer's Status has, or pairs of pointer and
/// value between semicolons: a value is JSON or text, `-` where there may be none; `warning=text` is part of a warning.
pub fn run(server: &Server, steps: &[(&str, &str, &str)]) {
    for (request, body, expected) in steps {
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (mut kind, mut headers) = ("", Vec::new());
        for word in words {
            match word.split_once('=') {
                Some(("accept", "table")) => headers.push(("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")),
                Some(("accept", "partial")) => {
                    headers.push(("Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"));
                }
                Some(("accept", "partials")) => {
                    headers.push(("Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"));
                }
                _ => kind = word,
            }
        }
        headers.push(("Content-Type", media(method, kind)));
        let answer = server.send(method, path, &headers, body.as_bytes());
        if let Err(why) = check(&answer, expected) {
            panic!("{request} {body}\nexpected {expected}\nbut {why}\n{}", answer.text);
        }
    }
}

//! Which format a client wants and which it sends. Models apiserver's `pkg/endpoints/handlers/negotiation`.

use super::Request;
use crate::api::decode::Format;
use crate::api::status::Status;
use crate::registry::Served;

/// What bodies are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/json`.
    #[default]
    Json,
    /// `application/yaml`.
    Yaml,
}

impl MediaType {
    pub(super) fn name(self) -> &'static str {
        match self {
            MediaType::Json => "application/json",
            MediaType::Yaml => "application/yaml",
        }
    }
}

/// What an object is turned into for the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Transform {
    /// Nothing.
    #[default]
    None,
    /// A Table of meta.k8s.io/v1.
    Table,
    /// Metadata alone.
    PartialObject,
    /// Metadata alone, of lists.
    PartialObjectList,
    /// apidiscovery.k8s.io/v2, for discovery alone.
    Discovery,
}

/// What the Accept header asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    pub media: MediaType,
    pub transform: Transform,
    /// Whether the Table is of v1beta1.
    pub beta: bool,
}

impl Accepted {
    /// The Content-Type of the answer.
    pub(super) fn content_type(self) -> String {
        match self.transform {
            Transform::Discovery => {
                format!("{};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", self.media.name())
            }
            _ => self.media.name().to_owned(),
        }
    }
}

/// One clause of an Accept header.
struct Clause<'a> {
    kind: &'a str,
    params: Vec<(&'a str, &'a str)>,
    q_milli: u32,
}

fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut all: Vec<Clause<'_>> = accept
        .split(',')
        .filter_map(|clause| {
            let mut parts = clause.split(';').map(str::trim);
            let kind = parts.next().filter(|k| !k.is_empty())?;
            let mut params: Vec<(&str, &str)> = parts.filter_map(|p| p.split_once('=')).collect();
            let q = params.iter().position(|(k, _)| *k == "q").map(|i| params.remove(i).1);
            let q_milli = q.and_then(|q| q.parse::<f32>().ok()).map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u32);
            Some(Clause { kind, params, q_milli })
        })
        .collect();
    // Preferred first; among equals the exact before the wildcards, and in the order given.
    all.sort_by_key(|c| (std::cmp::Reverse(c.q_milli), c.kind.contains('*')));
    all
}

/// Whether object transformations may be asked for, and whether streams are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Answers with objects.
    Objects,
    /// Answers with Status and the like: no transformation.
    Plain,
    /// Discovery.
    Discovery,
}

/// What the client accepts; the error is upstream's 406.
pub(super) fn accepted(request: &Request, endpoint: Endpoint) -> Result<Accepted, Status> {
    let header = request.header("Accept").unwrap_or_default();
    if header.trim().is_empty() {
        return Ok(Accepted::default());
    }
    for c in clauses(header) {
        let media = match c.kind {
            "application/json" | "*/*" | "application/*" => MediaType::Json,
            "application/yaml" => MediaType::Yaml,
            _ => continue,
        };
        let mut found = Accepted { media, ..Accepted::default() };
        let param = |name: &str| c.params.iter().find(|(k, _)| *k == name).map(|(_, v)| *v);
        let (stream, version) = (param("stream").unwrap_or_default(), param("sv").unwrap_or_default());
        let streams = stream.is_empty() || stream == "watch" && media == MediaType::Json;
        let speaks = version.is_empty() || version == "v1" && endpoint == Endpoint::Objects;
        if !streams || !speaks {
            continue;
        }
        match (endpoint, param("as")) {
            (_, None) if param("g").is_some() || param("v").is_some() => continue,
            (_, None) => {}
            (Endpoint::Objects, Some(as_)) => {
                let (g, v) = (param("g").unwrap_or_default(), param("v").unwrap_or_default());
                if g != "meta.k8s.io" || !matches!(v, "v1" | "v1beta1") {
                    continue;
                }
                found.beta = v == "v1beta1";
                found.transform = match as_ {
                    "Table" => Transform::Table,
                    "PartialObjectMetadata" => Transform::PartialObject,
                    "PartialObjectMetadataList" => Transform::PartialObjectList,
                    _ => continue,
                };
            }
            (Endpoint::Discovery, Some(as_)) => {
                let wanted = (param("g"), param("v"), as_);
                if wanted != (Some("apidiscovery.k8s.io"), Some("v2"), "APIGroupDiscoveryList") {
                    continue;
                }
                found.transform = Transform::Discovery;
            }
            (Endpoint::Plain, Some(_)) => continue,
        }
        return Ok(found);
    }
    Err(not_acceptable())
}

/// The media type of an OpenAPI document of version 2 in protobuf, as answers name it.
pub(super) const OPENAPI_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Whether the OpenAPI document of version 2 is wanted in protobuf rather than in JSON; the error is upstream's 406.
pub(super) fn openapi_in_protobuf(request: &Request, spoken: bool) -> Result<bool, Status> {
    const OLDER: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let header = request.header("Accept").filter(|h| !h.is_empty()).unwrap_or("*/*");
    for c in clauses(header) {
        match c.kind {
            "application/json" | "*/*" | "application/*" | "*/json" => return Ok(false),
            OPENAPI_PROTOBUF | OLDER if spoken => return Ok(true),
            _ => {}
        }
    }
    Err(not_acceptable())
}

const ACCEPTED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

const STREAMED: &str = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

fn not_acceptable() -> Status {
    only(ACCEPTED)
}

/// `NewNotAcceptableError`.
fn only(accepted: &str) -> Status {
    Status::other(406, "NotAcceptable", format!("only the following media types are accepted: {accepted}"))
}

/// Whether one document may follow another in what is accepted.
pub(super) fn check_streamable(accepted: Accepted) -> Result<(), Status> {
    if accepted.media == MediaType::Json { Ok(()) } else { Err(only(STREAMED)) }
}

/// The first check of a request for objects: whether any format fits at all. go-restful makes the answer, so it reads otherwise;
/// custom objects don't come by it.
pub(super) fn check_producible(request: &Request, served: Option<&Served>, streams: bool) -> Result<(), Status> {
    if served.is_some_and(|s| s.custom.is_some()) {
        return Ok(());
    }
    let header = request.header("Accept").unwrap_or_default();
    let fits = |c: &Clause<'_>| {
        matches!(c.kind, "*/*" | "application/json" | "application/yaml" | "application/vnd.kubernetes.protobuf")
    };
    if header.trim().is_empty() || clauses(header).iter().any(fits) {
        return Ok(());
    }
    let streams = if streams { format!(", {STREAMED}") } else { String::new() };
    Err(not_producible(&format!("{ACCEPTED}{streams}")))
}

/// The same of what is JSON for everybody.
pub(super) fn check_json(request: &Request) -> Result<(), Status> {
    let header = request.header("Accept").unwrap_or_default();
    let fits = |c: &Clause<'_>| matches!(c.kind, "*/*" | "application/json");
    if header.trim().is_empty() || clauses(header).iter().any(fits) {
        return Ok(());
    }
    Err(not_producible("application/json"))
}

fn not_producible(representations: &str) -> Status {
    let message = format!("406: Not Acceptable\n\nAvailable representations: {representations}");
    Status::other(406, "NotAcceptable", message).with_details(Default::default())
}

/// The format for errors: what the client accepts, else JSON.
pub(super) fn errors(request: &Request) -> MediaType {
    accepted(request, Endpoint::Objects).or_else(|_| accepted(request, Endpoint::Plain)).unwrap_or_default().media
}

/// How the body is written, by its Content-Type. Without one it is JSON.
pub(super) fn body_format(request: &Request) -> Result<Format, Status> {
    let header = request.header("Content-Type").unwrap_or_default();
    match header.split(';').next().unwrap_or_default().trim() {
        "" | "application/json" => Ok(Format::Json),
        "application/yaml" => Ok(Format::Yaml),
        _ => Err(Status::unsupported_media_type(format!(
            "the body of the request was in an unknown format - accepted media types include: {ACCEPTED}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept() {
        let check = |accept: &str, expect: &str| {
            let r = Request { headers: vec![("accept".into(), accept.into())], ..Request::default() };
            let got = match accepted(&r, Endpoint::Objects) {
                Ok(a) => format!("{} {:?}", a.media.name(), a.transform),
                Err(s) => s.code.to_string(),
            };
            assert_eq!(got, expect, "{accept}");
        };
        check("", "application/json None");
        check("*/*", "application/json None");
        check("application/yaml", "application/yaml None");
        check("text/html, application/json;q=0.5", "application/json None");
        check("application/json;q=0.1, application/yaml", "application/yaml None");
        check("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "application/json Table");
        check("application/json;as=Nope;v=v1;g=meta.k8s.io,application/json", "application/json None");
        check("application/vnd.kubernetes.protobuf,application/json", "application/json None");
        check("application/json;stream=watch", "application/json None");
        check("application/yaml;stream=watch", "406");
        check("application/json;stream=other,application/yaml", "application/yaml None");
        check("application/json;g=meta.k8s.io;v=v1", "406");
        check("application/json;sv=v1", "application/json None");
        check("application/json;sv=v2", "406");
        check("text/html", "406");
    }
}

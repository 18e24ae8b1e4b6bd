//! Image names, as far as defaults depend on them.
//! Models `pkg/util/parsers/parsers.go` and the reference grammar that it relies on.

/// Whether the image is pulled each time by default: its tag is `latest`, by name or for want of another.
pub(super) fn is_latest(image: &str) -> bool {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let path_start = name.rfind('/').map_or(0, |i| i + 1);
    let last = name.get(path_start..).unwrap_or("");
    let (repository, tag) = match last.split_once(':') {
        Some((_, tag)) => (name.get(..name.len() - tag.len() - 1).unwrap_or(""), Some(tag)),
        None => (name, None),
    };
    if !is_repository(repository) || tag.is_some_and(|t| !is_tag(t)) {
        return false;
    }
    match (tag, digest) {
        (Some(tag), _) => tag == "latest",
        (None, Some(_)) => false,
        (None, None) => true,
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

/// The most bytes that a name with its domain has.
const NAME_BYTES_MAX: usize = 255;

/// An optional domain, then lower-case components.
fn is_repository(repository: &str) -> bool {
    let (domain, path) = match repository.split_once('/') {
        Some((domain, rest)) if domain.contains(['.', ':']) || domain == "localhost" => (Some(domain), rest),
        _ => (None, repository),
    };
    // What names no domain is Docker's, and there in the library if it is but a word.
    let added = match (domain, path.contains('/')) {
        (Some(domain), _) => domain.len() + 1,
        (None, true) => "docker.io/".len(),
        (None, false) => "docker.io/library/".len(),
    };
    let is_id = repository.len() == 64 && repository.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    added + path.len() <= NAME_BYTES_MAX
        && !is_id
        && domain.is_none_or(is_domain)
        && path.split('/').all(is_path_component)
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let word = |part: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = part.as_bytes();
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    };
    let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let is_host = match address {
        Some(address) => !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(word),
    };
    is_host && port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

/// Small letters and digits with a dot, one or two underscores, or dashes between them.
fn is_path_component(component: &str) -> bool {
    let is_word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let separators =
        bytes.chunk_by(|a, b| is_word(a) == is_word(b)).filter(|run| run.first().is_some_and(|b| !is_word(b)));
    bytes.first().is_some_and(is_word)
        && bytes.last().is_some_and(is_word)
        && separators.into_iter().all(|run| matches!(run, b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn latest() {
        let long = "x".repeat(238);
        for (image, want) in [
            ("i", true),
            ("i:latest", true),
            ("i:1", false),
            ("a.b/c", true),
            ("a:5/c", true),
            ("[::1]:5/c", true),
            ("a__b/c--d", true),
            ("a___b", false),
            ("a..b", false),
            ("../x", false),
            ("-a.b/c", false),
            ("I", false),
            ("i@sha256:0", false),
            (&long[1..], true),
            (&long, false),
            (&"0".repeat(64), false),
        ] {
            assert_eq!(super::is_latest(image), want, "{image}");
        }
    }
}

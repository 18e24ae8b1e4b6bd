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

/// An optional domain, then lower-case components.
fn is_repository(repository: &str) -> bool {
    let path = match repository.split_once('/') {
        Some((domain, rest)) if domain.contains(['.', ':']) || domain == "localhost" => {
            let ok = domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'[' | b']'));
            if !ok {
                return false;
            }
            rest
        }
        _ => repository,
    };
    path.split('/').all(|component| {
        let bytes = component.as_bytes();
        let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        bytes.first().is_some_and(edge)
            && bytes.last().is_some_and(edge)
            && bytes.iter().all(|b| edge(b) || matches!(b, b'.' | b'_' | b'-'))
    })
}

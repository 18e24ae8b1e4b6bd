//! Image references: what `nginx` means in full.
//!
//! Models github.com/distribution/reference, normalize.go and reference.go.

use std::fmt;

/// A reference with nothing left out: always a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    pub domain: String,
    pub path: String,
    pub tag: Option<String>,
    /// With its algorithm: `sha256:..`.
    pub digest: Option<String>,
}

/// Why a text is no reference, in the library's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    Format,
    Uppercase(String),
    TooLong,
    Empty,
    OnlyHex,
    DigestLength,
    DigestUnsupported,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReferenceError::Format => write!(f, "invalid reference format"),
            ReferenceError::Uppercase(name) => {
                write!(f, "invalid reference format: repository name ({name}) must be lowercase")
            }
            ReferenceError::TooLong => write!(f, "repository name must not be more than 255 characters"),
            ReferenceError::Empty => write!(f, "repository name must have at least one component"),
            ReferenceError::OnlyHex => {
                write!(f, "invalid repository name, cannot specify 64-byte hexadecimal strings")
            }
            ReferenceError::DigestLength => write!(f, "invalid checksum digest length"),
            ReferenceError::DigestUnsupported => write!(f, "unsupported digest algorithm"),
        }
    }
}

impl Reference {
    /// Reads a reference, filling in Docker Hub, `library/` and `:latest`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(ReferenceError::OnlyHex);
        }
        let (domain, rest) = split_domain(text);
        let (named, digest) = match rest.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (rest.as_str(), None),
        };
        let (path, tag) = match named.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (named, None),
        };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ReferenceError::Uppercase(path.to_owned()));
        }
        if path.is_empty() || !path.split('/').all(is_component) || !is_domain(&domain) {
            return Err(ReferenceError::Format);
        }
        if path.len() > 255 {
            return Err(ReferenceError::TooLong);
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Format);
        }
        if let Some(digest) = digest {
            check_digest(digest)?;
        }
        let tag = match (tag, digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Reference { domain, path: path.to_owned(), tag, digest: digest.map(str::to_owned) })
    }

    /// Domain and path.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// What the registry is asked for: the digest, or the tag.
    #[must_use]
    pub fn object(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// Whether it names what may change: no digest, and the tag `latest` (the default pull policy asks).
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.digest.is_none() && self.tag.as_deref() == Some("latest")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// The domain, which what stands before the first slash is if it looks like one, and the rest.
fn split_domain(text: &str) -> (String, String) {
    let hub = |rest: &str| {
        let rest = if rest.contains('/') { rest.to_owned() } else { format!("library/{rest}") };
        ("docker.io".to_owned(), rest)
    };
    match text.split_once('/') {
        Some((first, rest))
            if first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            if first == "docker.io" || first == "index.docker.io" {
                return hub(rest);
            }
            (first.to_owned(), rest.to_owned())
        }
        _ => hub(text),
    }
}

fn is_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let alnum = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !bytes.first().is_some_and(alnum) || !bytes.last().is_some_and(alnum) {
        return false;
    }
    // Separators: one dot, one or two underscores, any number of dashes.
    component
        .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-'))
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !domain.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit())) {
        return false;
    }
    if let Some(v6) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    }
    host.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

fn check_digest(digest: &str) -> Result<(), ReferenceError> {
    let (algorithm, hex) = digest.split_once(':').ok_or(ReferenceError::Format)?;
    if hex.len() < 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(ReferenceError::Format);
    }
    let expected = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(ReferenceError::DigestUnsupported),
    };
    if hex.len() != expected {
        return Err(ReferenceError::DigestLength);
    }
    if hex.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ReferenceError::Format);
    }
    Ok(())
}

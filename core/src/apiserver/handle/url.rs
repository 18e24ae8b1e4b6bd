//! Percent-encoding of paths and queries, as Go's net/url reads them.

fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

fn decode(text: &str, plus_is_blank: bool) -> Option<String> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'%' => out.push(hex(bytes.next()?)? << 4 | hex(bytes.next()?)?),
            b'+' if plus_is_blank => out.push(b' '),
            other => out.push(other),
        }
    }
    Some(String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

/// A decoded path; `None` for a broken escape.
pub(in crate::apiserver) fn decode_path(path: &str) -> Option<String> {
    decode(path, false)
}

/// A query's parameters, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query; parameters that can't be read are dropped, as Go's `URL.Query` does.
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|p| !p.is_empty() && !p.contains(';'));
        Query(
            pairs
                .filter_map(|p| {
                    let (k, v) = p.split_once('=').unwrap_or((p, ""));
                    Some((decode(k, true)?, decode(v, true)?))
                })
                .collect(),
        )
    }

    /// The first value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// All values of a parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// The parameters in order.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(decode_path("/a%2Fb+c").as_deref(), Some("/a/b+c"));
        assert_eq!(decode_path("/a%2"), None);
        assert_eq!(decode_path("/%zz"), None);
        let q = Query::parse("a=1%2C2&b&a=x+y&bad=%zz");
        assert_eq!(q.get("a"), Some("1,2"));
        assert_eq!(q.get("b"), Some(""));
        assert_eq!(q.all("a").collect::<Vec<_>>(), ["1,2", "x y"]);
        assert_eq!(q.get("bad"), None);
    }
}

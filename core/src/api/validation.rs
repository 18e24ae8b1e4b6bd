//! Checks of names, labels and other small texts, with upstream's complaints.
//! Models apimachinery `pkg/util/validation/validation.go` and `pkg/api/validate/content`.

use super::field::{Error, ErrorList, Path};

mod ip;
mod meta;
mod options;

pub use ip::{
    cidr_warnings, ip_warnings, is_ipv4_string, is_ipv6_string, is_strict_subset, is_valid_cidr,
    is_valid_cidr_for_legacy_field, is_valid_ip, is_valid_ip_for_legacy_field, parse_cidr_sloppy, parse_ip_sloppy,
    show_ip,
};
pub use meta::{
    validate_annotations, validate_immutable, validate_label_name, validate_label_selector, validate_labels,
    validate_managed_fields, validate_nonnegative, validate_object_meta, validate_object_meta_update,
    validate_owner_references,
};
pub use options::{
    validate_delete_options, validate_dry_run, validate_field_manager, validate_field_validation, validate_patch_force,
};

/// What is wrong with a text; empty if nothing is.
pub type Messages = Vec<String>;

/// A check of an object's name; `prefix` is true for a generateName.
pub type NameCheck = fn(name: &str, prefix: bool) -> Messages;

const DNS1123_LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DNS1123_SUBDOMAIN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// `MaxLenError` of pkg/util/validation.
pub fn max_len(n: usize) -> String {
    format!("must be no more than {n} characters")
}

/// `MaxLenError` of pkg/api/validate/content, where label keys and values are checked.
fn max_bytes(n: usize) -> String {
    format!("must be no more than {n} bytes")
}

/// `InclusiveRangeError`.
pub fn inclusive_range(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// `RegexError`: the rule, examples and the expression.
pub fn regex_error(message: &str, expression: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{expression}')");
    }
    let mut s = format!("{message} (e.g. ");
    for (i, e) in examples.iter().enumerate() {
        if i > 0 {
            s.push_str(" or ");
        }
        s.push_str(&format!("'{e}', "));
    }
    s.push_str(&format!("regex used for validation is '{expression}')"));
    s
}

fn is_lower_alnum(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// Whether the text begins and ends as `edge` has it and is `inner` throughout.
fn shaped(s: &str, edge: fn(u8) -> bool, inner: fn(u8) -> bool) -> bool {
    let b = s.as_bytes();
    match (b.first(), b.last()) {
        (Some(&first), Some(&last)) => edge(first) && edge(last) && b.iter().all(|&c| inner(c)),
        _ => false,
    }
}

pub(super) fn matches_dns1123_label(s: &str) -> bool {
    shaped(s, is_lower_alnum, |c| is_lower_alnum(c) || c == b'-')
}

pub(super) fn matches_dns1123_subdomain(s: &str) -> bool {
    s.split('.').all(matches_dns1123_label)
}

fn matches_label_key(s: &str) -> bool {
    shaped(s, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

/// `IsDNS1123Label`.
pub fn is_dns1123_label(s: &str) -> Messages {
    let mut m = Vec::new();
    if s.len() > 63 {
        m.push(max_len(63));
    }
    if !matches_dns1123_label(s) {
        if matches_dns1123_subdomain(s) {
            m.push("must not contain dots".to_owned());
        } else {
            m.push(regex_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character",
                DNS1123_LABEL,
                &["my-name", "123-abc"],
            ));
        }
    }
    m
}

fn subdomain_messages(s: &str, too_long: fn(usize) -> String) -> Messages {
    let mut m = Vec::new();
    if s.len() > 253 {
        m.push(too_long(253));
    }
    if !matches_dns1123_subdomain(s) {
        m.push(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character",
            DNS1123_SUBDOMAIN,
            &["example.com"],
        ));
    }
    m
}

/// `IsDNS1123Subdomain`.
pub fn is_dns1123_subdomain(s: &str) -> Messages {
    subdomain_messages(s, max_len)
}

/// `IsDNS1123SubdomainWithUnderscore`.
pub fn is_dns1123_subdomain_with_underscore(s: &str) -> Messages {
    let label = |l: &str| {
        let l = l.strip_prefix('_').unwrap_or(l);
        shaped(l, is_lower_alnum, |c| is_lower_alnum(c) || matches!(c, b'-' | b'_'))
    };
    let mut m = Vec::new();
    if s.len() > 253 {
        m.push(max_len(253));
    }
    if !s.split('.').all(label) {
        m.push(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and \
             must start and end with an alphanumeric character",
            "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        ));
    }
    m
}

/// `IsDNS1035Label`.
pub fn is_dns1035_label(s: &str) -> Messages {
    let mut m = Vec::new();
    if s.len() > 63 {
        m.push(max_len(63));
    }
    if !(matches_dns1123_label(s) && s.as_bytes().first().is_some_and(u8::is_ascii_lowercase)) {
        m.push(regex_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    m
}

/// `IsWildcardDNS1123Subdomain`.
pub fn is_wildcard_dns1123_subdomain(s: &str) -> Messages {
    let mut m = Vec::new();
    if s.len() > 253 {
        m.push(max_len(253));
    }
    if !s.strip_prefix("*.").is_some_and(matches_dns1123_subdomain) {
        m.push(regex_error(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist \
             of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!("\\*\\.{DNS1123_SUBDOMAIN}"),
            &["*.example.com"],
        ));
    }
    m
}

/// `IsQualifiedName`: a label's key, an annotation's, a finalizer's, a resource's name.
pub fn is_qualified_name(s: &str) -> Messages {
    const RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    const EXAMPLES: &[&str] = &["MyName", "my.name", "123-abc"];
    let mut m = Vec::new();
    let mut parts = s.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                m.push("prefix part must be non-empty".to_owned());
            } else {
                m.extend(subdomain_messages(prefix, max_bytes).into_iter().map(|e| format!("prefix part {e}")));
            }
            name
        }
        _ => {
            m.push(format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                regex_error(RULE, LABEL_KEY, EXAMPLES)
            ));
            return m;
        }
    };
    if name.is_empty() {
        m.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        m.push(format!("name part {}", max_bytes(63)));
    }
    if !matches_label_key(name) {
        m.push(format!("name part {}", regex_error(RULE, LABEL_KEY, EXAMPLES)));
    }
    m
}

/// `IsValidLabelValue`.
pub fn is_valid_label_value(s: &str) -> Messages {
    let mut m = Vec::new();
    if s.len() > 63 {
        m.push(max_bytes(63));
    }
    if !s.is_empty() && !matches_label_key(s) {
        m.push(regex_error(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character",
            &format!("({LABEL_KEY})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    m
}

/// `IsCIdentifier`.
pub fn is_c_identifier(s: &str) -> Messages {
    let ok = s.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
        && s.bytes().next().is_some_and(|c| !c.is_ascii_digit());
    if ok {
        return Vec::new();
    }
    vec![regex_error(
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric \
         characters or '_'",
        "[A-Za-z_][A-Za-z0-9_]*",
        &["my_name", "MY_NAME", "MyName"],
    )]
}

/// `IsInRange`.
pub fn is_in_range(value: i64, low: i64, high: i64) -> Messages {
    if (low..=high).contains(&value) { Vec::new() } else { vec![inclusive_range(low, high)] }
}

/// `IsValidPortNum`.
pub fn is_valid_port_num(port: i64) -> Messages {
    is_in_range(port, 1, 65535)
}

/// `IsValidUserID` and `IsValidGroupID`.
pub fn is_valid_user_id(id: i64) -> Messages {
    is_in_range(id, 0, i64::from(i32::MAX))
}

/// `IsValidPortName`.
pub fn is_valid_port_name(s: &str) -> Messages {
    let mut m = Vec::new();
    if s.len() > 15 {
        m.push(max_len(15));
    }
    if s.is_empty() || !s.bytes().all(|c| is_lower_alnum(c) || c == b'-') {
        m.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !s.bytes().any(|c| c.is_ascii_lowercase()) {
        m.push("must contain at least one letter (a-z)".to_owned());
    }
    if s.contains("--") {
        m.push("must not contain consecutive hyphens".to_owned());
    }
    if s.starts_with('-') || s.ends_with('-') {
        m.push("must not begin or end with a hyphen".to_owned());
    }
    m
}

/// `IsValidPercent`.
pub fn is_valid_percent(s: &str) -> Messages {
    match s.strip_suffix('%') {
        Some(n) if !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit()) => Vec::new(),
        _ => vec![regex_error(
            "a valid percent string must be a numeric string followed by an ending '%'",
            "[0-9]+%",
            &["1%", "93%"],
        )],
    }
}

/// `IsHTTPHeaderName`.
pub fn is_http_header_name(s: &str) -> Messages {
    if !s.is_empty() && s.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') {
        return Vec::new();
    }
    vec![regex_error(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

fn dot_dot(s: &str) -> Option<String> {
    match s {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        _ if s.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// `IsEnvVarName`.
pub fn is_env_var_name(s: &str) -> Messages {
    let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_');
    let mut m = Vec::new();
    if !(s.bytes().all(inner) && s.bytes().next().is_some_and(|c| !c.is_ascii_digit())) {
        m.push(regex_error(
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and \
             must not start with a digit",
            "[-._a-zA-Z][-._a-zA-Z0-9]*",
            &["my.env-name", "MY_ENV.NAME", "MyEnvName1"],
        ));
    }
    m.extend(dot_dot(s));
    m
}

/// `IsRelaxedEnvVarName`.
pub fn is_relaxed_env_var_name(s: &str) -> Messages {
    let mut m = Vec::new();
    if s.is_empty() {
        m.push("environment variable name must be non-empty".to_owned());
    }
    if s.chars().any(|c| !(' '..='~').contains(&c) || c == '=') {
        m.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        );
    }
    m
}

/// `IsConfigMapKey`.
pub fn is_config_map_key(s: &str) -> Messages {
    let mut m = Vec::new();
    if s.len() > 253 {
        m.push(max_len(253));
    }
    if s.is_empty() || !s.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_')) {
        m.push(regex_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    m.extend(dot_dot(s));
    m
}

/// `IsPathSegmentName`: what a name must be to stand in a URL.
pub fn is_path_segment_name(s: &str) -> Messages {
    if s == "." || s == ".." {
        return vec![format!("may not be '{s}'")];
    }
    ["/", "%"].iter().filter(|c| s.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
}

/// `IsFullyQualifiedName`.
pub fn is_fully_qualified_name(path: &Path, s: &str) -> ErrorList {
    if s.is_empty() {
        return vec![Error::required(path, "")];
    }
    let m = is_dns1123_subdomain(s);
    if !m.is_empty() {
        return vec![Error::invalid_str(path, s, m.join(","))];
    }
    if s.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        return vec![Error::invalid_str(path, s, detail)];
    }
    Vec::new()
}

/// `IsFullyQualifiedDomainName`.
pub fn is_fully_qualified_domain_name(path: &Path, s: &str) -> ErrorList {
    if s.is_empty() {
        return vec![Error::required(path, "")];
    }
    let s = s.strip_suffix('.').unwrap_or(s);
    let m = is_dns1123_subdomain(s);
    if !m.is_empty() {
        return vec![Error::invalid_str(path, s, m.join(","))];
    }
    if s.split('.').count() < 2 {
        let detail = "should be a domain with at least two segments separated by dots";
        return vec![Error::invalid_str(path, s, detail)];
    }
    for label in s.split('.') {
        let m = is_dns1123_label(label);
        if !m.is_empty() {
            return vec![Error::invalid_str(path, label, m.join(","))];
        }
    }
    Vec::new()
}

/// `IsDomainPrefixedPath`, such as `acme.io/foo`.
pub fn is_domain_prefixed_path(path: &Path, s: &str) -> ErrorList {
    if s.is_empty() {
        return vec![Error::required(path, "")];
    }
    let (host, rest) = match s.split_once('/') {
        Some((host, rest)) if !host.is_empty() && !rest.is_empty() => (host, rest),
        _ => {
            let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            return vec![Error::invalid_str(path, s, detail)];
        }
    };
    let mut errors: ErrorList =
        is_dns1123_subdomain(host).into_iter().map(|m| Error::invalid_str(path, host, m)).collect();
    if !rest.bytes().all(|c| c.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&c)) {
        let detail = regex_error("Invalid path", "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+", &[]);
        errors.push(Error::invalid_str(path, rest, detail));
    }
    errors
}

/// A generateName's trailing dash stands for a letter or digit to come; upstream masks the character before it too.
fn mask_trailing_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let mut s = rest.to_owned();
            s.pop();
            s.push('a');
            s
        }
        _ => name.to_owned(),
    }
}

fn named(check: fn(&str) -> Messages, name: &str, prefix: bool) -> Messages {
    if prefix { check(&mask_trailing_dash(name)) } else { check(name) }
}

/// `NameIsDNSSubdomain`.
pub fn name_is_dns_subdomain(name: &str, prefix: bool) -> Messages {
    named(is_dns1123_subdomain, name, prefix)
}

/// The same where declarative validation looks (`k8s-long-name`), which counts bytes.
pub fn name_is_long_name(name: &str, prefix: bool) -> Messages {
    named(|s| subdomain_messages(s, max_bytes), name, prefix)
}

/// `NameIsDNSLabel`.
pub fn name_is_dns_label(name: &str, prefix: bool) -> Messages {
    named(is_dns1123_label, name, prefix)
}

/// `NameIsDNS1035Label`.
pub fn name_is_dns1035_label(name: &str, prefix: bool) -> Messages {
    named(is_dns1035_label, name, prefix)
}

/// `path.ValidatePathSegmentName`: the loosest rule, of RBAC kinds and others.
pub fn name_is_path_segment(name: &str, prefix: bool) -> Messages {
    if prefix {
        ["/", "%"].iter().filter(|c| name.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
    } else {
        is_path_segment_name(name)
    }
}

#[cfg(test)]
mod tests;

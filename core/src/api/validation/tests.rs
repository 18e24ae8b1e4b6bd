use super::*;

#[test]
fn checks() {
    let long = "a".repeat(64);
    type Case<'a> = (fn(&str) -> Messages, &'a str, &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (is_dns1123_label, "a-1", &[]),
        (is_dns1123_label, "a.b", &["must not contain dots"]),
        (is_dns1123_label, &long, &["must be no more than 63 characters"]),
        (
            is_dns1123_label,
            "A",
            &[
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            ],
        ),
        (is_dns1123_subdomain, "a.b-c.d", &[]),
        (
            is_dns1123_subdomain,
            "a..b",
            &[
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ],
        ),
        (
            is_dns1035_label,
            "1a",
            &[
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
            ],
        ),
        (is_qualified_name, "example.com/a_B", &[]),
        (is_qualified_name, "/a", &["prefix part must be non-empty"]),
        (is_qualified_name, &long, &["name part must be no more than 63 bytes"]),
        (is_valid_label_value, "", &[]),
        (is_valid_label_value, &long, &["must be no more than 63 bytes"]),
        (is_valid_port_name, "http-1", &[]),
        (is_valid_port_name, "8080", &["must contain at least one letter (a-z)"]),
        (is_valid_port_name, "-a--", &["must not contain consecutive hyphens", "must not begin or end with a hyphen"]),
        (is_config_map_key, "..x", &["must not start with '..'"]),
        (is_path_segment_name, "a/b%", &["may not contain '/'", "may not contain '%'"]),
        (is_env_var_name, "A-b.c_1", &[]),
        (is_wildcard_dns1123_subdomain, "*.a.b", &[]),
    ];
    for (check, input, want) in cases {
        assert_eq!(check(input), *want, "{input}");
    }
    assert_eq!(is_qualified_name("").len(), 2);
    assert_eq!(is_qualified_name("a/b/c").len(), 1);
    assert!(name_is_dns_label("web-", true).is_empty() && name_is_dns_label("-", true).len() == 1);
    assert!(name_is_dns_subdomain("ä-", true).len() <= 1);
}

use super::*;

#[test]
fn canonical_texts() {
    let cases = [
        ("0", "0"),
        ("0.0", "0"),
        ("-0", "0"),
        ("1", "1"),
        ("+5", "+5"),
        ("1.", "1."),
        ("1000", "1k"),
        ("1500", "1500"),
        ("0.5", "500m"),
        ("1.500", "1.500"),
        ("0.1m", "100u"),
        ("0.00000000001", "1n"),
        ("1.5Gi", "1536Mi"),
        ("1024Ki", "1Mi"),
        ("1000Ki", "1000Ki"),
        ("1Ki", "1Ki"),
        ("0.5Ki", "512"),
        ("0.3Mi", "314572800m"),
        ("100Gi", "100Gi"),
        ("1e3", "1e3"),
        ("1E3", "1E3"),
        ("12e4", "120e3"),
        ("1000e3", "1e6"),
        ("1Ei", "1Ei"),
        ("100Ei", "9223372036854775807"),
        ("-1.5Gi", "-1536Mi"),
        (" 5 ", "5"),
        ("9223372036854775808", "9223372036854775808"),
        ("128974848", "128974848"),
        ("129M", "129M"),
        ("1000E", "1"),
    ];
    for (input, want) in cases {
        assert_eq!(Quantity::canonicalize(input).as_deref(), Ok(want), "{input}");
    }
}

#[test]
fn errors() {
    use QuantityError::*;
    for (input, want) in [
        ("", Format),
        ("abc", Format),
        ("1.2.3", Format),
        ("1 Gi", Format),
        ("ä", Format),
        ("1ä", Format),
        ("1mm", Suffix),
        ("1K", Suffix),
        ("e", Suffix),
        ("1e99999999999999999999", Suffix),
        (".Ei", Numeric),
    ] {
        assert_eq!(Quantity::parse(input).map(|q| q.to_string()), Err(want), "{input}");
    }
}

#[test]
fn values_round_up() {
    for (input, value, milli) in [
        ("100m", 1, 100),
        ("1", 1, 1000),
        ("-100m", -1, -100),
        ("1u", 1, 1),
        ("1Gi", 1 << 30, 1000 << 30),
        ("2.5", 3, 2500),
        ("1E", 1_000_000_000_000_000_000, 0),
    ] {
        let q = Quantity::parse(input).unwrap();
        assert_eq!((q.value(), q.milli_value()), (value, milli), "{input}");
    }
}

#[test]
fn arithmetic_and_order() {
    let q = |s: &str| Quantity::parse(s).unwrap();
    for (a, b, sum, difference) in [
        ("100m", "1", "1100m", "-900m"),
        ("0", "1Gi", "1Gi", "-1Gi"),
        ("1Gi", "512Mi", "1536Mi", "512Mi"),
        ("1Gi", "1G", "2073741824", "73741824"),
        ("1", "1Ki", "1025", "-1023"),
    ] {
        assert_eq!(
            (q(a).add(q(b)).to_string(), q(a).sub(q(b)).to_string()),
            (sum.into(), difference.into()),
            "{a} {b}"
        );
    }
    assert!(q("1000m") == q("1") && q("1Ki") > q("1k") && q("-1") < q("1n") && q("1e100") > q("1e99"));
    assert!(q("-1e100") < q("-1"));
}
